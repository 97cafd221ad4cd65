"""Edge weights far below one keep their digits in the exported network."""

from __future__ import annotations

import torch

from hsegap.export.onnx import export_onnx
from hsegap.export.parity import compare_forms, require_parity
from hsegap.models import CrystalTextNetwork, FusionConfig


def test_nearly_closed_gates_survive_export(tmp_path):
    """σ(m) of 1e-6 or 1e-26 is divided by a sum of its like: an absolute error of 1e-8 would be all of the answer."""
    torch.manual_seed(0)
    network = CrystalTextNetwork(
        FusionConfig(hidden_features=16, embedding_features=8, text_features=8, alignn_layers=2, gcn_layers=1)
    )
    gates = [parameter for name, parameter in network.named_parameters() if name.endswith("edge_gate.bias")]
    assert len(gates) == 5  # two of each layer with a line graph, one of the other
    with torch.no_grad():
        # Each kind of layer has both: atoms' and bonds' sums, with and without a line graph after it.
        for bias, gate in zip((-12.0, -60.0, -60.0, -12.0, -60.0), gates, strict=True):
            gate.fill_(bias)
    network.eval()
    export_onnx(network, tmp_path / "network.onnx")
    assert require_parity(compare_forms(network, tmp_path), tolerance=1e-5) < 1e-5
