"""The network as ONNX, through the exporter that is based on ``torch.export``.

The older, tracing exporter gives wrong numbers for graph sums with no more than a warning; it is not offered.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import TYPE_CHECKING, Any

import torch

from export.flat import INPUT_NAMES, OUTPUT_NAMES, FlatNetwork, example_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models import CrystalTextNetwork

OPSET = 18


def export_onnx(network: CrystalTextNetwork, path: Path) -> None:
    """Write ``network`` to ``path``; every size stays free.

    Args:
        network: Put into evaluation mode.
        path: Of the ``.onnx`` file, weights included.

    Raises:
        RuntimeError: If the exporter fails; its report is in the message.
    """
    import onnx

    network.eval().cpu()
    inputs = example_inputs(network.config)
    free = {name: dict.fromkeys(range(tensor.ndim), torch.export.Dim.DYNAMIC) for name, tensor in zip(INPUT_NAMES, inputs, strict=True)}
    # Widths of coordinates and of text vectors are part of the network.
    free["r"] = {0: torch.export.Dim.DYNAMIC}
    free["tokens"] = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            FlatNetwork(network),
            inputs,
            input_names=list(INPUT_NAMES),
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes=free,
            dynamo=True,
            opset_version=OPSET,
            optimize=True,
        )
    if program is None:
        raise RuntimeError("the ONNX exporter gave no program")
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip(model: Any) -> None:
    """Remove what names places of this machine or differs from run to run without changing a number."""
    del model.metadata_props[:]
    model.doc_string = ""
    for graph in (model.graph, *model.functions):
        del graph.metadata_props[:]
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for value in graph.value_info:
            del value.metadata_props[:]
            value.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports each of its passes on stdout and through warnings; errors still come as exceptions."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "torch.onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
