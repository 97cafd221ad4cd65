"""What a network is told beside the structure: facts, their absence, the PBE gap's head,
and the answer with nothing told.
"""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from hsegap.models import FusionConfig
from hsegap.models.checkpoint import infer_config
from support.networks import FULL_MIDDLE, TOLD, random_network, some_batch, some_texts

pytestmark = pytest.mark.usefixtures("one_thread")

VALUES = torch.tensor([[1.1], [0.0], [7.3], [2.2], [0.4]])
KNOWN = torch.tensor([[True], [True], [True], [False], [False]])
HAS_TEXT = torch.tensor([True, False, True, False, True])


@pytest.fixture(scope="module")
def network():
    return random_network(**TOLD)


@torch.no_grad()
def answer(network, has_text=HAS_TEXT, values=VALUES, known=KNOWN, **options):
    tokens, mask = some_texts(network.config)
    return network(some_batch(), tokens, mask, has_text, values, known, **options)


def test_the_value_of_an_unknown_fact_is_not_read(network):
    one, other = answer(network), answer(network, values=torch.where(KNOWN, VALUES, 99.0))
    assert torch.equal(one.gap, other.gap)
    silent = answer(network, values=None, known=None)
    nothing = answer(network, known=torch.zeros_like(KNOWN))
    assert torch.equal(silent.gap, nothing.gap)


def test_a_known_fact_moves_its_crystal_and_no_other(network):
    one, other = answer(network), answer(network, values=VALUES + torch.tensor([[0.5], [0.0], [0.0], [0.0], [0.0]]))
    moved = (one.gap - other.gap).abs() > 1e-5
    assert moved.tolist() == [True, False, False, False, False]


def test_a_gap_of_zero_is_another_statement_than_none_and_than_a_tiny_one(network):
    zero, tiny, unknown = (
        answer(network, values=VALUES.clone().fill_(value), known=torch.full_like(KNOWN, fill_value=known)).gap
        for value, known in ((0.0, True), (1e-4, True), (0.0, False))
    )
    assert (zero - tiny).abs().min() > 1e-3
    assert (zero - unknown).abs().min() > 1e-3


def test_the_estimate_of_the_pbe_gap_comes_from_the_structure_alone(network):
    told, silent = answer(network), answer(network, has_text=torch.zeros_like(HAS_TEXT), values=None, known=None)
    assert told.pbe_gap.shape == (5,)
    assert torch.equal(told.pbe_gap, silent.pbe_gap)
    assert torch.equal(told.structure_atoms, silent.structure_atoms)
    assert ((told.gap - silent.gap).abs() > 1e-5).tolist() == [
        True,
        True,
        True,
        False,
        True,
    ]  # the fourth is told nothing


def test_the_answer_with_nothing_told_comes_from_the_same_run(network):
    silent = answer(network, has_text=torch.zeros_like(HAS_TEXT), values=None, known=None)
    told = answer(network, without=True)
    torch.testing.assert_close(told.gap_without, silent.gap)
    torch.testing.assert_close(told.embedding_without, silent.graph_embedding)
    assert torch.equal(told.gap, answer(network).gap)
    assert answer(network).gap_without.shape == (0,)


def test_the_gap_is_counted_from_the_stated_pbe_gap_or_the_estimate(network):
    """A head whose correction is silenced answers its base."""
    still = random_network(**TOLD)
    with torch.no_grad():
        still.fc.weight.zero_()
        still.fc.bias.zero_()
    output = answer(still)
    torch.testing.assert_close(output.gap, torch.where(KNOWN[:, 0], VALUES[:, 0], output.pbe_gap))
    free = random_network(**{**TOLD, "pbe_head": "free"})
    with torch.no_grad():
        free.fc.weight.zero_()
        free.fc.bias.zero_()
    assert not answer(free).gap.any()


def test_both_heads_and_the_facts_learn():
    network = random_network(**TOLD).train()
    tokens, mask = some_texts(network.config)
    output = network(some_batch(for_training=True), tokens, mask, HAS_TEXT, VALUES, KNOWN)
    (output.gap.sum() + output.pbe_gap.sum()).backward()
    for name in (
        "pbe_head.0.weight",
        "fact_embedding.embeddings.pbe_gap_ev.0.weight",
        "element_vectors.weight",
        "fc.weight",
    ):
        assert network.get_parameter(name).grad.abs().max() > 0, name


def test_fusion_layers_are_counted_through_both_kinds():
    config = FusionConfig(
        alignn_layers=2, gcn_layers=3, use_middle_fusion=True, middle_fusion_layers="1", middle_fusion_gcn_layers="0,2"
    )
    assert config.fusion_layers == (1, 2, 4)
    with pytest.raises(ValidationError, match="names layer 3, but the 3 GCN layers are numbered from 0"):
        FusionConfig(
            alignn_layers=2, gcn_layers=3, use_middle_fusion=True, middle_fusion_layers="", middle_fusion_gcn_layers="3"
        )
    with pytest.raises(ValidationError, match="facts are fused with the text's vector"):
        FusionConfig(use_text=False, facts=("pbe_gap_ev",))


def test_the_configuration_can_be_read_from_names_and_shapes(network):
    found = infer_config(network.state_dict())
    assert FusionConfig(**{**network.config.model_dump(), **found}) == network.config
    plain = infer_config(random_network(**FULL_MIDDLE, middle_fusion_layers="1").state_dict())
    assert (plain["facts"], plain["pbe_head"], plain.get("line_features"), plain["element_vectors"]) == (
        [],
        "none",
        None,
        False,
    )
