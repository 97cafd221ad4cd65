"""Named files, folders and standard input become the requests that the predictor answers.

What cannot be one becomes a named error that keeps the file's place.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from hsegap.commands import output
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from hsegap.formats import StructureFormat
    from hsegap.prediction.errors import Failure

Request = TypeVar("Request")

STDIN = "-"
#: UTF-8 needs at most four bytes a character, so a file longer than this is too long before it is decoded.
BYTES_PER_CHAR = 4


class Named(NamedTuple):
    """One structure of a command line.

    Attributes:
        name: As given or found.
        text: Of the structure, or why there is none.
        format: Where the place it was found in says it.
        description: Given with it, in a table.
        pbe_gap_ev: PBE gap given with it, eV.
    """

    name: str
    text: str | Problem
    format: StructureFormat | None = None
    description: str | None = None
    pbe_gap_ev: float | None = None


def named(names: Iterable[str]) -> Iterator[Named]:
    """Structures in the order given: files as they are, folders, patterns, archives and tables by what is in them.

    Args:
        names: Of files and so on; ``-`` for a structure on standard input.
    """
    for name in names:
        if name == STDIN or not _holds_several(name):
            yield Named(name, read_file(name))
        else:
            yield from _inside(name)


def _holds_several(name: str) -> bool:
    """Whether a name stands for what is in it."""
    if name.endswith(".cif") and os.path.isfile(name):  # noqa: PTH113 - pathlib raises on a name that is too long
        return False  # the most frequent name, answered without importing what reads archives and tables
    from hsegap.batch.archives import is_archive
    from hsegap.batch.remote import is_address
    from hsegap.batch.sources import is_pattern
    from hsegap.batch.tables import is_table

    # Not pathlib's questions: they raise on a name that is too long.
    container = is_archive(name) or is_table(name)
    if os.path.isfile(name):  # noqa: PTH113 - as said
        return container
    return is_pattern(name) or is_address(name) or os.path.isdir(name)  # noqa: PTH112 - as said


def _inside(name: str) -> Iterator[Named]:
    """What a folder, a pattern, an archive, a table or an address holds; `hsegap score` reads them the same way."""
    from hsegap.batch.problems import ScoringError
    from hsegap.batch.sources import InputOptions, Inputs

    found = False
    try:
        for item in Inputs(InputOptions(names=(name,)), note=output.note):
            found = True
            text = item.problem or decode((item.structure or "").encode(), item.id)
            # A format of a table's column is one of ours.
            yield Named(item.id, text, item.format, item.description, item.pbe_gap_ev)  # type: ignore[arg-type]
    except ScoringError as error:
        yield Named(name, error.problem)
        return
    if not found:
        hint = "A folder is searched for .cif, .vasp, POSCAR*, .xyz and .json files."
        yield Named(name, Problem("unreadable_structure", f"There is no structure in {name}.", hint))


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
            # A bounded read, so that a device or an endless pipe ends in an error and not in all memory.
            with path.open("rb") as stream:
                raw = stream.read(most + 1)
    except FileNotFoundError:
        from hsegap.structures.database_ids import explain_id

        return explain_id(name) or Problem("unreadable_structure", f"There is no file {name}.", "Check the path.")
    except PermissionError:
        return Problem("unreadable_structure", f"{name} may not be read.", "Check the file's permissions.")
    except (OSError, ValueError) as error:  # a name too long or with a NUL, a device error
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Problem("unreadable_structure", f"{name} could not be read: {reason}.", "Check the path and the file.")
    return decode(raw, name)


def decode(raw: bytes, name: str) -> str | Problem:
    """Text of a file's bytes, unpacked if they are packed.

    Args:
        raw: The bytes.
        name: Name for the message.

    Returns:
        The text, its byte-order mark left out, or why there is none.
    """
    from hsegap.batch.streams import structure_text

    text = structure_text(io.BytesIO(raw), name)
    if isinstance(text, Problem):
        return text
    # Old files carry an Å of another encoding in a comment: that costs one character, not the structure.
    if "\0" in text or text.count("\ufffd") > len(text) // 10:
        return Problem(
            "unreadable_structure",
            f"{name} is binary, not text.",
            "Give a text file: CIF, POSCAR, extended XYZ or JSON.",
        )
    if "\ufffd" in text:
        output.note(f"{name}: characters that are not UTF-8 were replaced")
    return text


def request_of(given: Named, make: Callable[[Named, str], Request]) -> Request | Failure | Problem:
    """The request for a structure.

    Args:
        given: The structure.
        make: Builds the request (a pydantic model) from it and its text.

    Returns:
        The request; the problem with the file; or, where a bound is broken, the failure HTTP would answer with.
    """
    from pydantic import ValidationError

    from hsegap.prediction.errors import Failure

    if isinstance(given.text, Problem):
        return given.text
    try:
        return make(given, given.text)
    except ValidationError as error:
        return Failure.from_validation(error)
