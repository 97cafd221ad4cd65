"""One suite for every form and configuration: eager = TorchScript = ONNX Runtime, on sizes the export has not seen.

Every two choices of fusion, attention, facts, heads and output meet in some network; text on and off within each
batch, batches of 1, 2 and 32, crystals of 1 to 200 atoms mixed, one and two threads. Networks are narrow and shallow:
what differs between configurations is their operations, not their width. An export to ONNX takes seconds, so only as
many networks are exported as it takes for every choice to be among them. Of all the others the rearranged network that
`network.onnx` is made of is compared.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.export.flat import FlatNetwork, example_crystals, example_inputs, graphs_for, input_names, output_names
from hsegap.export.inference import InferenceNetwork
from hsegap.export.parity import onnx_feeds, supercell
from hsegap.export.torchscript import load_torchscript
from hsegap.models.config import FusionConfig
from hsegap.structures import Crystal
from support.choices import CHOICES, ROWS, STRUCTURE_ALONE, name_of, settings_of
from support.exported_forms import AS_ONNX, MADE, MORE, TWO_LAYERS, export_forms, session_of, shared_forms
from support.networks import random_network
from support.pairwise import all_pairs, pairs_of

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-4
#: Networks that know the structure alone, and those that are compared pair by pair.
CONFIGURATIONS = {
    **{name_of(row): settings_of(row) for row in ROWS},
    **{f"graph only; {name_of(row)}": {**settings_of(row), "use_text": False} for row in STRUCTURE_ALONE},
    **AS_ONNX,
}


@pytest.fixture(scope="module")
def batches():
    """Graphs by batch size; the export is traced on three crystals of 2, 2 and 5 atoms."""
    salt, silicon, perovskite = example_crystals()
    copper = Crystal(silicon.lattice * (3.61 / 5.43), np.zeros((1, 3)), np.array([29]))
    sizes = [
        copper,
        salt,
        perovskite,
        supercell(salt, (2, 2, 1)),
        supercell(perovskite, (2, 2, 2)),
        supercell(perovskite, (5, 4, 2)),
    ]
    graphs = graphs_for(random_network(use_text=False).config, sizes)
    assert [len(graph.atomic_numbers) for graph in graphs] == [1, 2, 5, 8, 40, 200]
    return {
        "one atom": graphs[:1],
        "one crystal of 200 atoms": graphs[5:],
        "1 and 200 atoms": [graphs[0], graphs[5]],
        "three times the traced sizes": [graphs[3], graphs[4], *graphs[1:4], *graphs[1:5]],
        "32 mixed": [graphs[index % 5] for index in range(32)],
    }


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def forms(request, tmp_path_factory):
    """The eager network and its exported files."""
    if request.param in AS_ONNX:
        return shared_forms(tmp_path_factory, request.param)
    return export_forms(tmp_path_factory.mktemp("parity"), CONFIGURATIONS[request.param], onnx=False)


def test_every_form_gives_the_same(forms, batches):
    network, folder = forms
    ins, outs = input_names(network.config), output_names(network.config)
    eager = FlatNetwork(network)
    in_torch = {"rearranged": InferenceNetwork(network), "TorchScript": load_torchscript(folder / "network.pt")}
    threads_tried = (1, 2) if (folder / "network.onnx").is_file() else ()
    sessions = {threads: session_of(folder, threads=threads) for threads in threads_tried}
    several = "three times the traced sizes"
    tried = [(several, "all"), (several, "none"), (several, "none, nor a fact"), *((case, "some") for case in batches)]
    for case, some_text in tried:
        graphs = batches[case]
        inputs = list(example_inputs(network.config, graphs, n_tokens=4, seed=len(graphs)))
        place = ins.index("has_text")
        if some_text != "some":
            inputs[place] = torch.full_like(inputs[place], fill_value=some_text == "all")
        if some_text == "none, nor a fact" and network.config.facts:
            inputs[-1] = torch.zeros_like(inputs[-1])
        with torch.no_grad():
            expected = [part.numpy() for part in eager(*inputs)]
            answers = {form: [part.numpy() for part in module(*inputs)] for form, module in in_torch.items()}
        for threads, session in sessions.items():
            answers[f"ONNX Runtime, {threads} threads"] = session.run(list(outs), onnx_feeds(session, ins, inputs))
        for form, answer in answers.items():
            for name, one, other in zip(outs, answer, expected, strict=True):
                assert one.shape == other.shape, (form, case, name)
                assert np.isfinite(one).all(), (form, case, name)
                np.testing.assert_allclose(
                    # A gap that is an exponential can be hundreds; float32 has seven digits of it.
                    one,
                    other,
                    rtol=2e-6,
                    atol=TOLERANCE,
                    err_msg=f"{form}, {case}, text: {some_text}, {name}",
                )


def test_every_choice_meets_every_other_and_is_exported_to_onnx():
    choices = {name: list(values) for name, values in CHOICES.items()}
    assert set().union(*map(pairs_of, ROWS)) == all_pairs(choices)
    exported = [*MORE, *MADE.values()]
    assert set().union(*(row.items() for row in exported)) == {(name, v) for name in choices for v in choices[name]}
    for name, row in MADE.items():
        for choice, value in row.items():
            assert CHOICES[choice][value].items() <= TWO_LAYERS[name].items(), (name, choice)


def test_every_setting_that_changes_operations_is_a_choice():
    """A new switch of the configuration has to be added here, or to those that change no operation."""
    no_operation = {
        *(
            name
            for name in FusionConfig.model_fields
            if name.endswith(("_dim", "_dropout", "_heads", "_loss", "_scale"))
        ),
        *("alignn_layers", "gcn_layers", "hidden_features", "embedding_features", "atom_input_features"),
        *("edge_input_features", "triplet_input_features", "output_features", "text_features", "late_fusion_rank"),
        *("fact_centres", "graph_dropout", "contrastive_loss_weight", "contrastive_temperature"),
        *("cross_modal_attention_type", "graph_flavour", "cutoff", "max_neighbors"),
    }
    varied = {name for values in CHOICES.values() for settings in values.values() for name in settings} | {"use_text"}
    assert set(FusionConfig.model_fields) - no_operation == varied - no_operation


def test_it_would_notice(forms, batches):
    """The numbers compared do depend on structure, text and weights: a suite that compares constants proves nothing."""
    network, _ = forms
    eager = FlatNetwork(network)
    with torch.no_grad():
        outputs = eager(*example_inputs(network.config, batches["32 mixed"], n_tokens=4))
    gaps = outputs[0]
    assert float(gaps.std()) > 1e-3
    if network.config.fusion_layers:
        assert float(outputs[1].std()) > 1e-4
