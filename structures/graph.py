"""A crystal becomes a crystal graph and its line graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class CrystalGraph:
    """A crystal graph and its line graph, arrays only.

    Attributes:
        atomic_numbers: ``[atoms]`` int64.
        src: Atom each directed bond starts from, ``[bonds]`` int64.
        dst: Atom it ends at, ``[bonds]`` int64.
        r: Displacement from ``src`` to ``dst``, Å, ``[bonds, 3]`` float32.
        line_src: Bond each line-graph edge (u→v, v→w) starts from, ``[line edges]`` int64.
        line_dst: Bond it ends at, ``[line edges]`` int64.
    """

    atomic_numbers: np.ndarray
    src: np.ndarray
    dst: np.ndarray
    r: np.ndarray
    line_src: np.ndarray
    line_dst: np.ndarray
