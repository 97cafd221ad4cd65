"""The end of the network alone, with its mean gradient along a straight line.

What the atoms' contributions are made of.

``head.onnx`` and ``head.pt`` read the gap from pooled vectors (projection, late fusion, last layer, PBE gap's head) at
both ends of a straight line and give the gradient's mean along it, by a fixed quadrature. Integrated gradients (M.
Sundararajan, A. Taly, Q. Yan, ICML 2017, arXiv:1703.01365) are these means times the way from end to end;
:mod:`hsegap.prediction.contributions` makes the atoms' shares of them. The graph neural layers are not in it, so that
it costs microseconds.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from hsegap.export.onnx import OPSET, quiet, strip
from hsegap.models.config import PROJECTION_WIDTH

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork, FusionConfig

ONNX_FILE, SCRIPT_FILE = "head.onnx", "head.pt"
#: Gauss-Legendre nodes of one line, all in one run. Lines on which they are not enough (ReLU bends the gap) are halved
#: by the caller.
NODES = 128


def head_inputs(config: FusionConfig) -> dict[str, int]:
    """Inputs of the head with their widths; each is ``[2, width]``, start and end of the line.

    ``fused``: mean of the atoms' vectors after the last layer. ``told``: vector of text and facts. ``structure``: mean
    of the atoms' vectors before anything is told, from which the PBE gap is estimated. ``shift``: by how much a stated
    PBE gap lies above that estimate, eV.
    """
    widths = {"fused": config.hidden_features}
    if config.use_text:
        widths["told"] = PROJECTION_WIDTH
    if config.pbe_head == "base":
        widths["structure"] = config.hidden_features
        if "pbe_gap_ev" in config.facts:
            widths["shift"] = 1
    return widths


def head_outputs(config: FusionConfig) -> tuple[str, ...]:
    """``gap [2]`` at both ends, eV, and for each input the gradient's mean along the line, ``[width]``."""
    return ("gap", *(f"{name}_gradient" for name in head_inputs(config)))


class HeadLine(nn.Module):
    """Gap at both ends of a line and the gradient's mean along it, through autograd.

    :func:`head_inputs` in, :func:`head_outputs` out.
    """

    nodes: Tensor
    weights: Tensor

    def __init__(self, network: CrystalTextNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(head_inputs(network.config))
        at, weight = np.polynomial.legendre.leggauss(NODES)
        self.register_buffer("nodes", torch.tensor((at + 1) / 2, dtype=torch.float32)[:, None])
        self.register_buffer("weights", torch.tensor(weight / 2, dtype=torch.float32)[:, None])

    def gap(self, *points: Tensor) -> Tensor:
        """The gap at some points, each input ``[points, width]``; ``[points]``."""
        given = dict(zip(self.names, points, strict=True))
        fused = given["fused"]
        base = fused[:, 0] * 0.0
        if "structure" in given:
            base = self.network.pbe_head(given["structure"]).squeeze(1)
        if "shift" in given:
            base = base + given["shift"][:, 0]
        return self.network.head(fused, given.get("told", fused[:, :0]), base)[0]

    def forward(self, *lines: Tensor) -> tuple[Tensor, ...]:
        """Each input ``[2, width]``."""
        points = tuple(line[:1] + self.nodes * (line[1:] - line[:1]) for line in lines)
        gradients = torch.func.grad(lambda *at: self.gap(*at).sum(), argnums=tuple(range(len(points))))(*points)
        return (self.gap(*lines), *((self.weights * gradient).sum(dim=0) for gradient in gradients))


def example_line(config: FusionConfig, *, seed: int = 0) -> tuple[Tensor, ...]:
    """Random ends of a line, for tracing and for comparing."""
    random = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(2, width, generator=random) for width in head_inputs(config).values())


def export_head(network: CrystalTextNetwork, folder: Path) -> None:
    """Write ``head.onnx`` and ``head.pt`` into ``folder``.

    The gradient is taken once, while tracing, and written out as ordinary operations: neither form knows autograd.

    Raises:
        RuntimeError: If the ONNX exporter fails.
    """
    import onnx

    # Only the inputs are differentiated.
    module = HeadLine(copy.deepcopy(network).eval().cpu().requires_grad_(requires_grad=False))
    example = example_line(network.config)
    # Gradients come out of autograd as mutations of empty tensors, which ONNX has no words for.
    table: dict[Any, Any] = dict(torch._decomp.core_aten_decompositions())  # noqa: SLF001 - its documented place
    table[torch.ops.aten.empty_like.default] = torch.zeros_like
    traced = make_fx(torch.func.functionalize(module), decomposition_table=table)(*example)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(traced, example, check_trace=False), str(folder / SCRIPT_FILE))
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            traced,
            example,
            input_names=list(module.names),
            output_names=list(head_outputs(network.config)),
            dynamo=True,
            opset_version=OPSET,
            optimize=True,
        )
    if program is None:
        raise RuntimeError("the ONNX exporter gave no program")
    model: Any = program.model_proto
    strip(model)
    onnx.checker.check_model(model)
    (folder / ONNX_FILE).write_bytes(model.SerializeToString(deterministic=True))
