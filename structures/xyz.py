"""Extended XYZ: a count, a comment line with ``key=value`` pairs, and one atom per line.

No library of the serving installation reads the cell of this format (pymatgen's XYZ is for molecules), so the
documented comment line is read here; the tests compare with ASE.
"""

from __future__ import annotations

import re

import numpy as np

from hsegap.structures.checks import check_atom_count
from hsegap.structures.crystal import Notice
from hsegap.structures.parsed import Parsed, fractional, unreadable
from hsegap.structures.symbols import element_symbols

#: ``key=value``, ``key="several values"`` or a bare ``key`` (which means true).
_PAIR = re.compile(
    r"""(?P<key>[^\s="']+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|\{(?P<braces>[^}]*)\}|(?P<bare>[^\s"']\S*)))?"""
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
    species_column, as_number, position_column, n_columns = _columns(info.get("properties", _PLAIN_PROPERTIES))
    symbols, positions = [], []
    for index, row in enumerate(rows):
        fields = row.split()
        if len(fields) < n_columns:
            message = f"Line {index + 3} of the XYZ file has {len(fields)} columns instead of {n_columns}."
            raise unreadable(message, "Check that line, and the Properties of the second line.")
        try:
            positions.append([float(value) for value in fields[position_column : position_column + 3]])
        except ValueError:
            raise unreadable(
                f"Line {index + 3} of the XYZ file has no valid coordinates.", "Check that line."
            ) from None
        symbols.append(_symbol(fields[species_column], as_number=as_number, line=index + 3))
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
    periodic = info.get("pbc", "T T T").replace(",", " ").split()
    if any(value.upper() in {"F", "FALSE", "0"} for value in periodic):
        notices.append(
            Notice(
                "not_periodic",
                f'The file says pbc="{info["pbc"][:20]}"; the structure was treated as periodic in all directions.',
            )
        )
    return notices


def _comment(line: str) -> dict[str, str]:
    """Keys (lower case) and values of the comment line."""
    pairs = {}
    for match in _PAIR.finditer(line):
        values = [match[name] for name in ("double", "single", "braces", "bare") if match[name] is not None]
        pairs[match["key"].lower()] = values[0] if values else "T"
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


def _columns(properties: str) -> tuple[int, bool, int, int]:
    """Where the element and the position stand.

    Returns:
        Column of the element, whether it is an atomic number, first column of the position, number of columns.
    """
    parts = properties.split(":")
    column = 0
    species: tuple[int, bool] | None = None
    position: int | None = None
    backwards = False
    try:
        for name, kind, width in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            if name.lower() in {"species", "element", "symbol"} and kind.upper() == "S":
                species = (column, False)
            elif name.lower() in {"z", "atomic_numbers", "numbers"} and species is None:
                species = (column, True)
            elif name.lower() in {"pos", "positions"} and int(width) == 3:
                position = column
            column += int(width)
            backwards = backwards or int(width) < 1
    except ValueError:
        raise unreadable(f"The Properties {properties[:60]!r} of the XYZ file can't be understood.", _HINT) from None
    if species is None or position is None or backwards or column > 10_000:
        raise unreadable("The Properties of the XYZ file name no species and pos columns.", _HINT)
    return species[0], species[1], position, column


def _symbol(field: str, *, as_number: bool, line: int) -> str:
    """Element symbol of one row; a number outside the periodic table stays as it is and is refused with the others."""
    if not as_number:
        return field
    try:
        return element_symbols().get(int(field), field)
    except ValueError:
        raise unreadable(f"Line {line} of the XYZ file has no atomic number.", "Check that line.") from None
