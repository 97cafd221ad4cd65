"""The table of sites of a CIF: what is wrong with it, and what it says by itself when no symmetry has to be expanded."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from hsegap.structures.checks import LARGEST_FRACTIONAL, check_atom_count
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.json_formats import OCCUPANCY_TOLERANCE
from hsegap.structures.parsed import disordered, element_numbers, unreadable

#: Sites times symmetry operations above which a file is refused: pymatgen compares each image with all before it.
MOST_IMAGES = 50_000
#: What to do about a table that is not complete.
CUT_OFF_HINT = "The file may be cut off or damaged: export or download it again."
#: Columns of the fractional coordinates.
POSITIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")

_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
#: Names of sites that are empty, or that hold a group of atoms; pymatgen reads vanadium into the first and drops the second.
_NO_ATOM = re.compile(r"(Va|Vac|Vc|Void|Du|Dum|Dummy)\d*$|(OH|NO3)", re.IGNORECASE)


def check_sites(data: dict[str, Any], notices: list[Notice], *, max_atoms: int | None) -> int:
    """Look at the table of sites; give the number of its rows.

    Raises:
        StructureError: ``unreadable_structure``, ``too_many_atoms``, ``unknown_element`` or ``disordered_structure``.
    """
    labels = data.get("_atom_site_label")
    if not isinstance(labels, list) or not labels:
        raise unreadable("The CIF lists no atoms (no _atom_site_label).", CUT_OFF_HINT)
    for name in POSITIONS:
        column = data.get(name)
        if not isinstance(column, list) or len(column) != len(labels):
            hint = "Positions have to be fractional coordinates. " + CUT_OFF_HINT
            raise unreadable(f"The CIF gives no {name} for its atoms.", hint)
        for label, value in zip(labels, column, strict=True):
            number = number_of(value)
            if number is not None and abs(number) > LARGEST_FRACTIONAL:
                raise unreadable(f"The site {label[:20]} lies far outside the cell ({name} is {value[:20]}).", "Correct that position.")
            if number is None:
                raise unreadable(
                    f"The CIF gives no position for the site {label[:20]} ({name} is {value[:20]!r}).", "Complete or remove that site."
                )
    check_atom_count(len(labels), max_atoms)
    operations = _operations(data)
    if len(labels) * max(len(operations), 1) > MOST_IMAGES:
        message = f"The CIF has {len(labels)} sites and {len(operations)} symmetry operations, more than can be expanded."
        raise StructureError("too_many_atoms", message, "Use the primitive cell.")
    _check_names(data, labels, notices)
    _check_occupancies(data, labels, notices)
    _check_duplicates(data, labels)
    return len(labels)


def number_of(value: str) -> float | None:
    """A CIF number, with its uncertainty in brackets taken off; None for ``.``, ``?`` and anything else."""
    try:
        number = float(value.split("(", maxsplit=1)[0])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _check_names(data: dict[str, Any], labels: list[str], notices: list[Notice]) -> None:
    """Refuse sites whose element pymatgen would have to invent; tell which it reads off unusual labels."""
    known = element_numbers()
    symbols = data.get("_atom_site_type_symbol")
    names = symbols if isinstance(symbols, list) and len(symbols) == len(labels) else labels
    guessed = set()
    for label, name in zip(labels, names, strict=True):
        letters = (re.match(r"[A-Za-z]*", name) or [""])[0]
        two, one = letters[:2].capitalize(), letters[:1].upper()
        valid = two in known or one in known
        if not valid or _NO_ATOM.match(name) or (names is symbols and letters.capitalize() not in known):
            message = f"The site {label[:20]} of the CIF is called {name[:20]!r}, which is no chemical element."
            raise StructureError(
                "unknown_element", message, "Give each site one element in _atom_site_type_symbol; leave out vacancies and dummies."
            )
        element = two if two in known else one
        if names is labels and letters != element:
            guessed.add(f"{name} as {element}")
    if guessed:
        shown = ", ".join(sorted(guessed)[:5])
        notices.append(Notice("element_guessed", f"The CIF gives no element symbols; labels were read as elements ({shown})."))
    isotopes = {"D", "T"}.intersection(re.match(r"[A-Za-z]*", name)[0] for name in names)  # type: ignore[index]  # * always matches
    if isotopes:
        notices.append(Notice("deuterium_as_hydrogen", f"{' and '.join(sorted(isotopes))} atoms are treated as hydrogen."))


def _check_occupancies(data: dict[str, Any], labels: list[str], notices: list[Notice]) -> None:
    """Refuse occupancies above 1 and tell which sites are empty; partial ones show once the sites are joined."""
    occupancies = data.get("_atom_site_occupancy")
    if not isinstance(occupancies, list):
        return
    empty = []
    above = 0
    for label, value in zip(labels, occupancies, strict=False):
        occupancy = number_of(value)
        if occupancy is None and value.strip() not in {".", "?"}:
            raise unreadable(f"The occupancy of the site {label[:20]} is no number ({value[:20]!r}).", "Check _atom_site_occupancy.")
        if occupancy is None:
            continue
        if occupancy > 1 + OCCUPANCY_TOLERANCE or occupancy < 0:
            raise disordered([f"site {label[:20]} has the occupancy {occupancy:g}"])
        above += occupancy > 1
        if occupancy == 0:
            empty.append(label[:20])
    if above:
        notices.append(Notice("occupancy_repaired", f"{above} occupancies up to 1 % above 1 were taken for 1."))
    if empty:
        notices.append(Notice("zero_occupancy_dropped", f"Sites with occupancy 0 were left out: {', '.join(empty[:5])}."))


def _check_duplicates(data: dict[str, Any], labels: list[str]) -> None:
    """Refuse rows at one position that together hold more than one atom; symmetry images are checked by their distance.

    Raises:
        StructureError: ``overlapping_atoms``, naming the pair.
    """
    occupancies = data.get("_atom_site_occupancy")
    positions = np.array([[number_of(value) or 0.0 for value in data[name]] for name in POSITIONS]).T
    # The rounding only has to catch exact copies; 1.0 and 0.0 are the same place.
    places = np.round(positions % 1, 4) % 1
    seen: dict[tuple[float, ...], tuple[str, float]] = {}
    for index, (label, place) in enumerate(zip(labels, map(tuple, places.tolist()), strict=True)):
        given = number_of(occupancies[index]) if isinstance(occupancies, list) else None
        occupancy = 1.0 if given is None else given
        first, total = seen.get(place, (label, 0.0))
        if total > 0 and total + occupancy > 1 + OCCUPANCY_TOLERANCE:
            message = f"The sites {first[:20]} and {label[:20]} of the CIF are at the same position."
            raise StructureError("overlapping_atoms", message, "Remove one of them, or correct their occupancies or coordinates.")
        seen[place] = (first, total + occupancy)


def _operations(data: dict[str, Any]) -> list[str]:
    """The symmetry operations that the file lists."""
    return next((data[name] for name in _OPERATIONS if isinstance(data.get(name), list)), [])


def sites_as_listed(data: dict[str, Any]) -> tuple[list[str], np.ndarray] | None:
    """The atoms of a file whose only symmetry operation is the identity: there is nothing to expand, so the table is the crystal.

    Args:
        data: A block that :func:`check_sites` found nothing wrong with.

    Returns:
        Element symbols and fractional coordinates ``[atoms, 3]`` in [0, 1), in the order of the file; None where symmetry, occupancies,
        magnetic moments or unusual names leave something to pymatgen.
    """
    operations = ["".join(operation.lower().split()).replace("+", "") for operation in _operations(data)]
    symbols, occupancies = data.get("_atom_site_type_symbol"), data.get("_atom_site_occupancy")
    if operations != ["x,y,z"] or not isinstance(symbols, list) or len(symbols) != len(data["_atom_site_label"]):
        return None
    if occupancies is not None and (not isinstance(occupancies, list) or any(number_of(value) != 1 for value in occupancies)):
        return None
    plain = element_numbers().keys() - {"D", "T"}
    if not plain.issuperset(symbols) or any("magn" in name or "moment" in name for name in data):
        return None
    positions = np.array([[number_of(value) for value in data[name]] for name in POSITIONS], dtype=np.float64).T
    return list(symbols), positions - np.floor(positions)
