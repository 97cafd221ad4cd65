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

from hsegap.export.flat import example_inputs, input_names, output_names
from hsegap.export.inference import InferenceNetwork
from hsegap.export.untold import skip_where_untold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork

OPSET = 18
#: Name of each input's sizes, as the exported file shows them; None where a size is part of the network.
SIZES: dict[str, tuple[str | None, ...]] = {
    "atomic_numbers": ("atoms",),
    "r": ("bonds", None),
    "src": ("bonds",),
    "dst": ("bonds",),
    "line_src": ("line_edges",),
    "line_dst": ("line_edges",),
    "atom_incoming": ("atoms", "most_bonds_of_an_atom"),
    "bond_incoming": ("bonds", "most_line_edges_of_a_bond"),
    "atom_crystal": ("atoms",),
    "crystal_atoms": ("crystals", "most_atoms"),
    "tokens": ("crystals", "tokens", None),
    "mask": ("crystals", "tokens"),
    "has_text": ("crystals",),
    "fact_values": ("crystals", None),
    "fact_known": ("crystals", None),
}


def export_onnx(network: CrystalTextNetwork, path: Path) -> None:
    """Write ``network`` to ``path``; every size stays free and has a name (:data:`SIZES`).

    Args:
        network: Put into evaluation mode.
        path: Of the ``.onnx`` file, weights included.

    Raises:
        RuntimeError: If the exporter fails; its report is in the message.
    """
    import onnx

    network.eval().cpu()
    inputs, names = example_inputs(network.config), input_names(network.config)
    sizes = {size: torch.export.Dim(size) for axes in SIZES.values() for size in axes if size is not None}
    free = {name: {axis: sizes[size] for axis, size in enumerate(SIZES[name]) if size is not None} for name in names}
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            InferenceNetwork(network),
            inputs,
            input_names=list(names),
            output_names=list(output_names(network.config)),
            dynamic_shapes=free,
            dynamo=True,
            opset_version=OPSET,
            optimize=True,
        )
    if program is None:
        raise RuntimeError("the ONNX exporter gave no program")
    model = program.model_proto
    _gather_rows(model)
    strip(model)
    skip_where_untold(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _gather_rows(model: Any) -> None:
    """Turn ``GatherND(rows, Unsqueeze(index, -1))``, the exporter's form of ``rows[index]``, into ``Gather``.

    Fewer nodes.
    """
    from onnx import numpy_helper

    graph = model.graph
    constants = {value.name: value for value in graph.initializer}
    constants |= {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    made_by = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        index = made_by.get(node.input[1]) if node.op_type == "GatherND" else None
        if (
            index is None
            or index.op_type != "Unsqueeze"
            or any(option.i for option in node.attribute)
            or index.input[1] not in constants
        ):
            continue
        if numpy_helper.to_array(constants[index.input[1]]).tolist() == [-1]:
            node.op_type = "Gather"
            node.input[1] = index.input[0]
            del node.attribute[:]
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for node in [node for node in graph.node if node.op_type == "Unsqueeze" and node.output[0] not in used]:
        graph.node.remove(node)


def strip(model: Any) -> None:
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
def quiet() -> Iterator[None]:
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
