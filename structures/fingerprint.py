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
#: Which atomic numbers (rows) belong to the nonmetals and to each kind (columns).
_IS_OF_KIND = np.zeros((_PERIOD_ENDS[-1] + 1, 1 + len(_KINDS)))
for _column, _members in enumerate([_NONMETALS, *_KINDS.values()]):
    _IS_OF_KIND[_members, _column] = 1.0
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
    gaps = np.maximum(across, (places[1:] - places[:-1]).max(axis=0)) if len(places) > 1 else across
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
    numbers = np.asarray(graph.atomic_numbers)
    atoms = len(numbers)
    lengths = np.linalg.norm(np.asarray(graph.r, dtype=np.float64), axis=1)
    # Bonds are sorted by the atom they end at, every atom has some, and each goes both ways.
    bonds = np.bincount(graph.dst, minlength=atoms)
    first = np.cumsum(bonds) - bonds
    nearest, farthest = np.minimum.reduceat(lengths, first), np.maximum.reduceat(lengths, first)
    periods = np.searchsorted(_PERIOD_ENDS, numbers) + 1
    return np.array(
        [
            math.log(lengths_and_volume(lattice)[1] / atoms),
            math.log(nearest.min()),
            math.log(nearest.mean()),
            math.log(farthest.mean()),
            math.log(nearest.max()),
            float(np.log(farthest / nearest).mean()),
            math.log1p(widest_empty_layer(lattice, frac_coords)),
            len(set(numbers.tolist())),
            float(periods.mean()),
            *_IS_OF_KIND[numbers].mean(axis=0).tolist(),
        ]
    )
