"""Named files and standard input become the requests the predictor answers, or a named error that keeps the file's place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hsegap.commands import output
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.prediction.errors import Failure

Request = TypeVar("Request")

STDIN = "-"
#: UTF-8 needs at most four bytes a character, so a file longer than this is too long before it is decoded.
BYTES_PER_CHAR = 4


def read_file(name: str) -> str | Problem:
    """Text of a file, or of standard input for ``-``.

    Args:
        name: Path as given on the command line.

    Returns:
        The text, or the problem: missing, a folder, not readable, too long, or not text.
    """
    from hsegap.prediction.limits import MAX_STRUCTURE_CHARS

    most = MAX_STRUCTURE_CHARS * BYTES_PER_CHAR
    try:
        if name == STDIN:
            raw = sys.stdin.buffer.read(most + 1)
        else:
            path = Path(name)
            if path.is_dir():
                return Problem("unreadable_structure", f"{name} is a folder.", f"Name the files in it: hsegap predict {path / '*.cif'}")
            # A bounded read, so that a device or an endless pipe ends in an error and not in all memory.
            with path.open("rb") as stream:
                raw = stream.read(most + 1)
    except FileNotFoundError:
        return Problem(
            "unreadable_structure", f"There is no file {name}.", "Check the path; a pattern in quotes is not expanded by the shell."
        )
    except PermissionError:
        return Problem("unreadable_structure", f"{name} may not be read.", "Check the file's permissions.")
    except (OSError, ValueError) as error:  # a name too long or with a NUL, a device error
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Problem("unreadable_structure", f"{name} could not be read: {reason}.", "Check the path and the file.")
    if len(raw) > most:
        return Problem("payload_too_large", f"{name} is longer than {most} bytes.", "Give one structure per file, in its primitive cell.")
    return decode(raw, name)


def decode(raw: bytes, name: str) -> str | Problem:
    """Text of a file's bytes.

    Args:
        raw: The bytes.
        name: Name for the message.

    Returns:
        The text, its byte-order mark left out, or ``unreadable_structure`` for what is no text.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem("unreadable_structure", f"{name} is encoded as UTF-16.", "Save it as UTF-8 (plain text).")
    # Old files carry an Å of another encoding in a comment: that costs one character, not the structure.
    text = raw.decode("utf-8-sig", errors="replace")
    if "\0" in text or text.count("\ufffd") > len(text) // 10:
        return Problem("unreadable_structure", f"{name} is binary, not text.", "Give a text file: CIF, POSCAR, extended XYZ or JSON.")
    if "\ufffd" in text:
        output.note(f"{name}: characters that are not UTF-8 were replaced")
    return text


def request_from(name: str, make: Callable[[str], Request]) -> Request | Failure | Problem:
    """Read a file and build its request.

    Args:
        name: Path, or ``-``.
        make: Builds the request (a pydantic model) from the text.

    Returns:
        The request; the problem with the file; or, where a bound is broken, the failure HTTP would answer with.
    """
    from pydantic import ValidationError

    from hsegap.prediction.errors import Failure

    text = read_file(name)
    if isinstance(text, Problem):
        return text
    try:
        return make(text)
    except ValidationError as error:
        return Failure.from_validation(error)
