"""The network: configuration, convolutions, middle fusion, late fusion, the whole, and its checkpoints.

Names are loaded when they are first used: the configuration alone (flags, ``--help``) needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsegap.models.batch import GraphBatch, collate
    from hsegap.models.checkpoint import CheckpointError, LoadedCheckpoint, load_checkpoint, read_checkpoint
    from hsegap.models.config import FusionConfig
    from hsegap.models.network import CrystalTextNetwork, NetworkOutput

_HOMES = {
    "GraphBatch": "batch",
    "collate": "batch",
    "CheckpointError": "checkpoint",
    "LoadedCheckpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "read_checkpoint": "checkpoint",
    "FusionConfig": "config",
    "CrystalTextNetwork": "network",
    "NetworkOutput": "network",
}

__all__ = [
    "CheckpointError",
    "CrystalTextNetwork",
    "FusionConfig",
    "GraphBatch",
    "LoadedCheckpoint",
    "NetworkOutput",
    "collate",
    "load_checkpoint",
    "read_checkpoint",
]


def __getattr__(name: str) -> Any:
    """Import the file that a public name lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
