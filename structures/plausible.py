"""What hardly any crystal has: told beside the answer.

A file whose numbers have another unit, other axes or another setting than it says can be read without an error; the
distances between its atoms tell.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hsegap.structures.cell import affordable_radius, lengths_and_volume, reduced_lattice, wrapped
from hsegap.structures.crystal import Notice

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Shortest distance over the sum of covalent radii. Of 3 060 calculated crystals all but one lie between 0.64 and 1.27;
#: the other has 1.65, an alloy whose nearest atoms are 4.3 Å apart.
SHORTEST_KNOWN, LONGEST_KNOWN = 0.6, 1.35
#: What the shortest bond of a structure has at least, so that it is worth believing.
SHORTEST_BOND = 0.75
#: Fractional coordinates up to here may be those of a neighbouring cell's border.
INSIDE = 1.05
_NOBLE = {"He", "Ne", "Ar", "Kr", "Xe", "Rn"}


class Bond(NamedTuple):
    """The pair of atoms nearest to each other for their size.

    Attributes:
        ratio: Distance over the sum of their covalent radii.
        distance: Å.
        first: Index of an atom.
        second: Index of the other; the same for an atom and its own image.
    """

    ratio: float
    distance: float
    first: int
    second: int


def shortest_bond(lattice: np.ndarray, frac_coords: np.ndarray, symbols: Sequence[str], *, reach: float) -> Bond | None:
    """Find the shortest distance between two atoms, images included, over the sum of covalent radii.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``, not degenerate.
        frac_coords: ``[atoms, 3]``, finite.
        symbols: Elements of the atoms.
        reach: Distance up to which neighbours are looked for, Å; farther where atoms are strewn over a huge cell.

    Returns:
        None where no two atoms are that near.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    reduced, change = reduced_lattice(lattice)
    coords, _ = wrapped(frac_coords, change, reduced)
    first, second, image, distance = find_points_in_spheres(
        coords, coords, affordable_radius(coords, reach), np.ones(3, dtype=np.int64), reduced, 1e-8
    )
    pairs = (first != second) | (image != 0).any(axis=1)
    first, second, distance = first[pairs], second[pairs], distance[pairs]
    if not len(distance):
        return None
    radii = covalent_radii(symbols)
    ratios = distance / (radii[first] + radii[second])
    nearest = int(ratios.argmin())
    return Bond(float(ratios[nearest]), float(distance[nearest]), int(first[nearest]), int(second[nearest]))


def covalent_radii(symbols: Sequence[str]) -> np.ndarray:
    """Covalent radii of atoms, Å, ``[atoms]``."""
    return np.array([_radius(symbol) for symbol in symbols])


@lru_cache(maxsize=256)
def _radius(symbol: str) -> float:
    import gemmi

    return float(gemmi.Element(symbol).covalent_r)


def odd_distances(lattice: np.ndarray, frac_coords: np.ndarray, symbols: Sequence[str]) -> list[Notice]:
    """Tell of atoms that are nearer to each other, or all farther apart, than those of any crystal.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``, not degenerate.
        frac_coords: ``[atoms, 3]``, finite.
        symbols: Elements of the atoms.
    """
    radii = covalent_radii(symbols)
    widest = 2 * float(radii.max())
    # Atoms that are all farther apart than that have spheres of its size, which don't overlap: they need this room.
    room = 4 / 3 * math.pi * float(((LONGEST_KNOWN * radii) ** 3).sum())
    sparse = lengths_and_volume(lattice)[1] >= room and not _NOBLE.issuperset(symbols)
    bond = shortest_bond(lattice, frac_coords, symbols, reach=(LONGEST_KNOWN if sparse else SHORTEST_KNOWN) * widest)
    if bond is not None and bond.ratio < SHORTEST_KNOWN:
        one, other = (f"{symbols[atom]} (atom {atom}, counted from 0)" for atom in (bond.first, bond.second))
        message = (
            f"{one} and {other} are only {bond.distance:.3g} Å apart: check cell, coordinates (fractional or Å) and "
            "symmetry."
        )
    elif sparse and (bond is None or bond.ratio > LONGEST_KNOWN):
        nearest = (
            f"even {symbols[bond.first]} and {symbols[bond.second]} are {bond.distance:.3g} Å apart"
            if bond is not None
            else f"none are within {LONGEST_KNOWN * widest:.3g} Å of each other"
        )
        message = f"No two atoms are bonded, {nearest}: check whether the cell is in Å and its symmetry complete."
    else:
        return []
    return [Notice("odd_distances", message)]


def cartesian_taken_for_fractional(
    lattice: np.ndarray, frac_coords: np.ndarray, symbols: Sequence[str]
) -> list[Notice]:
    """Tell of coordinates that are given as fractions, but lie outside the cell unless they are Å.

    Coordinates that only were never moved back into the cell are no crystal in Å: their atoms would touch.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``, not degenerate.
        frac_coords: As the file gives them, ``[atoms, 3]``, finite.
        symbols: Elements of the atoms.
    """
    if float(np.abs(frac_coords).max(initial=0)) <= INSIDE or len(frac_coords) < 2:
        return []
    moved = frac_coords @ np.linalg.inv(lattice)
    if moved.min() < 1 - INSIDE or moved.max() > INSIDE:
        return []
    bond = shortest_bond(lattice, moved, symbols, reach=2 * LONGEST_KNOWN * float(covalent_radii(symbols).max()))
    if bond is None or not SHORTEST_BOND <= bond.ratio <= LONGEST_KNOWN:
        return []
    message = (
        f"The coordinates are given as fractions of the cell, but look like Å (up to {float(frac_coords.max()):.3g}); "
        "they were read as fractions."
    )
    return [Notice("odd_coordinates", message)]
