"""Structures in zip and tar archives, read member by member into memory: nothing is ever unpacked to disk.

A member's name is only a label here, so one that points out of the archive could do no harm; it is refused all the
same, since an archive made by honest means has none. What a member or the whole archive may grow to is bounded.
"""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hsegap.batch.batches import Item
from hsegap.batch.problems import reason_of, unreadable
from hsegap.batch.streams import MAX_BYTES, open_plain, structure_text
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_SUFFIX = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
#: An archive may grow to this many times its size, and to this many bytes whatever its size. Structures shrink to a
#: tenth at most; many copies of one structure to a three-hundredth.
MAX_RATIO = 1000
FREE_BYTES = 2**30
#: Longest name or set of extended attributes of a tar's member.
MAX_HEADER_BYTES = 2**20
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class _TooLarge(Exception):  # noqa: N818 - an event inside this file
    """The archive grows beyond every measure."""


def is_archive(name: str) -> bool:
    """Whether a name is an archive's."""
    return bool(_SUFFIX.search(name))


def archive_items(
    stream: BinaryIO, name: str, *, format_: str | None, wanted: re.Pattern[str], most_bytes: int | None = None
) -> Generator[Item, None, int]:
    """The structures of an archive, in its own order.

    Args:
        stream: Its bytes; those of a zip must allow seeking.
        name: Its name, the first part of each identifier: ``crystals.zip!sub/GaAs.cif``.
        format_: Format of every structure.
        wanted: Names of members that are structures.
        most_bytes: What it may grow to; None leaves it to its size.

    Yields:
        One input per structure, and one with an error for each member or rest that cannot be read.

    Returns:
        How many members were passed over because of their names.
    """
    budget = most_bytes or max(FREE_BYTES, MAX_RATIO * stream.seek(0, os.SEEK_END))
    unpack = _zip if name.lower().endswith(".zip") else _tar
    members = unpack(stream, name, wanted, budget)
    skipped = 0
    try:
        while True:
            member = next(members)
            if member is None:
                skipped += 1
                continue
            label, content = member
            identifier = f"{name}!{_printable(label)}"
            if isinstance(content, Problem):
                yield Item(identifier, problem=content)
            else:
                yield Item(identifier, structure=content, format=format_)
    except StopIteration:
        return skipped
    except _TooLarge:
        measure = f"{most_bytes} bytes" if most_bytes else f"{MAX_RATIO} times its size"
        message = f"{name} grows to more than {measure} when it is unpacked; the rest of it was not read."
        yield Item(
            name,
            problem=Problem("unsafe_archive", message, "Unpack it yourself if you trust it, and score the folder."),
        )
    except BROKEN as error:
        hint = "Check that it was copied whole; structures before the damage were scored."
        yield Item(name, problem=unreadable(f"The archive {name} cannot be read further: {reason_of(error)}.", hint))
    return skipped


def _printable(label: str) -> str:
    return label.encode("utf-8", "backslashreplace").decode()


def _unsafe(label: str, *, linked: bool) -> Problem | None:
    """Why a member is refused without being read."""
    path = PurePosixPath(label.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", label):
        message = f"The name of the member {_printable(label)} points out of the archive; it was not read."
        return Problem("unsafe_archive", message, "Make the archive anew from inside the folder.")
    if linked:
        message = f"The member {_printable(label)} is a link or a device; those are not followed in archives."
        return Problem("unsafe_archive", message, "Put the file itself into the archive.")
    return None


_Member = tuple[str, "str | Problem"] | None


def _zip(stream: BinaryIO, name: str, wanted: re.Pattern[str], budget: int) -> Generator[_Member, None, None]:
    """Members of a zip: name and text, or None for one that is no structure by its name."""
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            linked = (info.external_attr >> 16) & 0o170000 == 0o120000
            found = _screened(info.filename, info.file_size, wanted, linked=linked)
            if found is not True:
                yield (info.filename, found) if isinstance(found, Problem) else None
                continue
            try:
                with archive.open(info) as member:
                    text = structure_text(cast("BinaryIO", member), f"{name}!{info.filename}")
            except BROKEN as error:
                text = Problem(
                    "unreadable_structure",
                    f"The member {info.filename} cannot be read: {reason_of(error)}.",
                    "Pack it again.",
                )
            # Members may share their data, so the sizes they claim are added up, not those they take.
            budget -= info.file_size
            if budget < 0:
                raise _TooLarge
            yield info.filename, text


class _Counted:
    """A stream that stops when more has been read from it than its source can honestly hold."""

    def __init__(self, stream: BinaryIO, budget: int) -> None:
        self._stream = stream
        self._left = budget

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _TooLarge
        return data


class _Header(tarfile.TarInfo):
    """A member's header that takes no more memory than an honest one.

    The library reads long names and extended attributes whole, and the map of a sparse file into a list, however long
    they claim to be.
    """

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        extended = self.type in {
            tarfile.XHDTYPE,
            tarfile.XGLTYPE,
            tarfile.SOLARIS_XHDTYPE,
            tarfile.GNUTYPE_LONGNAME,
            tarfile.GNUTYPE_LONGLINK,
        }
        if extended and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            self._refuse_sparse()
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # the stubs do not have it
        return member

    def _refuse_sparse(self, *_: object) -> None:
        raise tarfile.ReadError("a sparse file, which no structure is")

    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _refuse_sparse


def _tar(stream: BinaryIO, name: str, wanted: re.Pattern[str], budget: int) -> Generator[_Member, None, None]:
    """Members of a tar, packed or not: name and text, or None for one that is no structure by its name."""
    stream.seek(0)
    counted: Any = _Counted(open_plain(stream), budget)
    with tarfile.open(fileobj=counted, mode="r|", tarinfo=_Header) as archive:
        for info in archive:
            # A tar remembers its members; a hundred thousand of them would not be forgotten otherwise.
            archive.members = []  # type: ignore[attr-defined]  # the attribute is there, the stubs do not have it
            if info.isdir():
                continue
            found = _screened(info.name, info.size, wanted, linked=not info.isreg())
            if found is not True:
                yield (info.name, found) if isinstance(found, Problem) else None
                continue
            member = archive.extractfile(info)
            if member is not None:
                yield info.name, structure_text(cast("BinaryIO", member), f"{name}!{_printable(info.name)}")


def _screened(name: str, size: int, wanted: re.Pattern[str], *, linked: bool) -> Problem | bool:
    """Whether a member is read; False: it is no structure by its name; a problem: it is refused."""
    problem = _unsafe(name, linked=linked)
    if problem is not None:
        return problem
    if not _is_wanted(name, wanted):
        return False
    if size > MAX_BYTES:
        message = f"The member {_printable(name)} is longer than {MAX_BYTES} bytes."
        return Problem("payload_too_large", message, "Give one structure per file, in its primitive cell.")
    return True


def _is_wanted(label: str, wanted: re.Pattern[str]) -> bool:
    path = PurePosixPath(label)
    # macOS packs a shadow of every file; hidden files are nobody's structures.
    return bool(wanted.search(path.name)) and not any(
        part.startswith((".", "__MACOSX")) for part in path.parts if part != "."
    )


def count_members(path: Path, wanted: re.Pattern[str]) -> int | None:
    """How many structures a zip has; None for a tar, which would have to be read through."""
    try:
        if path.suffix.lower() != ".zip":
            return None
        with zipfile.ZipFile(path) as archive:
            return sum(1 for name in archive.namelist() if _is_wanted(name, wanted))
    except BROKEN:
        return 1
