"""Arithmetic whose last bit is the same on every processor.

numpy's sines and cosines and the matrix products of BLAS take whatever vector instructions there are, and round
differently with each. Where equally long bonds are told apart by the last bit, or answers of two machines are to be
equal, each operation is rounded on its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


def to_cartesian(frac_coords: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Fractional into Cartesian coordinates.

    Args:
        frac_coords: ``[points, 3]``.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.

    Returns:
        Å, ``[points, 3]``.
    """
    x, y, z = (frac_coords[:, axis, None] * lattice[axis] for axis in range(3))
    cartesian: np.ndarray = x + y + z
    return cartesian


def lattice_vectors(lengths: Sequence[float], angles: Sequence[float]) -> np.ndarray:
    """Lattice vectors of a cell, oriented as ``pymatgen.core.Lattice.from_parameters`` orients them.

    c along z, a in the xz plane.

    Args:
        lengths: a, b, c in Å.
        angles: α, β, γ in degrees, which span a volume.

    Returns:
        Vectors as rows, Å, ``[3, 3]``.
    """
    a, b, c = lengths
    (cos_a, sin_a), (cos_b, sin_b), (cos_c, _) = (
        (math.cos(angle), math.sin(angle)) for angle in map(math.radians, angles)
    )
    # The angle between the reciprocal vectors a* and b*, whose cosine rounding may carry past one.
    gamma = math.acos(max(-1.0, min(1.0, (cos_a * cos_b - cos_c) / (sin_a * sin_b))))
    along_b = [-b * sin_a * math.cos(gamma), b * sin_a * math.sin(gamma), b * cos_a]
    return np.array([[a * sin_b, 0.0, a * cos_b], along_b, [0.0, 0.0, float(c)]])
