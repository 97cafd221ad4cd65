"""The published outputs through the exported ONNX files, with ONNX Runtime, alone and in batches."""

from __future__ import annotations

import numpy as np
import pytest

from hsegap.structures import collate_arrays
from support.shared_material import REFERENCES

pytestmark = [pytest.mark.shared_data, pytest.mark.usefixtures("one_thread")]
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=REFERENCES)
def exported(request, published, tmp_path_factory):
    """Name of a published configuration and an ONNX Runtime session of its export."""
    import onnxruntime

    from hsegap.export.onnx import export_onnx
    from hsegap.models import load_checkpoint

    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    export_onnx(load_checkpoint(published.checkpoint(request.param)), path)
    return request.param, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def run(session, graphs, tokens, mask):
    arrays = {
        **collate_arrays(graphs)._asdict(),
        "tokens": tokens,
        "mask": mask,
        "has_text": np.ones(len(graphs), dtype=bool),
    }
    wanted = {node.name: node.type for node in session.get_inputs()}
    feeds = {
        name: arrays[name].astype(bool) if kind == "tensor(bool)" else arrays[name] for name, kind in wanted.items()
    }
    return dict(zip([node.name for node in session.get_outputs()], session.run(None, feeds), strict=True))


def test_the_batch(exported, published):
    name, session = exported
    output = run(session, published.graphs, published.tokens, published.mask)
    np.testing.assert_allclose(output["gap"], published.answers(name)["gap"], atol=TOLERANCE)
    np.testing.assert_allclose(output["gates"], published.maps(name, "gate"), atol=TOLERANCE)
    np.testing.assert_allclose(output["importance"], published.maps(name, "importance"), atol=TOLERANCE)


def test_single_crystals(exported, published):
    name, session = exported
    gates, first = published.maps(name, "gate"), 0
    for index, graph in enumerate(published.graphs):
        output = run(session, [graph], published.tokens[index : index + 1], published.mask[index : index + 1])
        assert abs(float(output["gap"][0]) - published.answers(name)["gap"][index]) < TOLERANCE
        atoms = slice(first, first + len(graph.atomic_numbers))
        first = atoms.stop
        np.testing.assert_allclose(output["gates"], gates[atoms], atol=TOLERANCE)
