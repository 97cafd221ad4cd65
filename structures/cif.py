"""A CIF becomes the atoms of its cell.

gemmi parses the text and knows the settings of the space groups; what a file leaves open, contradicts or rounds is
settled in the ``cif_`` files beside this one, or refused by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.structures.cell import lattice_from_parameters
from hsegap.structures.checks import SHORTEST_DISTANCE, check_atom_count, check_lattice, close_pairs
from hsegap.structures.cif_checks import check_cell, check_formula, content_of, stated_by
from hsegap.structures.cif_numbers import number_of
from hsegap.structures.cif_settle import Case, settle
from hsegap.structures.cif_sites import sites_of, snap_thirds
from hsegap.structures.cif_symmetry import readings_of, refuse_other_dimensions
from hsegap.structures.cif_syntax import CUT_OFF_HINT, Block, blocks_of
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.parsed import Parsed, unreadable
from hsegap.structures.plausible import cartesian_taken_for_fractional
from hsegap.structures.symbols import mass_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.structures.cif_expand import Expanded
    from hsegap.structures.cif_sites import Sites
    from hsegap.structures.cif_symmetry import Reading

#: Two rows whose images come this near (Å) list the same atom.
SAME_IMAGE = 0.1
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_ATOMS = ("_atom_site_fract_x", "_atom_site_label", "_atom_site_type_symbol", "_atom_site_cartn_x")
_ATOM_TAGS = (*_ATOMS, *(name.replace("_atom_site_", "_atom_site.") for name in _ATOMS))


def parse_cif(text: str, *, max_atoms: int | None) -> Parsed:
    """Read the first structure of a CIF.

    Args:
        text: Content of the file.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    notices: list[Notice] = []
    blocks = blocks_of(text, notices)
    block, is_last = _first_structure(blocks, notices)
    refuse_other_dimensions(block)
    readings = readings_of(block, notices)
    if not readings:
        _refuse_symmetry_elsewhere(blocks, block)
    rows = max(map(block.rows, _ATOMS))
    check_atom_count(rows, max_atoms)
    lattice = _cell(block, readings, notices)
    check_lattice(lattice, n_atoms=rows)
    stated = stated_by(block)
    sites = sites_of(block, lattice=lattice, formula=stated.formula, max_atoms=max_atoms, notices=notices)
    notices += cartesian_taken_for_fractional(lattice, sites.frac_coords, sites.symbols)
    sites.frac_coords = snap_thirds(sites.frac_coords, notices)
    expanded = settle(readings, Case(sites, lattice, stated), notices)
    if expanded.moved and not any(notice.code == "coordinates_rounded" for notice in notices):
        message = (
            f"{expanded.moved} sites were moved onto the special positions that their rounded coordinates stand for."
        )
        notices.append(Notice("coordinates_rounded", message))
    check_atom_count(len(expanded.site), max_atoms)
    kept = _without_images(expanded, sites, lattice, notices)
    symbols = [sites.symbols[row] for row in expanded.site[kept].tolist()]
    check_cell(block, lattice, mass_of(symbols), notices)
    at_end = is_last and block.last_table.startswith("_atom_site_")
    if kept.all():
        check_formula(content_of(expanded, sites), stated, at_end=at_end, notices=notices)
    return Parsed(
        lattice=lattice,
        symbols=symbols,
        frac_coords=expanded.frac_coords[kept],
        notices=notices,
        distances_checked=True,
    )


def _first_structure(blocks: Sequence[Any], notices: list[Notice]) -> tuple[Block, bool]:
    """The first data block that lists atoms, and whether it is the last of all."""
    found = [index for index, block in enumerate(blocks) if any(map(block.find_values, _ATOM_TAGS))]
    if not found:
        raise unreadable(
            "The CIF lists no atoms.", "A CIF needs _atom_site_label and _atom_site_fract_x, _y, _z. " + CUT_OFF_HINT
        )
    if len(found) > 1:
        message = f"The CIF holds {len(found)} structures; the first ({blocks[found[0]].name[:40]}) was read."
        notices.append(Notice("several_structures", message))
    return Block(blocks[found[0]]), found[0] == len(blocks) - 1


def _refuse_symmetry_elsewhere(blocks: Sequence[Any], block: Block) -> None:
    """Refuse atoms without symmetry beside a data block that states some and has no atoms of its own.

    Raises:
        StructureError: ``unreadable_structure``, naming the blocks.
    """
    for other in map(Block, blocks):
        if not any(map(other.rows, _ATOMS)) and any(len(one.settings[0]) > 1 for one in readings_of(other, [])):
            message = (
                f"The CIF states the symmetry in one data block ({other.name[:40]}) and lists the atoms in another "
                f"({block.name[:40]})."
            )
            raise unreadable(message, "Write cell, symmetry and atoms into one data block.")


