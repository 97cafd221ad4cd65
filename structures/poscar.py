"""POSCAR and CONTCAR, parsed by pymatgen after the lines have been looked at.

pymatgen invents elements for files without symbols (H, He, Li…), allocates as many atoms as the count line asks for and
multiplies Cartesian coordinates with a negative scale factor, so those are dealt with here first.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from hsegap.structures.checks import check_atom_count, check_lattice
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.parsed import Parsed, recorded_warnings, unreadable
from hsegap.structures.symbols import element_numbers

_HINT = (
    "A POSCAR has a comment, a scale factor, three cell vectors, element symbols, their counts, Direct or "
    "Cartesian, and the positions."
)
#: Headline of each configuration of an XDATCAR.
_CONFIGURATION = re.compile(r"\s*Direct configuration\s*=", re.IGNORECASE)
_MODE = re.compile(r"\s*(?:direct|cart)", re.IGNORECASE)
#: VASP's hydrogen of fractional charge (``H.75``, ``H1.25``), which saturates the bonds of a cut surface.
_PSEUDO_HYDROGEN = re.compile(r"H\d?\.\d+(?:[_/].*)?")
#: A label behind a position, perhaps as a comment: an element with a number or a charge (``# Ga1``, ``As3-``).
_LABEL = re.compile(r"[#!]?([A-Z][a-z]?)(?:\d*|\d*[+-]|[+-]\d+|_\w*)")


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
    announced = _announced(lines)
    n_atoms, first_position = sum(announced.counts), announced.first
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
    labels = _labels(lines, announced)
    if not announced.symbols:
        _check_labels(labels, announced.counts)
    structure = poscar.structure
    # An Element's name keeps deuterium apart from hydrogen; its symbol doesn't.
    symbols = [site.specie.name if isinstance(site.specie, Element) else site.specie.symbol for site in structure]
    notices = [
        Notice("parser_note", str(warning.message).split("\n")[0])
        for warning in caught
        if issubclass(warning.category, UserWarning) and "selective dynamics" not in str(warning.message).lower()
    ]
    notices += _notices(lines, announced, labels, symbols)
    return Parsed(
        lattice=np.array(structure.lattice.matrix), symbols=symbols, frac_coords=structure.frac_coords, notices=notices
    )


def _notices(lines: list[str], announced: Announced, labels: list[str], symbols: list[str]) -> list[Notice]:
    """What stands in the file beside the atoms that were read."""
    notices = []
    n_atoms, first = sum(announced.counts), announced.first
    if extra := _positions_after(lines, first + n_atoms):
        message = f"The POSCAR announces {n_atoms} atoms; {extra} more lines with coordinates were ignored."
        notices.append(Notice("extra_lines", message))
    if _holds_another(lines[first + n_atoms :], announced):
        notices.append(Notice("several_structures", "The file holds several configurations; the first was read."))
    if labels and labels != symbols:
        wrong = next(index for index, label in enumerate(labels) if label != symbols[index])
        message = (
            f"Line {first + wrong + 1} of the POSCAR is labelled {labels[wrong]}, but the line of elements "
            f"makes it {symbols[wrong]}; that line was followed, as VASP does."
        )
        notices.append(Notice("parser_note", message))
    return notices


def _holds_another(lines: list[str], announced: Announced) -> bool:
    """Whether behind the positions another configuration follows, of an XDATCAR or with a head of its own."""
    if announced.is_trajectory and any(map(_CONFIGURATION.match, lines)):
        return True
    starts = [index for index, line in enumerate(lines) if len(_floats(line)) == 1]
    return any(
        len(cell := lines[start + 1 : start + 4]) == 3
        and all(len(_floats(line)) == 3 for line in cell)
        and any(_MODE.match(line) for line in lines[start + 5 : start + 8])
        and any(map(_integers, lines[start + 4 : start + 6]))
        for start in starts
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


class Announced(NamedTuple):
    """What the head of a POSCAR says about the atoms.

    Attributes:
        symbols: Of the line of elements, as written; none in the format of VASP 4.
        counts: Atoms of each.
        first: Index of the first line of positions.
        selective: Whether flags of selective dynamics stand behind the positions.
        is_trajectory: Whether the positions are one configuration of several (XDATCAR).
    """

    symbols: list[str]
    counts: list[int]
    first: int
    selective: bool
    is_trajectory: bool


def _announced(lines: list[str]) -> Announced:
    """Read the lines between cell and positions.

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
    pseudo = next((symbol for symbol in symbols if _PSEUDO_HYDROGEN.fullmatch(symbol)), None)
    if pseudo is not None:
        message = f"The POSCAR has {pseudo}, a pseudo-hydrogen of fractional charge: that is no chemical element."
        raise StructureError("unknown_element", message, "Send the crystal without its passivated surface.")
    mode = lines[last].strip().lower()[:1]
    selective = mode == "s"
    if selective:
        last += 1
        mode = lines[last].strip().lower()[:1] if last < len(lines) else ""
    if mode not in {"d", "c", "k"}:
        message = f"Line {last + 1} of the POSCAR should say Direct or Cartesian, not {lines[last].strip()[:40]!r}."
        raise unreadable(message, _HINT)
    return Announced(symbols, counts, last + 1, selective, _CONFIGURATION.match(lines[last]) is not None)


def _labels(lines: list[str], announced: Announced) -> list[str]:
    """Elements written behind all positions, also in labels such as ``Ga1``; none where anything else is.

    ``T`` and ``F`` alone are flags of selective dynamics whose headline is missing.
    """
    place = 6 if announced.selective else 3
    rows = [line.split() for line in lines[announced.first : announced.first + sum(announced.counts)]]
    behind = [
        "".join(row[place : place + 2] if row[place] in {"#", "!"} else row[place]) for row in rows if row[place:]
    ]
    if len(behind) < len(rows) or set(behind) <= {"T", "F"}:
        return []
    known = element_numbers()
    labels = [found[1] for found in map(_LABEL.fullmatch, behind) if found is not None and found[1] in known]
    return labels if len(labels) == len(rows) else []


def _check_labels(labels: list[str], counts: list[int]) -> None:
    """Make sure that the elements behind the positions are those of a POSCAR without a line of elements.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    hint = "Add a line with the element symbols above the line with their counts."
    if not labels:
        raise unreadable("The POSCAR has no element symbols (the format of VASP 4).", hint)
    ends = np.cumsum(counts).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        if len(set(labels[start:end])) > 1:
            message = (
                f"The POSCAR counts {end - start} atoms of one element, but labels their positions "
                f"{' and '.join(dict.fromkeys(labels[start:end]))}."
            )
            raise unreadable(message, hint)


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
