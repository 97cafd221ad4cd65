"""The benchmark that counts what a network computes and moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.limits import node_work, profiled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def two_products(tmp_path: Path) -> Path:
    """``relu(x @ a) @ b``, x of 7 rows, a 5 by 11, b 11 by 3."""
    random = np.random.default_rng(0)
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, random.standard_normal(shape).astype(np.float32).ravel())
        for name, shape in (("a", (5, 11)), ("b", (11, 3)))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["first"]),
        helper.make_node("Sigmoid", ["first"], ["positive"]),
        helper.make_node("MatMul", ["positive", "b"], ["y"]),
    ]
    told = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["n", 5]), ("y", ["n", 3]))
    ]
    graph = helper.make_graph(nodes, "two", told[:1], told[1:], initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    return path


def test_products_and_bytes_are_those_of_the_shapes(two_products: Path) -> None:
    rows = np.ones((7, 5), dtype=np.float32)
    work = profiled(two_products, lambda session: session.run(None, {"x": rows}))
    assert work.flop == pytest.approx(2 * 7 * (5 * 11 + 11 * 3))
    assert work.moved == 4 * ((35 + 55 + 77) + (77 + 77) + (77 + 33 + 21))
    assert work.seconds > 0
    assert set(work.dearest) == {"MatMul", "Sigmoid"}


def test_another_shape_of_the_same_numbers_is_free() -> None:
    shapes = {"input_type_shape": [{"float": [2, 3]}], "output_type_shape": [{"float": [6]}]}
    assert node_work({"op_name": "Reshape", **shapes}) == (0.0, 0.0)
    assert node_work({"op_name": "Sigmoid", **shapes}) == (0.0, 48.0)
