"""The table of sites of a CIF: which atoms it lists, where, and what is wrong with a row."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.checks import LARGEST_FRACTIONAL, check_atom_count
from hsegap.structures.cif_elements import elements_of
from hsegap.structures.cif_syntax import CUT_OFF_HINT, is_unknown
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.json_formats import OCCUPANCY_TOLERANCE
from hsegap.structures.parsed import disordered, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hsegap.structures.cif_syntax import Block

#: Columns of the fractional coordinates.
POSITIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
#: Columns of Cartesian coordinates, which only mmCIF defines without a matrix of the file's own.
CARTESIAN = ("_atom_site_cartn_x", "_atom_site_cartn_y", "_atom_site_cartn_z")
#: Relative distance from a third within which digits are missing and not different: just that of 0.3333 and 0.6667.
THIRD_TOLERANCE = 1.0001e-4
_LABELS = ("_atom_site_label", "_atom_site_label_atom_id", "_atom_site_auth_atom_id")
_MULTIPLICITIES = ("_atom_site_symmetry_multiplicity", "_atom_site_site_symmetry_multiplicity", "_atom_site_site_symmetry_order")
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\([\d.]*\))?")
_FRACTION = re.compile(r"([+-]?\d{1,4})/(\d{1,4})")


@dataclass
class Sites:
    """The atoms that the rows of a CIF list.

    Attributes:
        labels: One per site.
        symbols: Elements, ``D`` and ``T`` kept apart.
        frac_coords: ``[sites, 3]``.
        written: The same as the file writes them.
        multiplicities: What the file states about the number of images of each site; None where it doesn't.
    """

    labels: list[str]
    symbols: list[str]
    frac_coords: np.ndarray
    written: list[tuple[str, str, str]]
    multiplicities: list[float] | None

    def __len__(self) -> int:
        return len(self.labels)

    def digits(self, site: int) -> int:
        """Decimals of the least precise coordinate of a site that is no simple fraction; 99 if all are."""
        fewest = 99
        for value, text in zip(self.frac_coords[site].tolist(), self.written[site], strict=True):
            if (value * 24) % 1 == 0 or "/" in text:
                continue
            mantissa = text.split("(", maxsplit=1)[0].lower().split("e", maxsplit=1)[0]
            fewest = min(fewest, len(mantissa.partition(".")[2]))
        return fewest


def number_of(value: str) -> float | None:
    """A CIF number, with its uncertainty in brackets taken off, or a fraction such as 1/3; None for ``.``, ``?`` and anything else."""
    found = _NUMBER.fullmatch(value)
    if found:
        number = float(found[1])
        return number if math.isfinite(number) else None
    fraction = _FRACTION.fullmatch(value)
    return int(fraction[1]) / int(fraction[2]) if fraction and int(fraction[2]) else None


def numbers_in(column: Sequence[str]) -> list[float | None]:
    """The numbers of a column."""
    try:
        numbers = [float(value) for value in column]
    except ValueError:
        return [number_of(value) for value in column]
    # float() knows words and underscores that are no numbers here.
    plain = math.isfinite(math.fsum(numbers)) and "_" not in "".join(column)
    return list(numbers) if plain else [number_of(value) for value in column]


def sites_of(
    block: Block, *, lattice: np.ndarray, formula: Mapping[str, float] | None, max_atoms: int | None, notices: list[Notice]
) -> Sites:
    """Read the rows of a block's sites.

    Args:
        block: With ``_atom_site_`` items.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        formula: Atoms of the stated formula.
        max_atoms: Refuse more rows.
        notices: Where to tell what was repaired.

    Raises:
        StructureError: ``unreadable_structure``, ``too_many_atoms``, ``unknown_element``, ``disordered_structure`` or
            ``overlapping_atoms``, naming the site.
    """
    types = block.column("_atom_site_type_symbol")
    labels = next((column for column in map(block.column, _LABELS) if column), None) or types
    if not labels:
        raise unreadable("The CIF lists no atoms (no _atom_site_label).", CUT_OFF_HINT)
    check_atom_count(len(labels), max_atoms)
    kept = _kept(block, labels)
    positions = _positions(block, labels, kept, lattice)
    keep = [index for index, wanted in enumerate(kept) if wanted]
    if not keep:
        raise unreadable("The CIF lists no atoms, only dummies (_atom_site_calc_flag dum).", "List the atoms of the cell.")
    labels = [labels[index] for index in keep]
    if types is not None:
        types = [types[index] for index in keep] if len(types) == len(kept) else None
    written = list(zip(*(_column(block, name, len(kept)) or [""] * len(kept) for name in POSITIONS), strict=True))
    named = elements_of(labels, types, formula=formula, notices=notices)
    multiplicities = None
    for name in _MULTIPLICITIES:
        column = _column(block, name, len(kept))
        if column is not None:
            stated = numbers_in([column[index] for index in keep])
            multiplicities = [value for value in stated if value is not None] if None not in stated else None
            break
    sites = Sites(labels, named.symbols, positions[keep], [written[index] for index in keep], multiplicities)
    _check_groups(block, labels, keep, len(kept))
    _keep_full(block, sites, keep, len(kept), notices)
    _tell_hydrogens(block, sites, named.water, keep, len(kept), notices)
    return sites


def _column(block: Block, name: str, length: int) -> list[str] | None:
    column = block.column(name)
    return column if column is not None and len(column) == length else None


def _kept(block: Block, labels: Sequence[str]) -> list[bool]:
    """Which rows are atoms: ``dum`` marks centroids and the like."""
    flags = _column(block, "_atom_site_calc_flag", len(labels))
    return [True] * len(labels) if flags is None else [flag.lower() != "dum" for flag in flags]


def _positions(block: Block, labels: Sequence[str], kept: Sequence[bool], lattice: np.ndarray) -> np.ndarray:
    """Fractional coordinates of all rows, ``[rows, 3]``."""
    cartesian = block.dotted and POSITIONS[0] not in block and CARTESIAN[0] in block
    names = CARTESIAN if cartesian else POSITIONS
    columns = []
    for name in names:
        column = _column(block, name, len(labels))
        if column is None:
            given = "only Cartesian coordinates" if CARTESIAN[0] in block and not cartesian else f"no {name}"
            raise unreadable(f"The CIF gives {given} for its atoms.", "Positions have to be fractional coordinates. " + CUT_OFF_HINT)
        numbers = numbers_in(column)
        if None in numbers:
            row = next((index for index, value in enumerate(numbers) if value is None and kept[index]), None)
            if row is not None:
                message = f"The CIF gives no position for the site {labels[row][:20]} ({name} of row {row + 1} is {column[row][:20]!r})."
                raise unreadable(message, "Complete or remove that site.")
            numbers = [0.0 if value is None else value for value in numbers]
        columns.append(numbers)
    positions = np.array(columns, dtype=np.float64).T
    if cartesian:
        return _from_cartesian(positions, lattice)
    if np.abs(positions).max() > LARGEST_FRACTIONAL:
        row, axis = np.argwhere(np.abs(positions) > LARGEST_FRACTIONAL)[0].tolist()
        message = f"The site {labels[row][:20]} lies far outside the cell ({names[axis]} of row {row + 1} is {positions[row, axis]:g})."
        raise unreadable(message, "Correct that position.")
    return positions


def _from_cartesian(positions: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Fractional from mmCIF's Cartesian coordinates: a along x, b in the plane of x and y."""
    import gemmi

    lengths = np.linalg.norm(lattice, axis=1)
    angles = [
        math.degrees(math.acos(float(lattice[i] @ lattice[j] / lengths[i] / lengths[j]))) for i, j in ((1, 2), (0, 2), (0, 1))
    ]
    return positions @ np.array(gemmi.UnitCell(*lengths.tolist(), *angles).frac.mat.tolist()).T


