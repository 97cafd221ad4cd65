"""What only mmCIF has: models, Cartesian coordinates with a matrix of their own, and copies that are only implied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.cif_numbers import numbers_in
from hsegap.structures.parsed import unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.structures.cif_syntax import Block

#: Cartesian coordinates, which only mmCIF defines without a matrix of the file's own.
CARTESIAN = ("_atom_site_cartn_x", "_atom_site_cartn_y", "_atom_site_cartn_z")
#: Other statements about their axes.
_AXES = ("_atom_sites_cartn_tran", "_atom_sites_fract_tran")
#: The model of each row; all models are the same cell at several times, or several guesses.
MODEL = "_atom_site_pdbx_pdb_model_num"
#: Largest deviation of a matrix from the cell, relative to the lengths: matrices are written with few digits.
MATRIX_TOLERANCE = 0.01


def refuse_implied_copies(block: Block) -> None:
    """Refuse a file whose rows are only part of the atoms, the others being copies by operations of its own (MTRIX).

    Raises:
        StructureError: ``unreadable_structure``.
    """
    codes = block.column("_struct_ncs_oper_code")
    if codes is None:
        return
    matrices = _matrices(block, "_struct_ncs_oper_matrix", len(codes))
    for code, matrix in zip(codes, matrices, strict=False):
        if code.lower() == "generate" and not np.allclose(matrix, np.eye(3), atol=1e-4):
            message = (
                "The file leaves out atoms that operations beside its space group generate (MTRIX, struct_ncs_oper)."
            )
            raise unreadable(message, "Write all atoms of the asymmetric unit.")


def from_cartesian(positions: np.ndarray, lattice: np.ndarray, block: Block) -> np.ndarray:
    """Fractional from mmCIF's Cartesian coordinates.

    Their axes are those of the matrix that the file gives (SCALE in PDB); else a lies along x, b in the plane of x and
    y.

    Args:
        positions: Å, ``[sites, 3]``.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        block: That lists them.

    Raises:
        StructureError: ``unreadable_structure`` for a matrix of another cell.
    """
    import gemmi

    stated = _matrices(block, "_atom_sites_fract_transf_matrix", 1)
    if not stated:
        other = next((name for name in block.names() if name.startswith(_AXES) and block.states(name)), None)
        if other is not None:
            message = f"The file states the axes of its Cartesian coordinates as {other[:60]}, which is not understood."
            raise unreadable(message, "Give fractional coordinates.")
        lengths = np.linalg.norm(lattice, axis=1)
        angles = [
            math.degrees(math.acos(float(lattice[i] @ lattice[j] / lengths[i] / lengths[j])))
            for i, j in ((1, 2), (0, 2), (0, 1))
        ]
        return positions @ np.array(gemmi.UnitCell(*lengths.tolist(), *angles).frac.mat.tolist()).T
    matrix = stated[0]
    vectors = np.linalg.inv(matrix).T if abs(np.linalg.det(matrix)) > 1e-12 else np.zeros((3, 3))
    metric = lattice @ lattice.T
    sizes = np.sqrt(np.diag(metric))
    if (np.abs(vectors @ vectors.T - metric) > MATRIX_TOLERANCE * np.outer(sizes, sizes)).any():
        message = (
            "The matrix that turns the Cartesian coordinates into fractional ones (SCALE) is that of another cell."
        )
        raise unreadable(message, "Correct it, or leave it out if a lies along x and b in the plane of x and y.")
    shifts = [numbers_in(block.column(f"_atom_sites_fract_transf_vector[{axis}]") or ["0"])[0] for axis in (1, 2, 3)]
    return positions @ matrix.T + np.array([shift or 0.0 for shift in shifts])


def _matrices(block: Block, name: str, count: int) -> Sequence[np.ndarray]:
    """The matrices of an item with nine parts, ``[3, 3]`` each; none where parts are missing or no numbers."""
    parts = [block.column(f"{name}[{row}][{column}]") for row in (1, 2, 3) for column in (1, 2, 3)]
    numbers = [numbers_in(part) for part in parts if part is not None and len(part) == count]
    if len(numbers) != len(parts) or any(None in row for row in numbers):
        return []
    return [np.array(entries, dtype=np.float64).reshape(3, 3) for entries in zip(*numbers, strict=True)]
