"""The second answer of a network that takes facts is computed only where it differs from the first.

A run of such a network answers twice: to what is told, and as if nothing were told. Where nothing is told both answers
are the same numbers, but ONNX Runtime computes every operation of a file, whatever outputs it is asked for. Here the
operations of the second answer become one branch of an ``If``; its other branch hands on the first answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Outputs with nothing told, and the output with all that is told that each of them equals where nothing is.
COUNTERPARTS = {
    "gap_without": "gap",
    "embedding_without": "graph_embedding",
    "fused_atoms_without": "fused_atoms",
    "text_vector_without": "text_vector",
}


def skip_where_untold(model: Any) -> None:
    """Put what only leads to the answers with nothing told into a branch that runs when something is told.

    One crystal told of is enough for the branch to answer for the whole batch. Inputs and outputs stay as they are; a
    network without such answers is not changed.

    Args:
        model: An ``onnx.ModelProto`` whose nodes stand in the order of their use.
    """
    from onnx import helper

    graph = model.graph
    wanted = _leading_to(graph.node, {value.name for value in graph.output} - set(COUNTERPARTS))
    apart = [node for node, kept in zip(graph.node, wanted, strict=True) if not kept]
    made_apart = {name for node in apart for name in node.output}
    # Without middle fusion nothing told enters the atoms, and their vectors are the same in both answers.
    answers = [value for value in graph.output if value.name in COUNTERPARTS and value.name in made_apart]
    if not answers:
        return
    condition = _anything_told({value.name for value in graph.input})
    # Names of a branch may not be those of its surroundings: there the If's own outputs have them.
    renamed = {value.name: f"{value.name}_computed" for value in answers}
    for node in apart:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    handed = {value.name: f"{value.name}_handed_on" for value in answers}
    same = [helper.make_node("Identity", [COUNTERPARTS[name]], [inner]) for name, inner in handed.items()]
    branches = {
        "then_branch": helper.make_graph(apart, "something_told", [], _named(answers, renamed)),
        "else_branch": helper.make_graph(same, "nothing_told", [], _named(answers, handed)),
    }
    decided = helper.make_node("If", [condition[-1].output[0]], [value.name for value in answers], **branches)
    left = [node for node, kept in zip(graph.node, wanted, strict=True) if kept]
    del graph.node[:]
    graph.node.extend([*condition, *left, decided])
    inner = {name for node in apart for name in node.output}
    for value in [value for value in graph.value_info if value.name in inner]:
        graph.value_info.remove(value)


def _leading_to(nodes: Iterable[Any], outputs: set[str]) -> list[bool]:
    """Whether each node has a part in one of ``outputs``."""
    nodes, needed, parts = list(nodes), set(outputs), []
    for node in reversed(nodes):
        parts.append(not needed.isdisjoint(node.output))
        if parts[-1]:
            needed |= set(node.input)
    return parts[::-1]


def _anything_told(inputs: set[str]) -> list[Any]:
    """Nodes whose last output is true where any crystal of the batch has a text or a known fact.

    A network that reads a text whether or not there is one (``encode_empty``) has no input ``has_text``.
    """
    from onnx import TensorProto, helper

    known = "fact_known"
    nodes = []
    if "has_text" in inputs:
        nodes = [
            helper.make_node("Unsqueeze", ["has_text", "told_axis"], ["told_text"]),
            helper.make_node("Or", ["told_text", known], ["told_of"]),
        ]
        axis = helper.make_tensor("told_axis", TensorProto.INT64, [1], [1])
        nodes.insert(0, helper.make_node("Constant", [], ["told_axis"], value=axis))
        known = "told_of"
    return [
        *nodes,
        helper.make_node("Cast", [known], ["told_as_number"], to=TensorProto.INT32),
        helper.make_node("ReduceMax", ["told_as_number"], ["told_most"], keepdims=0),
        helper.make_node("Cast", ["told_most"], ["told"], to=TensorProto.BOOL),
    ]


def _named(values: Iterable[Any], names: dict[str, str]) -> list[Any]:
    """Copies of the declarations of some outputs under other names."""
    copies = []
    for value in values:
        copy = type(value)()
        copy.CopyFrom(value)
        copy.name = names[value.name]
        copies.append(copy)
    return copies
