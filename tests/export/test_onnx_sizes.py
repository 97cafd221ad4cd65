"""Exported files hold for sizes they have not seen,
give the same on every run and thread count, and name their sizes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.export.flat import example_inputs, input_names, output_names
from hsegap.export.onnx import OPSET, SIZES
from hsegap.export.parity import ParityError, compare_forms, onnx_feeds, require_parity, supercell, unseen_graphs
from support.exported_forms import AS_ONNX, TWO_LAYERS, session_of, shared_forms
from support.networks import random_network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=TWO_LAYERS)
def exported(request, tmp_path_factory):
    """A network and the folder of its exported forms."""
    return shared_forms(tmp_path_factory, request.param)


def test_both_forms_agree_with_the_network_on_unseen_sizes(exported):
    network, folder = exported
    differences = compare_forms(network, folder)
    assert {(entry.form, entry.case) for entry in differences} == {
        (form, case) for form in ("onnx", "torchscript") for case in unseen_graphs(network.config)
    }
    assert require_parity(differences) < 1e-5


def test_sizes_inputs_and_outputs_have_names(exported):
    import onnx

    network, folder = exported
    model = onnx.load(folder / "network.onnx")
    assert model.opset_import[0].version == OPSET
    for value in model.graph.input:
        shape = value.type.tensor_type.shape.dim
        assert [size.dim_param or None for size in shape] == list(SIZES[value.name]), value.name
    assert [value.name for value in model.graph.output] == list(output_names(network.config))
    sizes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in model.graph.output
    }
    assert sizes["gap"] == ["crystals"]
    assert sizes["gates"] == ["atoms", len(network.config.fusion_layers)]
    assert {value.name for value in model.graph.input} <= set(input_names(network.config))


def test_nothing_in_the_file_names_this_machine(exported):
    _, folder = exported
    content = (folder / "network.onnx").read_bytes()
    for word in (b"/work", b"/tmp", b"site-packages", b".py", b"Traceback"):
        assert word not in content, word


def test_no_scatter_and_the_same_numbers_on_every_run_and_thread_count(exported):
    """ScatterND races on the CPU: sums go by gathering, so thirty runs with two threads agree to the last digit."""
    import onnx

    network, folder = exported
    operators = {node.op_type for node in onnx.load(folder / "network.onnx").graph.node}
    assert not {name for name in operators if name.startswith("Scatter")}
    graphs = unseen_graphs(network.config)["32 crystals of mixed sizes"]
    answers = []
    for threads in (1, 2):
        session = session_of(folder, threads=threads)
        feeds = onnx_feeds(session, input_names(network.config), example_inputs(network.config, graphs, n_tokens=4))
        answers += [session.run(["gap"], feeds)[0] for _ in range(15)]
    assert all(np.array_equal(answer, answers[0]) for answer in answers[:15])
    np.testing.assert_allclose(np.stack(answers), np.stack([answers[0]] * 30), atol=2e-6)


def test_a_form_of_other_weights_is_refused(exported):
    network, folder = exported
    told = set(AS_ONNX["everything"]) | {"use_text", "no_text", "graph_flavour"}
    other = random_network(seed=1, **network.config.model_dump(include=told))
    with pytest.raises(ParityError, match=r"onnx differs from the network by .* in gap"):
        require_parity([entry for entry in compare_forms(other, folder) if entry.form == "onnx"])


def test_not_a_number_is_no_parity():
    from hsegap.export.parity import Difference

    with pytest.raises(ParityError, match="nan"):
        require_parity([Difference("onnx", "one atom", {"gap": float("nan")})])
    assert require_parity([Difference("onnx", "one atom", {"gap": 1e-7, "graph_embedding": 5e-4})]) == 1e-7


def test_supercells_of_the_parity_suite_are_the_same_crystal():
    from hsegap.export.flat import example_crystals
    from hsegap.models import collate
    from hsegap.structures import build_graph

    network = random_network(use_text=False)
    crystal = example_crystals()[2]
    with torch.no_grad():
        one = network(collate([build_graph(crystal)])).gap
        many = network(collate([build_graph(supercell(crystal, (3, 2, 1)))])).gap
    torch.testing.assert_close(one, many, atol=1e-5, rtol=0)
