"""The whole network: missing text, no text at all, classification, links, order and size of batches."""

from __future__ import annotations

import pytest
import torch

from hsegap.models import CrystalTextNetwork, FusionConfig, collate
from support.networks import FULL_MIDDLE, random_network, some_batch, some_graphs, some_texts

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("fine", [False, True])
def test_a_missing_text_is_the_learned_vector_whatever_stands_in_its_place(fine):
    network = random_network(use_fine_grained_attention=fine, **FULL_MIDDLE)
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    has_text = torch.tensor([True, False, True, False, True])
    zeros, one = tokens.clone(), mask.clone()
    zeros[~has_text] = 0.0
    one[~has_text] = torch.tensor([1, 0, 0, 0, 0, 0])
    with torch.no_grad():
        given = network(batch, tokens, mask, has_text)
        marked = network(batch, zeros, one, has_text)
        explicit = network(batch, torch.where(has_text[:, None, None], tokens, network.no_text_vector), one)
        full = network(batch, tokens, mask)
    for name in ("gap", "gates", "importance", "text_share"):
        assert torch.equal(getattr(given, name), getattr(marked, name)), name
        torch.testing.assert_close(getattr(given, name), getattr(explicit, name))
    torch.testing.assert_close(given.gap[has_text], full.gap[has_text])
    assert (given.gap - full.gap)[~has_text].abs().min() > 1e-5


def test_the_learned_vector_learns_from_crystals_without_text_only():
    network = random_network(**FULL_MIDDLE).train()
    batch = some_batch(for_training=True)
    tokens, mask = some_texts(network.config)
    network(batch, tokens, mask, torch.ones(5, dtype=torch.bool)).gap.sum().backward()
    assert network.no_text_vector.grad is None or not network.no_text_vector.grad.any()
    network(batch, tokens, mask, torch.tensor([True, True, False, True, True])).gap.sum().backward()
    assert network.no_text_vector.grad.abs().max() > 0


def test_encode_empty_networks_read_the_tokens_they_are_given():
    network = random_network(no_text="encode_empty", **FULL_MIDDLE)
    assert not hasattr(network, "no_text_vector")
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        told = network(some_batch(), tokens, mask, torch.zeros(5, dtype=torch.bool))
        assert torch.equal(told.gap, network(some_batch(), tokens, mask).gap)


def test_graph_only_network():
    network = random_network(use_text=False)
    assert {key.split(".")[0] for key in network.state_dict()} == {
        "atom_embedding",
        "edge_embedding",
        "angle_embedding",
        "alignn_layers",
        "gcn_layers",
        "fc",
    }
    with torch.no_grad():
        output = network(some_batch())
    mean = torch.stack([output.graph_embedding[index] for index in range(5)])
    torch.testing.assert_close(output.gap, network.fc(mean).squeeze(1))
    assert output.modality_weights.tolist() == [[1.0, 0.0]] * 5
    assert (
        output.gates.shape
        == output.importance.shape
        == output.text_share.shape
        == (len(some_batch().atomic_numbers), 0)
    )


def test_graph_embedding_is_the_mean_over_the_crystals_atoms():
    network = random_network(use_text=False)
    seen = {}
    network.gcn_layers[-1].register_forward_hook(lambda _m, _i, out: seen.update(atoms=out[0]))
    batch = some_batch()
    with torch.no_grad():
        output = network(batch)
    for crystal in range(5):
        torch.testing.assert_close(
            output.graph_embedding[crystal], seen["atoms"][batch.atom_crystal == crystal].mean(0)
        )


def test_text_is_demanded_where_the_network_reads_it():
    with pytest.raises(ValueError, match="give tokens"):
        random_network()(some_batch())


def test_classification_answers_with_a_probability():
    number, probability = (
        random_network(late_fusion_type="gated"),
        random_network(late_fusion_type="gated", classification=True),
    )
    tokens, mask = some_texts(number.config)
    with torch.no_grad():
        raw, answer = number(some_batch(), tokens, mask).gap, probability(some_batch(), tokens, mask).gap
    torch.testing.assert_close(answer, torch.sigmoid(raw))


@pytest.mark.parametrize(
    ("link", "function"), [("identity", lambda x: x), ("log", torch.exp), ("logit", torch.sigmoid)]
)
def test_links(link, function):
    plain, linked = random_network(), random_network(link=link)
    tokens, mask = some_texts(plain.config)
    with torch.no_grad():
        torch.testing.assert_close(
            linked(some_batch(), tokens, mask).gap, function(plain(some_batch(), tokens, mask).gap)
        )


@pytest.mark.parametrize(
    "layers",
    [
        {"alignn_layers": 0, "use_middle_fusion": False},
        {"gcn_layers": 0},
        {"alignn_layers": 1, "middle_fusion_layers": "0"},
    ],
)
def test_few_layers(layers):
    network = random_network(**{**FULL_MIDDLE, **layers})
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        assert torch.isfinite(network(some_batch(), tokens, mask).gap).all()


@pytest.mark.parametrize("flavour", ["symmetric", "jarvis"])
def test_order_and_company_of_crystals_do_not_matter(flavour):
    network = random_network(graph_flavour=flavour, **FULL_MIDDLE)
    graphs = some_graphs(flavour=flavour)
    tokens, mask = some_texts(network.config)
    order = [3, 0, 4, 2, 1, 3]
    with torch.no_grad():
        straight = network(collate(graphs), tokens, mask).gap
        shuffled = network(collate([graphs[index] for index in order]), tokens[order], mask[order]).gap
    torch.testing.assert_close(shuffled, straight[order], atol=2e-6, rtol=1e-6)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        collate([])


def test_elements_to_the_end_of_the_table_have_features():
    network = CrystalTextNetwork(FusionConfig(use_text=False, alignn_layers=1, gcn_layers=1, hidden_features=8))
    table = network.element_features
    assert table.shape == (104, 92)
    assert "element_features" not in network.state_dict()
    assert table[1:101].any(dim=1).all()
    assert not torch.equal(table[6], table[14])