def snap_thirds(positions: np.ndarray, notices: list[Notice], *, worth_telling: float = 2e-6) -> np.ndarray:
    """Replace coordinates such as 0.3333 by the thirds that they stand for.

    Args:
        positions: ``[sites, 3]``.
        notices: Where to tell, if digits were really missing.
        worth_telling: Largest change that isn't.
    """
    threefold = positions * 3
    whole = np.rint(threefold)
    near = (np.abs(threefold - whole) < THIRD_TOLERANCE * np.abs(whole)) & (whole % 3 != 0)
    if not near.any():
        return positions
    thirds = whole / 3
    changed = int((near & (np.abs(positions - thirds) > worth_telling)).sum())
    if changed:
        notices.append(Notice("coordinates_rounded", f"{changed} coordinates such as 0.3333 were replaced by the thirds they stand for."))
    return np.where(near, thirds, positions)


def _check_groups(block: Block, labels: Sequence[str], keep: Sequence[int], length: int) -> None:
    """Refuse alternatives that are given as groups of a disordered part."""
    groups = _column(block, "_atom_site_disorder_group", length)
    if groups is None:
        return
    assemblies = _column(block, "_atom_site_disorder_assembly", length) or ["."] * length
    found: dict[str, dict[str, str]] = {}
    for label, index in zip(labels, keep, strict=True):
        if not is_unknown(groups[index]) and groups[index] != "0":
            found.setdefault(assemblies[index], {}).setdefault(groups[index], label)
    for alternatives in found.values():
        if len(alternatives) > 1:
            raise disordered([f"site {label[:20]} belongs to the disorder group {group[:10]}" for group, label in alternatives.items()])


