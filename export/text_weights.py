"""How an exported text encoder is stored: weights as small integers, and no trace of the exporting machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

#: Matrices with fewer numbers than this stay float32.
_SMALLEST_MATRIX = 4096


def store_as_integers(model: onnx.ModelProto) -> None:
    """Store the weight matrices as 8-bit integers, in place.

    One scale per output channel (per row of an embedding).

    Only the storage shrinks: ONNX Runtime folds the matrices back to float32 when it loads the file, and activations
    stay float32. Integer activations would halve the time, but each pass rounds them, so that a last-digit difference
    between two processors grows to percents of the pooled vector (docs/text.md has the measurement).
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    integers, scales = [], []
    unfolded: dict[int, list[onnx.NodeProto]] = {}
    folded: list[onnx.NodeProto] = []
    for initializer in list(graph.initializer):
        name, used_by = initializer.name, users.get(initializer.name, [])
        kinds = {node.op_type for node in used_by}
        if (
            len(initializer.dims) != 2
            or initializer.data_type != TensorProto.FLOAT
            or kinds not in ({"MatMul"}, {"Gather"})
        ):
            continue
        weight = numpy_helper.to_array(initializer)
        if weight.size < _SMALLEST_MATRIX:
            continue
        embedding = kinds == {"Gather"}
        scale = np.abs(weight).max(axis=1 if embedding else 0, keepdims=True) / np.float32(127)
        scale[scale == 0] = 1
        integers.append(numpy_helper.from_array(np.rint(weight / scale).astype(np.int8), f"{name}.int8"))
        scales.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        graph.initializer.remove(initializer)
        if not embedding:
            folded.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.float"], to=TensorProto.FLOAT))
            folded.append(helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [name]))
            continue
        # Rows are looked up before they become floats: the table itself is never held as float32.
        for node in used_by:
            rows, out = node.input[1], node.output[0]
            unfolded[id(node)] = [
                helper.make_node("Gather", [f"{name}.int8", rows], [f"{out}.int8"], axis=0),
                helper.make_node("Gather", [f"{name}.scale", rows], [f"{out}.scale"], axis=0),
                helper.make_node("Cast", [f"{out}.int8"], [f"{out}.float"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out]),
            ]
    graph.initializer.extend([*integers, *scales])
    nodes = [*folded, *(new for node in graph.node for new in unfolded.get(id(node), [node]))]
    del graph.node[:]
    graph.node.extend(nodes)


def strip_traces(model: onnx.ModelProto) -> None:
    """Remove what names files, versions and lines of the exporting machine; the numbers stay."""
    model.doc_string = ""
    model.producer_name = "hsegap"
    model.producer_version = ""
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in graph.value_info:
            value.doc_string = ""
            del value.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]
