"""A crystal in two dozen plain numbers: what it is made of, how dense it is, where it is empty.

A network trained for gaps drops from its embedding what gaps do not depend on: three layers of MgO in vacuum look to it
like MgO. These numbers see what it does not, so that a crystal unlike all training crystals is noticed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.cell import lengths_and_volume

if TYPE_CHECKING:
    from hsegap.structures.graph import CrystalGraph

#: Atomic numbers at which a period of the table ends.
_PERIOD_ENDS = np.array([2, 10, 18, 36, 54, 86, 118])
_NOBLE = [2, 10, 18, 36, 54, 86]
_NONMETALS = [1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 33, 34, 35, 52, 53, *_NOBLE]
_KINDS = {
    "hydrogen": [1],
    "boron": [5],
    "carbon": [6],
    "nitrogen": [7],
    "oxygen": [8],
    "halogens": [9, 17, 35, 53],
    "chalcogens but oxygen": [16, 34, 52],
    "noble gases": _NOBLE,
    "alkali and alkaline earth metals": [3, 4, 11, 12, 19, 20, 37, 38, 55, 56, 87, 88],
    "transition metals": [*range(21, 31), *range(39, 49), *range(72, 81)],
    "lanthanides": [*range(57, 72)],
    "actinides": [*range(89, 104)],
}
#: Of each atomic number (rows): its period, whether it is a nonmetal, and whether it is of each kind (columns).
_OF_ELEMENT = np.zeros((_PERIOD_ENDS[-1] + 1, 2 + len(_KINDS)))
_OF_ELEMENT[:, 0] = np.searchsorted(_PERIOD_ENDS, np.arange(len(_OF_ELEMENT))) + 1
for _column, _members in enumerate([_NONMETALS, *_KINDS.values()], start=1):
    _OF_ELEMENT[_members, _column] = 1.0
#: What each number says, in the order of :func:`fingerprint`.
NAMES = (
    "volume per atom",
    "shortest distance",
    "mean nearest distance",
    "mean distance of the 12th neighbour",
    "largest nearest distance",
    "spread of distances around an atom",
    "widest empty layer",
    "number of elements",
    "mean period of its elements",
    "share of nonmetals",
    *(f"share of {name}" for name in _KINDS),
)


def widest_empty_layer(lattice: np.ndarray, frac_coords: np.ndarray) -> float:
    """Thickness of the widest layer along a lattice plane that holds no atom's centre, Å.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        frac_coords: Fractional coordinates ``[atoms, 3]``.
    """
    a, b, c = np.asarray(lattice, dtype=np.float64)
    volume = lengths_and_volume(lattice)[1]
    heights = [volume / math.hypot(*_cross(one, other)) for one, other in ((b, c), (c, a), (a, b))]
    places = np.sort(frac_coords % 1.0, axis=0)
    across = places[0] + 1.0 - places[-1]
    gaps = np.maximum(across, np.maximum.reduce(places[1:] - places[:-1], axis=0)) if len(places) > 1 else across
    return max(gap * height for gap, height in zip(gaps.tolist(), heights, strict=True))


def _cross(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Vector product, as plain numbers: numpy's own takes longer than all the rest of a fingerprint."""
    (a, b, c), (u, v, w) = one.tolist(), other.tolist()
    return b * w - c * v, c * u - a * w, a * v - b * u


def fingerprint(graph: CrystalGraph, lattice: np.ndarray, frac_coords: np.ndarray) -> np.ndarray:
    """The numbers of a crystal, ``[len(NAMES)]`` float64.

    The same for any cell of it but for the empty layer of a long cell.

    Args:
        graph: Its crystal graph.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        frac_coords: Fractional coordinates ``[atoms, 3]``.
    """
    # Sums and extremes by the operations themselves: for ten atoms numpy's methods around them cost more than they do.
    numbers = np.asarray(graph.atomic_numbers)
    atoms = len(numbers)
    r = np.asarray(graph.r, dtype=np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", r, r))
    # Bonds are sorted by the atom they end at, every atom has some, and each goes both ways.
    bonds = np.bincount(graph.dst, minlength=atoms)
    first = np.add.accumulate(bonds) - bonds
    nearest, farthest = np.minimum.reduceat(lengths, first), np.maximum.reduceat(lengths, first)
    shortest, longest = np.minimum.reduce(nearest), np.maximum.reduce(nearest)
    mean_nearest, mean_farthest, spread = np.add.reduce([nearest, farthest, np.log(farthest / nearest)], axis=1) / atoms
    return np.array(
        [
            math.log(lengths_and_volume(lattice)[1] / atoms),
            math.log(shortest),
            math.log(mean_nearest),
            math.log(mean_farthest),
            math.log(longest),
            spread,
            math.log1p(widest_empty_layer(lattice, frac_coords)),
            len(set(numbers.tolist())),
            *(np.add.reduce(_OF_ELEMENT[numbers], axis=0) / atoms).tolist(),
        ]
    )
