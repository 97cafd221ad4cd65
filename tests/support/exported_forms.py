"""A network's exported forms, and ONNX Runtime on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.export.onnx import export_onnx
from hsegap.export.torchscript import export_torchscript
from support.networks import random_network

if TYPE_CHECKING:
    from pathlib import Path

    import onnxruntime

    from hsegap.models import CrystalTextNetwork


def export_forms(folder: Path, settings: dict[str, Any], *, onnx: bool = True) -> tuple[CrystalTextNetwork, Path]:
    """A random network and the folder with its ``network.onnx``, if wanted, and ``network.pt``."""
    network = random_network(**settings)
    if onnx:
        export_onnx(network, folder / "network.onnx")
    export_torchscript(network, folder / "network.pt")
    return network, folder


def session_of(folder: Path, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """The exported network in ONNX Runtime, its waiting threads asleep."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(folder / "network.onnx"), options, providers=["CPUExecutionProvider"])
