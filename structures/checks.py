"""What every crystal has to satisfy before anything expensive looks at it."""

from __future__ import annotations

import numpy as np

from structures.errors import StructureError

#: Cell vectors longer than this (Å) are taken for a unit error.
LONGEST_CELL_VECTOR = 1000.0
#: Volume over the product of the three lengths; below it the three vectors lie in a plane for every practical purpose.
SMALLEST_FLATNESS = 1e-6
#: Smallest cell volume in Å³ (a hydrogen atom under the centre of a gas giant still takes about 1 Å³).
SMALLEST_VOLUME = 0.05
#: Volume per atom in Å³ below which a cell cannot be meant.
SMALLEST_VOLUME_PER_ATOM = 0.05


def check_lattice(lattice: np.ndarray, *, n_atoms: int = 1) -> None:
    """Refuse a cell that no neighbour search or symmetry routine should be given.

    A near-zero volume sends some of them into loops without an end, so this runs before any of them.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        n_atoms: Atoms in the cell.

    Raises:
        StructureError: ``degenerate_cell``.
    """
    lattice = np.asarray(lattice, dtype=np.float64)
    hint = "Check the cell lengths (in Å) and angles of the file."
    if lattice.shape != (3, 3) or not np.isfinite(lattice).all():
        raise StructureError("degenerate_cell", "The cell has lengths or angles that are not finite numbers.", hint)
    lengths = np.linalg.norm(lattice, axis=1)
    if lengths.max() > LONGEST_CELL_VECTOR:
        message = f"A cell vector is {lengths.max():.6g} Å long; at most {LONGEST_CELL_VECTOR:.0f} Å are accepted."
        raise StructureError("degenerate_cell", message, "Cell lengths are read in Å: check the unit and the scale factor.")
    volume = abs(float(np.linalg.det(lattice)))
    flatness = volume / max(float(lengths.prod()), 1e-300)
    if volume < max(SMALLEST_VOLUME, SMALLEST_VOLUME_PER_ATOM * n_atoms) or flatness < SMALLEST_FLATNESS:
        message = f"The cell is degenerate: its volume is {volume:.3g} Å³ for {n_atoms} atom{'s' if n_atoms != 1 else ''}."
        raise StructureError("degenerate_cell", message, hint)
