"""The network: configuration, convolutions, middle fusion, late fusion, the whole, and its checkpoints."""

from models.batch import GraphBatch, collate
from models.checkpoint import CheckpointError, LoadedCheckpoint, load_checkpoint, read_checkpoint
from models.config import FusionConfig
from models.network import CrystalTextNetwork, NetworkOutput

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
