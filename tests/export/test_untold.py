"""The exported network computes its answer with nothing told only where something is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hsegap.export.flat import FlatNetwork, example_inputs, graphs_for, input_names, output_names
from hsegap.export.onnx import export_onnx
from hsegap.export.parity import onnx_feeds
from hsegap.export.untold import COUNTERPARTS
from support.networks import TOLD, random_network, some_crystals

pytestmark = pytest.mark.usefixtures("one_thread")
TOLERANCE = 1e-5
KINDS = {
    "learned": TOLD,
    "encode_empty": {**TOLD, "no_text": "encode_empty"},
    "late fusion alone": {**TOLD, "use_middle_fusion": False},
}


@pytest.fixture(scope="module", params=KINDS)
def exported(request, tmp_path_factory):
    """A network that takes facts and its file."""
    network = random_network(**KINDS[request.param])
    path = tmp_path_factory.mktemp("untold") / "network.onnx"
    export_onnx(network, path)
    return network, path


def inputs_with(network, *, text, fact):
    """Five crystals, of which one has a text or a known fact."""
    graphs = graphs_for(network.config, some_crystals())
    inputs = list(example_inputs(network.config, graphs, n_tokens=4))
    has_text, known = torch.zeros(len(graphs), dtype=torch.bool), torch.zeros(len(graphs), 1, dtype=torch.bool)
    has_text[3], known[1] = text, fact
    inputs[-3], inputs[-1] = has_text, known
    return inputs


def run(path, network, inputs, *, profile=None):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = output_names(network.config)
    answers = session.run(list(names), onnx_feeds(session, input_names(network.config), inputs))
    found = dict(zip(names, answers, strict=True))
    if profile is None:
        return found
    events = json.loads(Path(session.end_profiling()).read_text())
    return sum(event.get("cat") == "Node" for event in events)


@pytest.mark.parametrize(("text", "fact"), [(True, False), (False, True), (True, True), (False, False)])
def test_both_answers_are_the_network_s(exported, text, fact):
    network, path = exported
    inputs = inputs_with(network, text=text, fact=fact)
    with torch.no_grad():
        expected = FlatNetwork(network)(*inputs)
    for (name, answer), wanted in zip(run(path, network, inputs).items(), expected, strict=True):
        np.testing.assert_allclose(answer, wanted.numpy(), rtol=0, atol=TOLERANCE, err_msg=name)


def test_with_nothing_told_both_answers_are_one(exported):
    network, path = exported
    answers = run(path, network, inputs_with(network, text=False, fact=False))
    for name, counterpart in COUNTERPARTS.items():
        assert np.array_equal(answers[name], answers[counterpart]), name


def test_one_crystal_told_of_is_enough_and_moves_no_other(exported):
    network, path = exported
    told = run(path, network, inputs_with(network, text=False, fact=True))
    moved = np.abs(told["gap"] - told["gap_without"]) > TOLERANCE
    assert moved.tolist() == [False, True, False, False, False]


def test_fewer_operations_run_where_nothing_is_told(exported, tmp_path):
    network, path = exported
    fewest = run(path, network, inputs_with(network, text=False, fact=False), profile=tmp_path / "untold")
    most = run(path, network, inputs_with(network, text=False, fact=True), profile=tmp_path / "told")
    # Late fusion alone is a few operations of a network.
    assert fewest < (0.9 if network.config.fusion_layers else 1.0) * most
