"""The network as TorchScript, for C++ and other torch programs.

The serving side never opens it: such archives hold a pickle.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch

from hsegap.export.flat import FlatNetwork, example_inputs

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork


def export_torchscript(network: CrystalTextNetwork, path: Path) -> None:
    """Write ``network`` to ``path``; inputs and outputs as in :mod:`hsegap.export.flat`, every size stays free.

    The network branches on its configuration only, never on sizes, so a trace holds for all of them; the parity suite
    checks that on sizes the trace has not seen.
    """
    network.eval().cpu()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(FlatNetwork(network), example_inputs(network.config), check_trace=False)
        torch.jit.save(traced, str(path))


def load_torchscript(path: Path) -> torch.jit.ScriptModule:
    """Read a trusted TorchScript file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.load(str(path))
