"""Extended XYZ: a count, a comment line with ``key=value`` pairs, and one atom per line.

No library of the serving installation reads the cell of this format (pymatgen's XYZ is for molecules), so the
documented comment line is read here; the tests compare with ASE.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import numpy as np

from hsegap.structures.checks import check_atom_count
from hsegap.structures.crystal import Notice
from hsegap.structures.occupancy import is_full, partial_kinds
from hsegap.structures.parsed import Parsed, disordered, fractional, unreadable
from hsegap.structures.symbols import element_symbols

#: ``key=value``, ``key="several values"`` or a bare ``key`` (which means true).
_PAIR = re.compile(
    r"""(?P<key>[^\s="']+)(?:\s*=\s*(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|\{(?P<braces>[^}]*)\}"""
    r"""|(?P<brackets>\[(?:[^\[\]]|\[[^\[\]]*\])*\])|(?P<bare>[^\s"']\S*)))?"""
)
#: Keys that state the unit of lengths, and values that are not Å.
_UNITS = {"unit", "units", "length_unit", "length_units", "unit_length", "units_length", "pos_unit", "pos_units"}
_OTHER_UNIT = re.compile(
    r"(?:bohrs?|a\.?u\.?|atomic(?:[ _]?units?)?|nm|nanomet(?:er|re)s?|pm|picomet(?:er|re)s?|m)", re.IGNORECASE
)
#: Columns of a file without ``Properties``.
_PLAIN_PROPERTIES = "species:S:1:pos:R:3"
_HINT = (
    'An extended XYZ file has Lattice="ax ay az bx by bz cx cy cz" and Properties=species:S:1:pos:R:3 in its '
    "second line."
)


def parse_xyz(text: str, *, max_atoms: int | None) -> Parsed:
    """Read the first frame of an extended XYZ file.

    Args:
        text: Content of the file.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    lines = text.split("\n")
    try:
        n_atoms = int(lines[0])
    except ValueError:
        raise unreadable(
            f"The first line of an XYZ file is the number of atoms, not {lines[0][:40]!r}.", _HINT
        ) from None
    if n_atoms < 1:
        raise unreadable(f"The XYZ file announces {n_atoms} atoms.", "Check that the file lists atom positions.")
    check_atom_count(n_atoms, max_atoms)
    rows = lines[2 : 2 + n_atoms]
    if len([row for row in rows if row.strip()]) < n_atoms:
        found = sum(1 for row in rows if row.strip())
        raise unreadable(
            f"The XYZ file announces {n_atoms} atoms but lists {found}.", "The file may be cut off: write it again."
        )
    info = _comment(lines[1])
    lattice = _lattice(info)
    _check_units(info)
    _check_occupancy(info)
    columns = _columns(info.get("properties", _PLAIN_PROPERTIES))
    symbols, positions = [], []
    for index, row in enumerate(rows):
        fields = row.split()
        if len(fields) < columns.width:
            message = f"Line {index + 3} of the XYZ file has {len(fields)} columns instead of {columns.width}."
            raise unreadable(message, "Check that line, and the Properties of the second line.")
        try:
            positions.append([float(value) for value in fields[columns.position : columns.position + 3]])
        except ValueError:
            raise unreadable(
                f"Line {index + 3} of the XYZ file has no valid coordinates.", "Check that line."
            ) from None
        symbols.append(_symbol(fields[columns.species], as_number=columns.as_number, line=index + 3))
        if columns.occupancy is not None and not is_full(fields[columns.occupancy]):
            raise disordered([f"atom {index} (from 0) holds {symbols[-1]} {fields[columns.occupancy][:20]}"])
    return Parsed(
        lattice=lattice,
        symbols=symbols,
        frac_coords=fractional(np.array(positions), lattice),
        notices=_notices(lines[2 + n_atoms :], info),
    )


def _notices(after: list[str], info: dict[str, str]) -> list[Notice]:
    """What was not read, by the lines after the last atom and the comment's keys."""
    notices = []
    rest = [line for line in after if line.strip()]
    if rest:
        another = rest[0].strip().isdigit()
        if another:
            notices.append(Notice("several_structures", "The XYZ file holds several frames; the first was read."))
        else:
            notices.append(Notice("extra_lines", f"{len(rest)} lines after the last atom were ignored."))
    # "T T F", [true, true, false], TTF and 1 1 0 are all in use.
    periodic = re.findall(r"true|false|[TF01]", info.get("pbc", ""), re.IGNORECASE)
    if any(value.upper() in {"F", "FALSE", "0"} for value in periodic):
        notices.append(
            Notice(
                "not_periodic",
                f'The file says pbc="{info["pbc"][:20]}"; the structure was treated as periodic in all directions.',
            )
        )
    return notices


def _comment(line: str) -> dict[str, str]:
    """Keys (lower case) and values of the comment line.

    Raises:
        StructureError: ``unreadable_structure`` for two cells, or two lists of columns.
    """
    pairs: dict[str, str] = {}
    for match in _PAIR.finditer(line):
        kinds = ("double", "single", "braces", "brackets", "bare")
        value = next((match[kind] for kind in kinds if match[kind] is not None), "T")
        key = match["key"].lower()
        if key in {"lattice", "properties"} and pairs.setdefault(key, value) != value:
            raise unreadable(f"The XYZ file gives {match['key']} twice.", "Remove the one that is wrong. " + _HINT)
        pairs[key] = re.sub(r"\\(.)", r"\1", value) if match["double"] is not None else value
    return pairs


def _lattice(info: dict[str, str]) -> np.ndarray:
    if "lattice" not in info:
        message = "The XYZ file has no Lattice: it is a molecule, not a crystal."
        raise unreadable(message, _HINT)
    try:
        # Commas and brackets are what some programs write between the nine numbers.
        numbers = [float(value) for value in re.sub(r"[\[\],]", " ", info["lattice"]).split()]
    except ValueError:
        numbers = []
    if len(numbers) != 9:
        raise unreadable("The Lattice of the XYZ file is not nine numbers.", _HINT)
    return np.array(numbers).reshape(3, 3)


def _check_units(info: dict[str, str]) -> None:
    """Refuse lengths that are stated to be in another unit than Å.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    for key in _UNITS & info.keys():
        if _OTHER_UNIT.fullmatch(info[key].strip()):
            message = f"The XYZ file says {key}={info[key][:20]}, but its lengths have to be in Å."
            raise unreadable(message, "Write cell and positions in Å.")


def _check_occupancy(info: dict[str, str]) -> None:
    """Refuse what ASE writes of a disordered crystal: one element for each site, and the others beside it.

    Raises:
        StructureError: ``disordered_structure``.
    """
    try:
        kinds = json.loads(info.get("occupancy", "").removeprefix("_JSON "))
    except ValueError:
        return
    if partial := partial_kinds(kinds):
        raise disordered([f"kind {name} of the occupancy holds {shares}" for name, shares in partial.items()])


class Columns(NamedTuple):
    """Where the parts of a row stand.

    Attributes:
        species: Column of the element.
        as_number: Whether it is an atomic number.
        position: First column of the position.
        occupancy: Column of the occupancy; None without one.
        width: Number of columns.
    """

    species: int
    as_number: bool
    position: int
    occupancy: int | None
    width: int


def _columns(properties: str) -> Columns:
    """Read the list of columns.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    parts = properties.split(":")
    column = 0
    species: tuple[int, bool] | None = None
    positions: list[int] = []
    occupancy: int | None = None
    backwards = False
    try:
        for name, kind, width in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            if name.lower() in {"species", "element", "symbol"} and kind.upper() == "S":
                species = (column, False)
            elif name.lower() in {"z", "atomic_numbers", "numbers"} and species is None:
                species = (column, True)
            elif name.lower() in {"pos", "positions"} and int(width) == 3:
                positions.append(column)
            elif name.lower() in {"occupancy", "occupancies", "occ"} and int(width) == 1:
                occupancy = column
            column += int(width)
            backwards = backwards or int(width) < 1
    except ValueError:
        raise unreadable(f"The Properties {properties[:60]!r} of the XYZ file can't be understood.", _HINT) from None
    if len(positions) > 1:
        raise unreadable("The XYZ file has two columns of positions.", "Leave out the one that is wrong.")
    if species is None or not positions or backwards or column > 10_000:
        raise unreadable("The Properties of the XYZ file name no species and pos columns.", _HINT)
    return Columns(*species, positions[0], occupancy, column)


def _symbol(field: str, *, as_number: bool, line: int) -> str:
    """Element symbol of one row; a number outside the periodic table stays as it is and is refused with the others."""
    if not as_number:
        return field
    try:
        return element_symbols().get(int(field), field)
    except ValueError:
        raise unreadable(f"Line {line} of the XYZ file has no atomic number.", "Check that line.") from None
