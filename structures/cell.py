"""The cell seen by a neighbour search: little skewed, with every atom inside it."""

from __future__ import annotations

import math

import numpy as np

from hsegap.structures.errors import StructureError
from hsegap.structures.exact import lattice_vectors

#: Product of the cell lengths over the volume above which a lattice is reduced.
SKEWNESS = 2.0
#: Cells of pymatgen's search grid that a search may need; the grid is as fine as the radius and covers all atoms.
GRID_CELLS = 100_000
#: The ``change`` of a lattice that is left as it is; told by identity, so that nothing is multiplied with it.
UNCHANGED = np.eye(3, dtype=np.int64)
UNCHANGED.setflags(write=False)


def lengths_and_volume(lattice: np.ndarray) -> tuple[list[float], float]:
    """Lengths of the lattice vectors in Å and volume of the cell in Å³.

    Plain numbers: for three vectors numpy's own calls cost ten times as much as what they calculate.
    """
    a, b, c = lattice.tolist()
    cross = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
    return [math.hypot(*a), math.hypot(*b), math.hypot(*c)], abs(a[0] * cross[0] + a[1] * cross[1] + a[2] * cross[2])


def face_distances(lattice: np.ndarray) -> list[float]:
    """Distances between opposite faces of the cell, Å: those along a, b and c."""
    a, b, c = lattice.tolist()
    volume = lengths_and_volume(lattice)[1]
    areas = (
        math.hypot(y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0])
        for y, z in ((b, c), (c, a), (a, b))
    )
    return [volume / max(area, 1e-300) for area in areas]


def lattice_from_parameters(parameters: np.ndarray) -> np.ndarray:
    """Lattice vectors from lengths (Å) and angles (degrees).

    Args:
        parameters: a, b, c, α, β, γ; shape ``[6]``.

    Returns:
        Vectors as rows, Å, ``[3, 3]``, oriented as pymatgen orients them: c along z, a in the plane of x and z.

    Raises:
        StructureError: ``degenerate_cell`` for parameters no cell can have.
    """
    a, b, c, *angles = parameters.tolist()
    hint = "Check the cell lengths (in Å) and angles (in degrees)."
    if not all(map(math.isfinite, (a, b, c, *angles))) or min(a, b, c, *angles) <= 0 or max(angles) >= 180:
        shown = ", ".join(f"{value:.6g}" for value in parameters)
        raise StructureError("degenerate_cell", f"No cell has the lengths and angles {shown}.", hint)
    # Three angles fit together only if each is less than the sum of the others and all three are less than 360°
    # together; pymatgen clips such cells into a flat one without a word.
    if sum(angles) >= 360 or 2 * max(angles) >= sum(angles):
        shown = ", ".join(f"{angle:.6g}°" for angle in angles)
        raise StructureError("degenerate_cell", f"The cell is degenerate: the angles {shown} span no volume.", hint)
    return lattice_vectors([a, b, c], angles)


def reduced_lattice(lattice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give a less skewed cell of the same lattice where the given one is skewed.

    A sheared cell would make a search look at many images along its thin direction.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``, not degenerate.

    Returns:
        The reduced lattice ``[3, 3]`` and the integer matrix ``change`` with ``reduced = change @ lattice``:
        :data:`UNCHANGED` itself where nothing had to be reduced.
    """
    lengths, volume = lengths_and_volume(lattice)
    if math.prod(lengths) <= SKEWNESS * volume:
        return np.ascontiguousarray(lattice), UNCHANGED
    from pymatgen.core import Lattice

    reduced = Lattice(lattice).lll_matrix
    change = np.rint(reduced @ np.linalg.inv(lattice)).astype(np.int64)
    return np.ascontiguousarray(change @ lattice), change


def wrapped(frac_coords: np.ndarray, change: np.ndarray, reduced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move atoms into the reduced cell.

    Args:
        frac_coords: In the original cell, ``[atoms, 3]``.
        change: From :func:`reduced_lattice`.
        reduced: From :func:`reduced_lattice`.

    Returns:
        Cartesian coordinates inside the reduced cell, Å, ``[atoms, 3]``, and the reduced cell each atom came from,
        ``[atoms, 3]`` int64.
    """
    reduced_frac = frac_coords if change is UNCHANGED else frac_coords @ np.linalg.inv(change)
    home = np.floor(reduced_frac).astype(np.int64)
    return np.ascontiguousarray((reduced_frac - home) @ reduced), home


def affordable_radius(coords: np.ndarray, radius: float) -> float:
    """Raise a search radius so that the search grid stays small for atoms strewn thinly over a huge cell."""
    volume = math.prod(side + 2 * radius for side in (coords.max(axis=0) - coords.min(axis=0)).tolist())
    return max(radius, (volume / GRID_CELLS) ** (1 / 3))
