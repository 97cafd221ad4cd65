"""The table of sites of a CIF: which atoms it lists, where, and what is wrong with a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.checks import LARGEST_FRACTIONAL, check_atom_count
from hsegap.structures.cif_elements import elements_of
from hsegap.structures.cif_macro import CARTESIAN, MODEL, from_cartesian, refuse_implied_copies
from hsegap.structures.cif_numbers import number_of, numbers_in
from hsegap.structures.cif_syntax import CUT_OFF_HINT, is_unknown
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.occupancy import OCCUPANCY_TOLERANCE
from hsegap.structures.parsed import disordered, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hsegap.structures.cif_syntax import Block

#: Columns of the fractional coordinates.
POSITIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
#: Relative distance from a third within which digits are missing and not different: just that of 0.3333 and 0.6667.
THIRD_TOLERANCE = 1.0001e-4
_LABELS = ("_atom_site_label", "_atom_site_label_atom_id", "_atom_site_auth_atom_id")
#: The dictionary's name, and others that have been met.
_OCCUPANCIES = (
    "_atom_site_occupancy",
    "_atom_site_occupation",
    "_atom_site_occupancy_factor",
    "_atom_site_occupation_factor",
    "_atom_site_site_occupancy",
    "_atom_site_occ",
    "_atom_site_sof",
)
_MULTIPLICITIES = (
    "_atom_site_symmetry_multiplicity",
    "_atom_site_site_symmetry_multiplicity",
    "_atom_site_site_symmetry_order",
)


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
    written: list[tuple[str, ...]]
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


class Rows:
    """The rows of a block's sites that are atoms.

    Attributes:
        kept: Their indices in the file.
        models: Number of models that the rows belong to; those of the first are kept.
    """

    def __init__(self, block: Block, length: int) -> None:
        self._block = block
        self._length = length
        self.kept = list(range(length))
        # ``dum`` marks centroids and the like.
        if (flags := self._whole("_atom_site_calc_flag")) is not None:
            self.kept = [row for row in self.kept if flags[row].lower() != "dum"]
        models = self._whole(MODEL)
        self.models = len(set(models or ()))
        if models is not None and self.models > 1:
            self.kept = [row for row in self.kept if models[row] == models[0]]

    def _whole(self, name: str) -> list[str] | None:
        """A column for all rows.

        Raises:
            StructureError: ``unreadable_structure`` for one of another length: nobody can know its rows.
        """
        column = self._block.column(name)
        if column is not None and len(column) != self._length:
            message = f"The CIF gives {name} for {len(column)} sites, but lists {self._length}."
            raise unreadable(message, "Write all that is known about the sites into one table. " + CUT_OFF_HINT)
        return column

    def column(self, name: str) -> list[str] | None:
        """The values of a column for these rows; None where the file has none."""
        column = self._whole(name)
        return column if column is None or len(self.kept) == self._length else [column[row] for row in self.kept]


def sites_of(
    block: Block,
    *,
    lattice: np.ndarray,
    formula: Mapping[str, float] | None,
    max_atoms: int | None,
    notices: list[Notice],
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
    named = next((name for name in (*_LABELS, "_atom_site_type_symbol") if block.rows(name)), None)
    if named is None:
        raise unreadable("The CIF lists no atoms (no _atom_site_label).", CUT_OFF_HINT)
    check_atom_count(block.rows(named), max_atoms)
    rows = Rows(block, block.rows(named))
    labels = rows.column(named)
    if not labels:
        raise unreadable(
            "The CIF lists no atoms, only dummies (_atom_site_calc_flag dum).", "List the atoms of the cell."
        )
    if rows.models > 1:
        message = f"The file holds {rows.models} models of one structure; the first was read."
        notices.append(Notice("several_structures", message))
    refuse_implied_copies(block)
    cartesian = block.dotted and POSITIONS[0] not in block and CARTESIAN[0] in block
    positions, written = _positions(block, rows, labels, CARTESIAN if cartesian else POSITIONS)
    if cartesian:
        positions = from_cartesian(positions, lattice, block)
    elements = elements_of(labels, rows.column("_atom_site_type_symbol"), formula=formula, notices=notices)
    multiplicities = None
    for name in _MULTIPLICITIES:
        column = rows.column(name)
        if column is not None:
            stated = numbers_in(column)
            multiplicities = [value for value in stated if value is not None] if None not in stated else None
            break
    sites = Sites(labels, elements.symbols, positions, written, multiplicities)
    _check_groups(rows, labels)
    _keep_full(rows, sites, notices)
    _tell_hydrogens(rows, sites, elements.water, notices)
    return sites


def _positions(
    block: Block, rows: Rows, labels: Sequence[str], names: Sequence[str]
) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """Coordinates of the rows, ``[rows, 3]``, and the same as the file writes them.

    Raises:
        StructureError: ``unreadable_structure``, naming the row.
    """
    written, columns = [], []
    for name in names:
        column = rows.column(name)
        if column is None:
            given = "only Cartesian coordinates" if CARTESIAN[0] in block and names is POSITIONS else f"no {name}"
            raise unreadable(
                f"The CIF gives {given} for its atoms.", "Positions have to be fractional coordinates. " + CUT_OFF_HINT
            )
        numbers = numbers_in(column)
        if None in numbers:
            index = numbers.index(None)
            place = f"{name} of row {rows.kept[index] + 1} is {column[index][:20]!r}"
            message = f"The CIF gives no position for the site {labels[index][:20]} ({place})."
            raise unreadable(message, "Complete or remove that site.")
        written.append(column)
        columns.append(numbers)
    positions = np.array(columns, dtype=np.float64).T
    if names is POSITIONS and np.abs(positions).max() > LARGEST_FRACTIONAL:
        row, axis = np.argwhere(np.abs(positions) > LARGEST_FRACTIONAL)[0].tolist()
        place = f"{names[axis]} of row {rows.kept[row] + 1} is {written[axis][row][:20]!r}"
        raise unreadable(f"The site {labels[row][:20]} lies far outside the cell ({place}).", "Correct that position.")
    return positions, list(zip(*written, strict=True))


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
        notices.append(
            Notice(
                "coordinates_rounded",
                f"{changed} coordinates such as 0.3333 were replaced by the thirds they stand for.",
            )
        )
    return np.where(near, thirds, positions)


def _check_groups(rows: Rows, labels: Sequence[str]) -> None:
    """Refuse alternatives that are given as groups of a disordered part."""
    groups = rows.column("_atom_site_disorder_group") or rows.column("_atom_site_label_alt_id")
    if groups is None:
        return
    assemblies = rows.column("_atom_site_disorder_assembly") or ["."] * len(labels)
    found: dict[str, dict[str, str]] = {}
    for label, group, assembly in zip(labels, groups, assemblies, strict=True):
        if not is_unknown(group) and group != "0":
            found.setdefault(assembly, {}).setdefault(group, label)
        # SHELX: a part that overlaps its own images by symmetry (PART -1).
        if group.startswith("-") and group[1:].isdigit():
            raise disordered(
                [f"site {label[:20]} belongs to the disorder group {group[:10]}, half of whose images exist"]
            )
    for alternatives in found.values():
        if len(alternatives) > 1:
            raise disordered(
                [
                    f"site {label[:20]} belongs to the disorder group {group[:10]}"
                    for group, label in alternatives.items()
                ]
            )


def _keep_full(rows: Rows, sites: Sites, notices: list[Notice]) -> None:
    """Drop empty sites and join rows of one element that share a site.

    Partial occupancy and two atoms in one place are refused.
    """
    name, column = next(
        ((name, found) for name in _OCCUPANCIES if (found := rows.column(name)) is not None), ("", None)
    )
    if column is None:
        return
    occupancies = _occupancies(sites.labels, name, column, rows)
    repaired = sum(1 for value in occupancies if value != 1 and abs(value - 1) <= OCCUPANCY_TOLERANCE)
    if repaired:
        notices.append(Notice("occupancy_repaired", f"{repaired} occupancies within 1 % of full were taken for 1."))
    if all(abs(value - 1) <= OCCUPANCY_TOLERANCE for value in occupancies):
        return  # two atoms in one place are then found by their distance
    wanted, partial, joined = [], [], []
    for place in _places(sites.frac_coords):
        filled = [row for row in place if occupancies[row] != 0]
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
            partial += [
                f"site {sites.labels[row][:20]} holds {sites.symbols[row]} {occupancies[row]:g}" for row in filled
            ]
            continue
        if len(filled) > 1:
            joined.append(" and ".join(sites.labels[row][:20] for row in filled[:4]))
        wanted.append(filled[0])
    if partial:
        raise disordered(partial)
    empty = [sites.labels[row][:20] for row, value in enumerate(occupancies) if value == 0]
    if empty:
        notices.append(
            Notice("zero_occupancy_dropped", f"Sites with occupancy 0 were left out: {', '.join(empty[:5])}.")
        )
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


def _occupancies(labels: Sequence[str], name: str, column: Sequence[str], rows: Rows) -> list[float]:
    """Occupancies; ``.`` and ``?`` stand for the default, which is 1."""
    values = []
    for row, label, text, value in zip(rows.kept, labels, column, numbers_in(column), strict=True):
        if value is None and not is_unknown(text):
            message = f"The occupancy of the site {label[:20]} is no number ({name} of row {row + 1} is {text[:20]!r})."
            raise unreadable(message, f"Check {name}.")
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


def _tell_hydrogens(rows: Rows, sites: Sites, water: Sequence[str], notices: list[Notice]) -> None:
    """Tell about hydrogen atoms that the file only counts."""
    column = rows.column("_atom_site_attached_hydrogens")
    implied = column is not None and any((number_of(value) or 0) > 0 for value in column)
    if water and "H" not in sites.symbols and "D" not in sites.symbols:
        message = (
            f"{', '.join(label[:20] for label in water[:5])} stand for oxygen with hydrogen atoms that have no "
            "positions"
        )
        notices.append(
            Notice(
                "implicit_hydrogens", f"{message}; they were read as O, and the hydrogen is missing in the prediction."
            )
        )
    elif implied:
        message = "The CIF implies hydrogen atoms without positions; they are missing in the prediction."
        notices.append(Notice("implicit_hydrogens", message))
