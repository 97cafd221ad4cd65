"""Bytes of strangers' files become text, a bounded piece at a time."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import re
import stat
import sys
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hsegap.batch.problems import reason_of, unreadable
from hsegap.errors import Problem
from hsegap.prediction.limits import MAX_STRUCTURE_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: UTF-8 needs at most four bytes a character, so a file longer than this is too long before it is decoded.
MAX_BYTES = 4 * MAX_STRUCTURE_CHARS
#: Longest line of a JSON-lines file and longest field of a CSV file.
MAX_LINE_BYTES = 2 * MAX_BYTES
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_UNPACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
#: What the decompressors raise on damaged data.
UNPACKING_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)


def open_regular(path: Path) -> BinaryIO:
    """Open a plain file. A pipe or a device is refused: it could keep a run waiting for ever.

    Raises:
        OSError: If it cannot be opened or is no plain file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, "Is a directory")
    raise OSError(22, "it is a pipe, a socket or a device, not a file")


def open_plain(source: Path | BinaryIO) -> BinaryIO:
    """Open a file, unpacked if it is packed with gzip, bzip2 or xz.

    Raises:
        OSError: If it cannot be opened.
    """
    stream = source if hasattr(source, "read") else open_regular(cast("Path", source))
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("Any", stream))
    head = buffered.peek(6)[:6]
    for magic, opener in _UNPACKERS.items():
        if head.startswith(magic):
            return cast("BinaryIO", opener(buffered))
    return cast("BinaryIO", buffered)


def structure_text(stream: BinaryIO, name: str) -> str | Problem:
    """Text of one structure file.

    Args:
        stream: Its bytes, packed or not.
        name: For the message.

    Returns:
        The text, or why there is none.
    """
    try:
        raw = open_plain(stream).read(MAX_BYTES + 1)
    except UNPACKING_ERRORS as error:
        return Problem(
            "unreadable_structure", f"{name} cannot be read: {reason_of(error)}.", "Check that the file is complete."
        )
    return decode(raw, name)


def decode(raw: bytes, name: str) -> str | Problem:
    """Text of a structure's bytes. What is binary is left to the reader of structures, which says so."""
    if len(raw) > MAX_BYTES:
        message = f"{name} is longer than {MAX_BYTES} bytes."
        return Problem("payload_too_large", message, "Give one structure per file, in its primitive cell.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem("unreadable_structure", f"{name} is encoded as UTF-16.", "Save it as UTF-8 (plain text).")
    return raw.decode("utf-8-sig", errors="replace")


def read_structure(path: Path, name: str) -> str | Problem:
    """Text of a structure file on disk, or why there is none."""
    try:
        with open_regular(path) as stream:
            return structure_text(stream, name)
    except FileNotFoundError:
        return Problem("unreadable_structure", f"There is no file {name}.", "Check the path.")
    except PermissionError:
        return Problem("unreadable_structure", f"{name} may not be read.", "Check the file's permissions.")
    except (OSError, ValueError) as error:
        return Problem(
            "unreadable_structure", f"{name} cannot be read: {reason_of(error)}.", "Check the path and the file."
        )


def text_lines(stream: BinaryIO) -> Iterator[str]:
    """Lines of a text, each of bounded length.

    Raises:
        ValueError: On a longer line.
    """
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"a line is longer than {MAX_LINE_BYTES} bytes")
        yield line.decode("utf-8-sig", errors="replace")


def csv_dicts(stream: BinaryIO, *, delimiter: str) -> Iterator[dict[str, str]]:
    """Rows of a table with a head line, by column; a short row lacks its last columns.

    Raises:
        csv.Error: On a field that does not end within bounds.
        ValueError: On a line that does not.
    """
    csv.field_size_limit(min(sys.maxsize, MAX_LINE_BYTES))
    # Not the text layer of io: it takes a line whole, and a packed file may hold one of any length.
    for row in csv.DictReader(_csv_lines(stream), delimiter=delimiter):
        yield {key: value for key, value in row.items() if key is not None and value is not None}


def _csv_lines(stream: BinaryIO) -> Iterator[str]:
    """Lines that end in any of the three ways."""
    for line in text_lines(stream):
        if "\r" in line[:-2]:
            yield from _LINE.findall(line)
        else:
            yield line


def safe_name(name: str) -> str:
    """A name that every encoding of the output can hold.

    Bytes of a file name that are no UTF-8 are shown in hexadecimal.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def missing(name: str) -> Problem:
    """An input that is not there."""
    return unreadable(f"There is no file or folder {name}.", "Check the path.")
