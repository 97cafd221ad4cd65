"""The cells that a crystal can be looked at in: as read, conventional, primitive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.structures.summary import MOST_ATOMS, SYMMETRY_TOLERANCE

if TYPE_CHECKING:
    from hsegap.structures import Crystal


class Cell(NamedTuple):
    """One cell of a crystal.

    Attributes:
        lattice: Rows in Å, ``[3, 3]``.
        frac_coords: ``[atoms, 3]``.
        sites: For each atom one that is the same by translation in the crystal as read, ``[atoms]``: its element and
            its place in every map.
    """

    lattice: np.ndarray
    frac_coords: np.ndarray
    sites: np.ndarray


def cells_of(crystal: Crystal, *, tolerance: float = SYMMETRY_TOLERANCE) -> dict[str, Cell]:
    """The cells of a crystal by name: ``read``, and where spglib finds them ``conventional`` and ``primitive``.

    Those two are spglib's standard cells: idealised and turned to standard axes.

    Args:
        crystal: Any.
        tolerance: Distance within which atoms are symmetry images of each other, Å.
    """
    found = {"read": Cell(crystal.lattice, crystal.frac_coords, np.arange(crystal.n_atoms))}
    if crystal.n_atoms > MOST_ATOMS:
        return found
    import spglib

    cell: Any = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    data = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    if data is None:
        return found
    # Both mappings number the atoms of the same primitive cell; the first atom as read stands for its images.
    first = {int(place): site for site, place in reversed(list(enumerate(data.mapping_to_primitive)))}
    places = [int(place) for place in data.std_mapping_to_primitive]
    if not set(places) <= first.keys():
        return found
    sites = np.array([first[place] for place in places])
    if not (crystal.atomic_numbers[sites] == data.std_types).all():
        return found
    lattice, frac_coords = np.array(data.std_lattice), np.array(data.std_positions)
    found["conventional"] = Cell(lattice, frac_coords, sites)
    found["primitive"] = _primitive(lattice, frac_coords, sites, str(data.international)[0])
    return found


#: Primitive vectors in units of the conventional ones, rows, by the letter of the space group's symbol (spglib's
#: choice; R in the obverse setting on hexagonal axes).
_PRIMITIVE = {
    "F": [[0, 1 / 2, 1 / 2], [1 / 2, 0, 1 / 2], [1 / 2, 1 / 2, 0]],
    "I": [[-1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [1 / 2, 1 / 2, -1 / 2]],
    "A": [[1, 0, 0], [0, 1 / 2, -1 / 2], [0, 1 / 2, 1 / 2]],
    "C": [[1 / 2, 1 / 2, 0], [-1 / 2, 1 / 2, 0], [0, 0, 1]],
    "R": [[2 / 3, 1 / 3, 1 / 3], [-1 / 3, 1 / 3, 1 / 3], [-1 / 3, -2 / 3, 1 / 3]],
}


def _primitive(lattice: np.ndarray, frac_coords: np.ndarray, sites: np.ndarray, centring: str) -> Cell:
    """The primitive cell of a standard conventional one, its atoms those that do not repeat."""
    vectors = np.array(_PRIMITIVE.get(centring, np.eye(3)))
    inside = frac_coords @ np.linalg.inv(vectors)
    inside = np.where(np.abs(inside - np.round(inside)) < 1e-6, np.round(inside), inside)
    inside -= np.floor(inside)
    chosen: list[int] = []
    for place, position in enumerate(inside):
        apart = [inside[other] - position for other in chosen if sites[other] == sites[place]]
        if not any(np.abs(step - np.round(step)).max() < 1e-4 for step in apart):
            chosen.append(place)
    return Cell(vectors @ lattice, inside[chosen], sites[chosen])
