"""A crystal between its file and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from service.network import NetworkInput
    from service.schemas import Description, Timings, Warn


@dataclass
class Prepared:
    """A crystal ready for the network, with all that its answer will say beside the numbers."""

    index: int | None
    formula: str
    symbols: list[str]
    frac_coords: np.ndarray
    lattice: np.ndarray
    network_input: NetworkInput
    description: Description
    text_vector: np.ndarray | None
    warnings: list[Warn]
    timings: Timings
    want_atoms: bool
    started: float
