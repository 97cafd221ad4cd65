"""A crystal between its file and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from hsegap.prediction.known import Told
    from hsegap.prediction.network import NetworkInput
    from hsegap.prediction.schemas import Description, Timings, Warn
    from hsegap.structures.graph import CrystalGraph


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
    told: Told
    text_vector: np.ndarray | None
    warnings: list[Warn]
    timings: Timings
    want_atoms: bool
    started: float
    explain: bool = False
    asked_strains: bool = False
    strained: tuple[CrystalGraph, ...] = ()
    #: Whether others pass it on the way to the network; None if it is large.
    patient: bool | None = False


def configured_layers(config: dict[str, Any]) -> list[str]:
    """Names of the fusion layers of a configuration, ascending.

    ``layer_N``, GCN layers counted behind the ALIGNN layers.
    """
    behind = (config.get("alignn_layers", 4) + layer for layer in config.get("middle_fusion_gcn_layers", ()))
    return [f"layer_{layer}" for layer in (*sorted(config.get("middle_fusion_layers", ())), *sorted(behind))]


def fusion_layer_names(config: dict[str, Any], *, columns: int) -> list[str]:
    """Names of the columns of the per-atom maps: ``layer_N`` for each fusion layer in ascending order.

    Args:
        config: The manifest's network configuration.
        columns: How many columns the network gives.

    Raises:
        ValueError: If the configuration names another number of layers.
    """
    layers = configured_layers(config) if columns else []
    if len(layers) != columns:
        raise ValueError(f"the network gives {columns} columns of maps for the fusion layers {layers}")
    return layers