def _keep_full(block: Block, sites: Sites, keep: Sequence[int], length: int, notices: list[Notice]) -> None:
    """Drop empty sites, join rows of one element that share a site, and refuse partial occupancy and two atoms in one place."""
    column = _column(block, "_atom_site_occupancy", length)
    occupancies = [1.0] * len(sites) if column is None else _occupancies(sites.labels, [column[index] for index in keep])
    if column is not None:
        repaired = sum(1 for value in occupancies if value != 1 and abs(value - 1) <= OCCUPANCY_TOLERANCE)
        if repaired:
            notices.append(Notice("occupancy_repaired", f"{repaired} occupancies within 1 % of full were taken for 1."))
    if all(abs(value - 1) <= OCCUPANCY_TOLERANCE for value in occupancies):
        return  # two atoms in one place are then found by their distance
    wanted, partial, joined = [], [], []
    for rows in _places(sites.frac_coords):
        filled = [row for row in rows if occupancies[row] != 0]
        total = sum(occupancies[row] for row in filled)
        alike = len({sites.symbols[row] for row in filled}) == 1
        if not filled:
            continue
        if len(filled) > 1 and total > 1 + OCCUPANCY_TOLERANCE:
            first, second = sites.labels[filled[0]], sites.labels[filled[1]]
            message = f"The sites {first[:20]} and {second[:20]} of the CIF are at the same position."
            hint = "Remove one of them, or correct their occupancies or coordinates."
            raise StructureError("overlapping_atoms", message, hint)
        if abs(total - 1) > OCCUPANCY_TOLERANCE or not alike:
            partial += [f"site {sites.labels[row][:20]} holds {sites.symbols[row]} {occupancies[row]:g}" for row in filled]
            continue
        if len(filled) > 1:
            joined.append(" and ".join(sites.labels[row][:20] for row in filled[:4]))
        wanted.append(filled[0])
    if partial:
        raise disordered(partial)
    empty = [sites.labels[row][:20] for row, value in enumerate(occupancies) if value == 0]
    if empty:
        notices.append(Notice("zero_occupancy_dropped", f"Sites with occupancy 0 were left out: {', '.join(empty[:5])}."))
    if joined:
        message = f"Rows of one element that share a site were joined: {'; '.join(joined[:5])}."
        notices.append(Notice("rows_joined", message))
    if not wanted:
        raise unreadable("All sites of the CIF have the occupancy 0.", "Check _atom_site_occupancy.")
    if len(wanted) < len(sites):
        _take(sites, sorted(wanted))


def _take(sites: Sites, rows: list[int]) -> None:
    """Keep some of the sites."""
    sites.labels = [sites.labels[row] for row in rows]
    sites.symbols = [sites.symbols[row] for row in rows]
    sites.written = [sites.written[row] for row in rows]
    sites.frac_coords = sites.frac_coords[rows]
    if sites.multiplicities is not None:
        sites.multiplicities = [sites.multiplicities[row] for row in rows]


def _occupancies(labels: Sequence[str], column: Sequence[str]) -> list[float]:
    """Occupancies; ``.`` and ``?`` stand for the default, which is 1."""
    values = []
    for row, (label, text, value) in enumerate(zip(labels, column, numbers_in(column), strict=True), 1):
        if value is None and not is_unknown(text):
            message = f"The occupancy of the site {label[:20]} is no number (_atom_site_occupancy of row {row} is {text[:20]!r})."
            raise unreadable(message, "Check _atom_site_occupancy.")
        occupancy = 1.0 if value is None else value
        if occupancy > 1 + OCCUPANCY_TOLERANCE or occupancy < 0:
            raise disordered([f"site {label[:20]} has the occupancy {occupancy:g}"])
        values.append(occupancy)
    return values


def _places(frac_coords: np.ndarray) -> list[list[int]]:
    """Rows by their place; the rounding only has to catch exact copies, 1.0 and 0.0 being the same place."""
    places: dict[tuple[float, ...], list[int]] = {}
    for row, place in enumerate(map(tuple, (np.round(frac_coords % 1, 4) % 1).tolist())):
        places.setdefault(place, []).append(row)
    return list(places.values())


def _tell_hydrogens(block: Block, sites: Sites, water: Sequence[str], keep: Sequence[int], length: int, notices: list[Notice]) -> None:
    """Tell about hydrogen atoms that the file only counts."""
    column = _column(block, "_atom_site_attached_hydrogens", length)
    implied = column is not None and any((number_of(column[index]) or 0) > 0 for index in keep)
    if water and "H" not in sites.symbols and "D" not in sites.symbols:
        message = f"{', '.join(label[:20] for label in water[:5])} stand for oxygen with hydrogen atoms that have no positions"
        notices.append(Notice("implicit_hydrogens", f"{message}; they were read as O, and the hydrogen is missing in the prediction."))
    elif implied:
        message = "The CIF implies hydrogen atoms without positions; they are missing in the prediction."
        notices.append(Notice("implicit_hydrogens", message))