def _cell(block: Block, readings: Sequence[Reading], notices: list[Notice]) -> np.ndarray:
    """Lattice vectors as rows, Å, ``[3, 3]``.

    Raises:
        StructureError: ``unreadable_structure`` or ``degenerate_cell``.
    """
    values: list[float | None] = []
    for name in _CELL:
        text = block.first(f"_cell_{name}")
        number = number_of(text) if text is not None else None
        if text is not None and number is None:
            raise unreadable(f"_cell_{name} of the CIF is no number ({text[:20]!r}).", CUT_OFF_HINT)
        values.append(number)
    if all(value is None for value in values[:3]):
        raise unreadable("The CIF has no cell (_cell_length_a …).", CUT_OFF_HINT)
    return lattice_from_parameters(
        np.array(values if None not in values else _completed(values, readings, notices), dtype=np.float64)
    )


def _completed(values: Sequence[float | None], readings: Sequence[Reading], notices: list[Notice]) -> list[float]:
    """Lengths and angles that the file leaves to the crystal system.

    Angles are 90° by the CIF dictionary if nothing else.

    Raises:
        StructureError: ``unreadable_structure`` for a length that follows from nothing.
    """
    number = next(
        (setting.number for reading in readings for setting in reading.settings if setting.number is not None), 1
    )
    a, b, c, alpha, beta, gamma = values
    if number >= 75:
        b = a if b is None else b
        a = b if a is None else a
    if number >= 195:
        c = a if c is None else c
    hexagonal = 143 <= number <= 194 and a == b and alpha in {None, 90.0} and beta in {None, 90.0}
    if gamma is None:
        gamma = 120.0 if hexagonal else alpha if 143 <= number <= 167 and alpha is not None else 90.0
    rhombohedral = 143 <= number <= 167 and a == b == c and gamma not in {90.0, 120.0}
    alpha = (gamma if rhombohedral else 90.0) if alpha is None else alpha
    beta = (alpha if rhombohedral else 90.0) if beta is None else beta
    filled = [a, b, c, alpha, beta, gamma]
    lacking = [name for name, value in zip(_CELL, values, strict=True) if value is None]
    for name, value in zip(_CELL, filled, strict=True):
        if value is None:
            raise unreadable(
                f"The CIF gives no _cell_{name}, and its symmetry doesn't fix it.", "Complete the cell. " + CUT_OFF_HINT
            )
    shown = ", ".join(f"{name} {filled[_CELL.index(name)]:g}" for name in lacking)
    notices.append(
        Notice("cell_completed", f"The CIF leaves out parts of its cell; they were taken from its symmetry ({shown}).")
    )
    return [value for value in filled if value is not None]


def _without_images(expanded: Expanded, sites: Sites, lattice: np.ndarray, notices: list[Notice]) -> np.ndarray:
    """Which atoms to keep: a row that only repeats the symmetry image of another adds none. ``[atoms]`` bool.

    Raises:
        StructureError: ``overlapping_atoms``, naming the sites.
    """
    kept = np.ones(len(expanded.site), dtype=bool)
    symbols = [sites.symbols[row] for row in expanded.site.tolist()]
    repeated: dict[str, None] = {}
    for one, other, distance in close_pairs(lattice, expanded.frac_coords):
        if not (kept[one] and kept[other]):
            continue
        first, second = int(expanded.site[one]), int(expanded.site[other])
        apart = sites.frac_coords[first] - sites.frac_coords[second]
        listed_there = float(np.linalg.norm((apart - np.rint(apart)) @ lattice)) < SHORTEST_DISTANCE
        alike = (
            sites.symbols[first] == sites.symbols[second]
            and expanded.multiplicities[first] == expanded.multiplicities[second]
        )
        if first == second or listed_there or not alike or distance > SAME_IMAGE:
            raise _overlap(sites, symbols, (one, other), (first, second), distance)
        repeated[f"{sites.labels[second][:20]} of {sites.labels[first][:20]}"] = None
        kept[expanded.site == second] = False
    if repeated:
        message = f"Rows that repeat the symmetry image of another site were left out: {', '.join(list(repeated)[:5])}."
        notices.append(Notice("images_listed", message))
    return kept


def _overlap(
    sites: Sites, symbols: Sequence[str], atoms: tuple[int, int], rows: tuple[int, int], distance: float
) -> StructureError:
    """Two atoms in one place, named by their sites."""
    (one, other), (first, second) = atoms, rows
    named = f"{symbols[one]} (atom {one}) and {symbols[other]} (atom {other}, counted from 0)"
    if first == second:
        message = (
            f"Two symmetry images of the site {sites.labels[first][:20]}, {named}, are only {distance:.3f} Å apart."
        )
        hint = (
            "Check its coordinates, and whether symmetry and setting (origin, axes) are those that the "
            "coordinates were given for."
        )
    else:
        labels = f"{sites.labels[first][:20]} and {sites.labels[second][:20]}"
        message = f"The sites {labels}, {named}, are only {distance:.3f} Å apart."
        hint = "Remove one of them, or check the cell lengths, the coordinates and the symmetry operations."
    return StructureError("overlapping_atoms", message, hint)
