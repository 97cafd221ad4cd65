"""POSCAR and CONTCAR, parsed by pymatgen after the lines have been looked at.

pymatgen invents elements for files without symbols (H, He, Li…), allocates as many atoms as the count line asks for and
multiplies Cartesian coordinates with a negative scale factor, so those are dealt with here first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.checks import check_atom_count, check_lattice
from hsegap.structures.crystal import Notice
from hsegap.structures.parsed import Parsed, recorded_warnings, unreadable

if TYPE_CHECKING:
    from hsegap.structures.errors import StructureError

_HINT = (
    "A POSCAR has a comment, a scale factor, three cell vectors, element symbols, their counts, Direct or "
    "Cartesian, and the positions."
)


def parse_poscar(text: str, *, max_atoms: int | None) -> Parsed:
    """Read a POSCAR or CONTCAR; velocities and selective dynamics are ignored.

    Args:
        text: Content of the file.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    lines = text.split("\n")
    if len(lines) < 7:
        raise unreadable(f"The POSCAR has only {len(lines)} lines.", _HINT)
    lattice = _cell(lines)
    n_atoms, first_position = _announced(lines)
    check_atom_count(n_atoms, max_atoms)
    check_lattice(lattice, n_atoms=n_atoms)
    from pymatgen.core import Element
    from pymatgen.io.vasp.inputs import Poscar

    try:
        with recorded_warnings() as caught:
            # The comment may hold anything, and nothing of it is wanted.
            poscar = Poscar.from_str("\n".join(["hsegap", *lines[1:]]), read_velocities=False)
    except IndexError as error:
        raise unreadable(
            "A line of the POSCAR is missing or too short.", "The file may be cut off: write it again. " + _HINT
        ) from error
    except Exception as error:  # pymatgen raises whatever a damaged line leads to
        raise _damaged(lines, first_position, n_atoms) from error
    if not poscar.true_names:
        message = "The POSCAR has no element symbols (the format of VASP 4)."
        raise unreadable(message, "Add a line with the element symbols above the line with their counts.")
    structure = poscar.structure
    notices = [
        Notice("parser_note", str(warning.message).split("\n")[0])
        for warning in caught
        if issubclass(warning.category, UserWarning) and "selective dynamics" not in str(warning.message).lower()
    ]
    extra = _positions_after(lines, first_position + n_atoms)
    if extra:
        notices.append(
            Notice(
                "extra_lines",
                f"The POSCAR announces {n_atoms} atoms; {extra} more lines with coordinates were ignored.",
            )
        )
    # An Element's name keeps deuterium apart from hydrogen; its symbol doesn't.
    symbols = [site.specie.name if isinstance(site.specie, Element) else site.specie.symbol for site in structure]
    return Parsed(
        lattice=np.array(structure.lattice.matrix), symbols=symbols, frac_coords=structure.frac_coords, notices=notices
    )


def _damaged(lines: list[str], first_position: int, n_atoms: int) -> StructureError:
    """What to say about a POSCAR that pymatgen can't read: the first line that is no position, if one isn't."""
    for index in range(first_position, min(first_position + n_atoms, len(lines))):
        if len(_floats(" ".join(lines[index].split()[:3]))) != 3:
            return unreadable(
                f"Line {index + 1} of the POSCAR is no position: {lines[index].strip()[:40]!r}.",
                "Correct that line. " + _HINT,
            )
    return unreadable("The POSCAR can't be read.", _HINT)


def _cell(lines: list[str]) -> np.ndarray:
    """Cell vectors, scaled, Å.

    A negative scale factor (the cell's volume) is replaced in ``lines`` by the factor meant.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    scale = _floats(lines[1])
    if len(scale) == 3:
        raise unreadable(
            "The POSCAR has three scale factors.", "Write it with one scale factor (1.0) and the scaled cell vectors."
        )
    if len(scale) != 1 or not np.isfinite(scale[0]) or scale[0] == 0:
        raise unreadable(f"The second line of the POSCAR is no scale factor: {lines[1].strip()[:40]!r}.", _HINT)
    vectors = [_floats(line) for line in lines[2:5]]
    if any(len(vector) != 3 for vector in vectors):
        wrong = next(index for index, vector in enumerate(vectors) if len(vector) != 3)
        raise unreadable(f"Line {wrong + 3} of the POSCAR is no cell vector: {lines[wrong + 2].strip()[:40]!r}.", _HINT)
    lattice = np.array(vectors)
    factor = scale[0]
    if factor < 0:
        check_lattice(lattice)
        factor = float((-factor / abs(np.linalg.det(lattice))) ** (1 / 3))
        lines[1] = repr(factor)
    return lattice * factor


def _floats(line: str) -> list[float]:
    try:
        return [float(value) for value in line.split()]
    except ValueError:
        return []


def _announced(lines: list[str]) -> tuple[int, int]:
    """Number of atoms that the count lines announce, and the index of the first line of positions.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    first = next((index for index in range(5, min(len(lines), 30)) if _integers(lines[index])), None)
    if first is None:
        raise unreadable("The POSCAR has no line with the numbers of atoms.", _HINT)
    # Symbols in several lines are followed by as many lines of counts.
    last = first + max(first - 5, 1)
    counts = [count for line in lines[first:last] for count in _integers(line)]
    n_atoms = sum(counts)
    if any(count < 0 for count in counts) or n_atoms < 1:
        raise unreadable(f"The POSCAR announces {n_atoms} atoms.", "Check the line with the numbers of atoms.")
    if n_atoms > len(lines) - last - 1:
        message = f"The POSCAR announces {n_atoms} atoms but only {max(len(lines) - last - 1, 0)} lines follow."
        raise unreadable(message, "The file may be cut off: write it again.")
    symbols = re.findall(r"\S+", " ".join(lines[5:first]))
    if symbols and len(symbols) != len(counts):
        raise unreadable(f"The POSCAR names {len(symbols)} elements but gives {len(counts)} numbers of atoms.", _HINT)
    mode = lines[last].strip().lower()[:1]
    if mode == "s":
        last += 1
        mode = lines[last].strip().lower()[:1] if last < len(lines) else ""
    if mode not in {"d", "c", "k"}:
        message = f"Line {last + 1} of the POSCAR should say Direct or Cartesian, not {lines[last].strip()[:40]!r}."
        raise unreadable(message, _HINT)
    return n_atoms, last + 1


def _integers(line: str) -> list[int]:
    values = line.split()
    if not values or not all(re.fullmatch(r"[+-]?\d{1,12}", value) for value in values):
        return []
    return [int(value) for value in values]


def _positions_after(lines: list[str], start: int) -> int:
    """Lines with three numbers right after the last announced atom; velocities come after a blank line."""
    count = 0
    for line in lines[start:]:
        if len(_floats(" ".join(line.split()[:3]))) != 3:
            break
        count += 1
    return count
