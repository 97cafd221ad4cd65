"""One suite for every form and configuration: eager = TorchScript = ONNX Runtime, on sizes the export has not seen.

Late fusion, middle fusion and attention in every combination as TorchScript, text on and off within each batch, batches
of 1, 2 and 32, crystals of 1 to 200 atoms mixed, one and two threads. Networks are narrow and shallow: what differs
between configurations is their operations, not their width. An export to ONNX takes seconds: it is made for each late
fusion and for each pair of a middle fusion and an attention, which act one after the other.
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
from support.exported_forms import export_forms, session_of
from support.networks import FULL_MIDDLE, TOLD, random_network

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-4
SMALL = {
    "alignn_layers": 1,
    "gcn_layers": 1,
    "hidden_features": 8,
    "embedding_features": 6,
    "middle_fusion_layers": "0",
    "use_middle_fusion": True,
}
MIDDLE = {"plain": {}, "improved": FULL_MIDDLE}
ATTENTION = {"cross-modal": {"use_cross_modal_attention": True}, "fine-grained": {"use_fine_grained_attention": True}}
CONFIGURATIONS = {
    f"{late}, {middle}, {attention}": {**SMALL, "late_fusion_type": late, **MIDDLE[middle], **ATTENTION[attention]}
    for late in LATE_FUSION_TYPES
    for middle, attention in itertools.product(MIDDLE, ATTENTION)
}
AS_ONNX = [
    f"{late}, {middle}, {attention}"
    for late, (middle, attention) in zip(
        LATE_FUSION_TYPES, itertools.cycle(itertools.product(MIDDLE, ATTENTION)), strict=False
    )
]
AS_ONNX += ["facts and a PBE head", "facts, free head, fused twice"]
CONFIGURATIONS["graph only"] = {**SMALL, "use_text": False, "use_middle_fusion": False}
CONFIGURATIONS["facts and a PBE head"] = {**SMALL, **TOLD}
CONFIGURATIONS["facts, free head, fused twice"] = {**SMALL, **TOLD, "pbe_head": "free", "middle_fusion_layers": "0"}
CONFIGURATIONS["without text as the encoder's empty text"] = {**SMALL, "no_text": "encode_empty"}


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
    return export_forms(tmp_path_factory.mktemp("parity"), CONFIGURATIONS[request.param], onnx=request.param in AS_ONNX)


def test_every_form_gives_the_same(forms, batches):
    network, folder = forms
    ins, outs = input_names(network.config), output_names(network.config)
    eager, script = FlatNetwork(network), load_torchscript(folder / "network.pt")
    threads_tried = (1, 2) if (folder / "network.onnx").is_file() else ()
    sessions = {threads: session_of(folder, threads=threads) for threads in threads_tried}
    for (case, graphs), some_text in itertools.product(batches.items(), ("all", "some", "none")):
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
    assert set(AS_ONNX) <= set(CONFIGURATIONS)
    exported = [name.split(", ") for name in AS_ONNX]
    assert {late for late, *_ in exported} >= set(LATE_FUSION_TYPES)
    assert {tuple(rest) for _, *rest in exported} >= set(itertools.product(MIDDLE, ATTENTION))


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
