"""A file, or its text, becomes a crystal."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsegap.formats import FORMATS
from hsegap.structures.crystal import Crystal, Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.json_formats import find_format, load_json
from hsegap.structures.other_formats import is_pdb, refuse_other_content, refuse_other_name
from hsegap.structures.parsed import unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.structures.parsed import Parsed

#: Where the reader of each format stands. They are imported when a file comes: a process that only asks others to read
#: does without their patterns and tables.
_READERS = {
    "cif": ("cif", "parse_cif"),
    "poscar": ("poscar", "parse_poscar"),
    "xyz": ("xyz", "parse_xyz"),
    "pymatgen": ("json_formats", "parse_pymatgen"),
    "jarvis": ("json_formats", "parse_jarvis"),
}
#: Formats that are only recognised, never asked for.
_RECOGNISED = {"pdb": ("other_formats", "parse_pdb")}
#: The names people know them by, for messages.
FORMAT_TITLES = "CIF, POSCAR/CONTCAR, extended XYZ, pymatgen JSON, JARVIS Atoms JSON"
#: Largest file read unless told otherwise, bytes.
MAX_BYTES = 10_000_000
#: Most atoms in a cell unless told otherwise.
MAX_ATOMS = 2_000

#: Blanks before a name may not reach over line ends: that would take quadratic time on a file of empty lines.
_CIF = re.compile(r"^[ \t]*(data_\S|loop_[ \t]*$|_cell[_.]length_a\b|_atom_site[_.])", re.MULTILINE | re.IGNORECASE)
_SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
}
_CONTROL = bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16])
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
}
_FORMAT_HINT = f"Accepted formats: {', '.join(FORMATS)} ({FORMAT_TITLES}); name one with the format option."


def read(
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002  # the word users know
    max_bytes: int = MAX_BYTES,
    max_atoms: int | None = MAX_ATOMS,
) -> Crystal:
    """Read a crystal.

    Nothing is guessed silently: what was repaired or assumed stands in ``Crystal.warnings``, by the codes of
    :data:`hsegap.structures.parsed.NOTICE_CODES`.

    Args:
        source: A :class:`~pathlib.Path` is a file to open; a ``str`` is the text of a file, never its name.
        format: One of :data:`hsegap.formats.FORMATS`; found from the content, then the file's suffix, if not given.
        max_bytes: Refuse a larger file.
        max_atoms: Refuse a cell with more atoms; None for no limit.

    Returns:
        The crystal, its atoms in the order of the file (symmetry images follow their site).

    Raises:
        StructureError: With one of :data:`~hsegap.structures.errors.STRUCTURE_ERROR_CODES` for whatever is wrong with
            the file; ``too_many_edges`` alone comes from building the graph.
        TypeError: If ``source`` is neither a path nor a string.
    """
    if format is not None and format.lower() not in _READERS:
        raise StructureError("unsupported_format", f"The format {format[:40]!r} is not known.", _FORMAT_HINT)
    notices: list[Notice] = []
    if isinstance(source, Path):
        raw = _bytes_of(source, max_bytes)
    elif isinstance(source, str):
        raw = source.encode("utf-8", errors="replace")
    else:
        msg = f"read takes a pathlib.Path or the text of a file, not {type(source).__name__}"
        raise TypeError(msg)
    text = _text_of(raw, max_bytes, notices)
    if isinstance(source, str):
        _check_not_a_name(text)
    chosen = (
        format.lower()
        if format is not None
        else _find_format(text, source if isinstance(source, Path) else None, notices)
    )
    try:
        parsed = reader_of(chosen)(text, max_atoms=max_atoms)
        parsed.notices[:0] = notices
        return parsed.crystal(format=chosen, max_atoms=max_atoms)
    except StructureError:
        raise
    except Exception as error:  # a damaged file must never look like a bug of the caller
        raise unreadable(f"The file can't be read as {chosen}.", "Check that it is complete and undamaged.") from error


def looks_like(text: str, name: str) -> bool:
    """Whether a text would be read as a format; a text that would be refused is like none."""
    try:
        return _format_of_content(text) == name
    except StructureError:
        return False


def reader_of(name: str) -> Callable[..., Parsed]:
    """The function that reads a format, one of :data:`FORMATS` or one that is only recognised."""
    module, function = (_READERS | _RECOGNISED)[name]
    reader: Callable[..., Parsed] = getattr(import_module(f"hsegap.structures.{module}"), function)
    return reader


def _bytes_of(path: Path, max_bytes: int) -> bytes:
    """Content of a file, one byte more than allowed at most."""
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise unreadable(f"There is no file {path.name!r}.", "Check the path.") from None
    except IsADirectoryError:
        raise unreadable(f"{path.name!r} is a folder.", "Name a structure file in it.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise unreadable(
            f"The file {path.name[:60]!r} can't be opened: {reason}.", "Check the path and its permissions."
        ) from error


def _text_of(raw: bytes, max_bytes: int, notices: list[Notice]) -> str:
    """Decode a file, refusing what is no text.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    if len(raw) > max_bytes:
        message = f"The file is larger than {max_bytes / 1e6:g} MB."
        raise unreadable(
            message,
            "Remove what doesn't describe the structure (reflection data, say), or use a server with a higher limit.",
        )
    for magic, name in _PACKED.items():
        if raw.startswith(magic):
            raise unreadable(f"The file is compressed ({name}).", "Unpack it and send the structure file inside.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise unreadable("The file is encoded as UTF-16.", "Save it as UTF-8 (plain text).")
    if not raw.strip():
        raise unreadable("The file is empty.", f"Send the text of a structure file ({FORMAT_TITLES}).")
    control = len(raw) - len(raw.translate(None, _CONTROL))
    if b"\x00" in raw or control > 0.01 * len(raw):
        raise unreadable("The file is binary, not text.", f"Send a text file ({FORMAT_TITLES}).")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("utf-8-sig", errors="replace")
        strange = text.count("\ufffd")
        if strange > 0.1 * len(text):
            raise unreadable("The file is binary, not text.", f"Send a text file ({FORMAT_TITLES}).") from None
        notices.append(Notice("odd_characters", f"The file is not valid UTF-8; {strange} characters were replaced."))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_not_a_name(text: str) -> None:
    """Tell somebody who passed a file's name as text what to do."""
    name = text.strip()
    if (
        "\n" not in name
        and len(name) < 300
        and re.search(r"(\.(cif|mcif|vasp|poscar|xyz|extxyz|json)|POSCAR|CONTCAR)$", name)
    ):
        message = f"{name[-60:]!r} is the name of a file, not its content."
        raise unreadable(message, "Send the text of the file; in Python, pass pathlib.Path(name).")


def _find_format(text: str, path: Path | None, notices: list[Notice]) -> str:
    """The format by content and, where that says nothing, by name.

    Raises:
        StructureError: ``unsupported_format``, listing those accepted, or ``unreadable_structure`` for broken JSON.
    """
    by_content = _format_of_content(text)
    by_name = _format_of_name(path)
    if by_content is not None:
        if by_name is not None and by_name != by_content:
            notices.append(
                Notice(
                    "format_mismatch",
                    f"The file is named like {by_name} but holds {by_content}; it was read as {by_content}.",
                )
            )
        return by_content
    if by_name is not None:
        return by_name
    refuse_other_name(path.suffix if path is not None else "")
    raise StructureError("unsupported_format", "The format of the structure was not recognised.", _FORMAT_HINT)


def _format_of_name(path: Path | None) -> str | None:
    if path is None:
        return None
    if re.match(r"(POSCAR|CONTCAR)", path.name):
        return "poscar"
    return _SUFFIXES.get(path.suffix.lower())


def _format_of_content(text: str) -> str | None:
    """The format that the content can only have, or None.

    Raises:
        StructureError: ``unsupported_format`` for one that is known but not read, ``unreadable_structure`` for broken
            JSON.
    """
    start = text.lstrip()
    if start.startswith(("{", "[")):
        data: dict[str, Any] = load_json(start)
        found = find_format(data)
        if found is None:
            # What a JSON file lacks is best said by the reader that it resembles more.
            found = (
                "jarvis"
                if {"elements", "coords", "lattice_mat"} & data.keys()
                else "pymatgen"
                if {"sites", "lattice"} & data.keys()
                else None
            )
        return found
    if _CIF.search(text):
        return "cif"
    if is_pdb(text):
        return "pdb"
    refuse_other_content(text)
    lines = text.split("\n")
    if (
        re.fullmatch(r"\s*\d+\s*", lines[0])
        and len(lines) > 1
        and (len(lines) < 3 or re.match(r"\s*[A-Za-z0-9]+\s+\S+\s+\S+", lines[2]))
    ):
        numbers = len(lines) > 4 and all(
            re.fullmatch(r"\s*([-+.\deE]+\s+){2}[-+.\deE]+\s*", line) for line in lines[2:5]
        )
        return "poscar" if numbers else "xyz"
    if len(lines) > 4 and all(re.match(r"\s*([-+]?[\d.][-+.\deE]*\s+){2}[-+]?[\d.]", line) for line in lines[2:5]):
        return "poscar"
    return None
