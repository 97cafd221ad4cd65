"""One suite for every form and configuration: eager = TorchScript = ONNX Runtime, on sizes the export has not seen.

Late fusion, middle fusion and attention in every combination as TorchScript, text on and off within a batch, batches of
1, 2 and 32, crystals of 1 to 200 atoms mixed, one and two threads. An export to ONNX takes seconds: it is made for each
late fusion and for each pair of a middle fusion and an attention, and shared with the tests of sizes.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from hsegap.export.flat import FlatNetwork, example_crystals, example_inputs, graphs_for, input_names, output_names
from hsegap.export.parity import onnx_feeds, supercell
from hsegap.export.torchscript import load_torchscript
from hsegap.models.config import LATE_FUSION_TYPES
from hsegap.structures import Crystal
from support.exported_forms import AS_ONNX, SHALLOW, export_forms, session_of, shared_forms
from support.networks import FULL_MIDDLE, random_network

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-4
MIDDLE = {"plain": {}, "improved": FULL_MIDDLE}
ATTENTION = {"cross-modal": {"use_cross_modal_attention": True}, "fine-grained": {"use_fine_grained_attention": True}}
CONFIGURATIONS = {
    **{
        f"{late}, {middle}, {attention}": {
            **SHALLOW,
            "late_fusion_type": late,
            **MIDDLE[middle],
            **ATTENTION[attention],
        }
        for late in LATE_FUSION_TYPES
        for middle, attention in itertools.product(MIDDLE, ATTENTION)
    },
    "graph only": {**SHALLOW, "use_text": False, "use_middle_fusion": False},
    "without text as the encoder's empty text": {**SHALLOW, "no_text": "encode_empty"},
    **AS_ONNX,
}
#: Which crystals of a batch have a text; it makes no difference to how large they are.
TEXTS = {"one crystal of 200 atoms": ("all",), "1 and 200 atoms": ("some",)}


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
    eager, script = FlatNetwork(network), load_torchscript(folder / "network.pt")
    threads_tried = (1, 2) if (folder / "network.onnx").is_file() else ()
    sessions = {threads: session_of(folder, threads=threads) for threads in threads_tried}
    cases = [(case, text) for case in batches for text in TEXTS.get(case, ("all", "some", "none"))]
    for case, some_text in cases:
        graphs = batches[case]
        inputs = list(example_inputs(network.config, graphs, n_tokens=4, seed=len(graphs)))
        place = ins.index("has_text")
        if some_text != "some":
            inputs[place] = torch.full_like(inputs[place], fill_value=some_text == "all")
        with torch.no_grad():
            expected = [part.numpy() for part in eager(*inputs)]
            answers = {"TorchScript": [part.numpy() for part in script(*inputs)]}
        for threads, session in sessions.items():
            answers[f"ONNX Runtime, {threads} threads"] = session.run(list(outs), onnx_feeds(session, ins, inputs))
        for form, answer in answers.items():
            for name, one, other in zip(outs, answer, expected, strict=True):
                assert one.shape == other.shape, (form, case, name)
                assert np.isfinite(one).all(), (form, case, name)
                np.testing.assert_allclose(
                    one, other, rtol=0, atol=TOLERANCE, err_msg=f"{form}, {case}, text: {some_text}, {name}"
                )


def test_every_part_is_among_those_exported_to_onnx():
    with_text = [settings for settings in AS_ONNX.values() if settings.get("use_text", True)]
    assert {settings.get("late_fusion_type", "concat") for settings in with_text} == set(LATE_FUSION_TYPES)
    assert {
        (bool(settings.get("use_improved_middle_fusion")), attention)
        for settings in with_text
        for attention in ("use_cross_modal_attention", "use_fine_grained_attention")
        if settings["use_middle_fusion"] and settings.get(attention)
    } == set(itertools.product((False, True), ("use_cross_modal_attention", "use_fine_grained_attention")))


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
