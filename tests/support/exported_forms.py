"""A network's exported forms, and ONNX Runtime on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.export.onnx import export_onnx
from hsegap.export.torchscript import export_torchscript
from support.choices import ROWS, name_of, settings_of
from support.networks import FULL_MIDDLE, random_network
from support.once import made_once
from support.pairwise import each_value

if TYPE_CHECKING:
    from pathlib import Path

    import onnxruntime
    import pytest

    from hsegap.models import CrystalTextNetwork
    from support.pairwise import Row

#: Exported with two layers of a kind, so that a layer's sizes are also those of what an earlier one made.
TWO_LAYERS: dict[str, dict[str, Any]] = {
    "everything": {
        "use_fine_grained_attention": True,
        "use_cross_modal_attention": True,
        "late_fusion_type": "tucker",
        "alignn_layers": 2,
        "gcn_layers": 1,
        "middle_fusion_layers": "0,1",
        "classification": True,
        **FULL_MIDDLE,
    },
    "constant scales, empty text encoded": {
        "alignn_layers": 2,
        "gcn_layers": 1,
        "middle_fusion_layers": "1",
        "use_middle_fusion": True,
        "use_fine_grained_attention": True,
        "no_text": "encode_empty",
        "late_fusion_type": "bilinear",
    },
    "graph only, jarvis": {"alignn_layers": 2, "gcn_layers": 2, "use_text": False, "graph_flavour": "jarvis"},
}
#: The choices that those have.
MADE: dict[str, Row] = {
    "everything": {"late": "tucker", "middle": "improved", "attention": "both", "output": "class"},
    "constant scales, empty text encoded": {
        "late": "bilinear",
        "middle": "gated",
        "attention": "fine",
        "no text": "empty",
    },
}
#: Shallow networks with all other choices: an export to ONNX takes seconds, so there are as few as that takes.
MORE = each_value(ROWS, made=MADE.values())
#: The configurations that tests export to ONNX.
AS_ONNX = {**TWO_LAYERS, **{name_of(row): settings_of(row) for row in MORE}}


def shared_forms(tmp_path_factory: pytest.TempPathFactory, name: str) -> tuple[CrystalTextNetwork, Path]:
    """The network of a configuration of :data:`AS_ONNX` and the folder with its exported forms,
    made once for all tests.
    """
    settings = AS_ONNX[name]
    folder = made_once(tmp_path_factory, f"forms of {name}", lambda place: _export_all(place, settings))
    return random_network(**settings), folder


def _export_all(folder: Path, settings: dict[str, Any]) -> None:
    folder.mkdir()
    export_forms(folder, settings)


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
