"""Attention of atoms to tokens: against a crystal-by-crystal formula, and masked tokens are really out of it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from hsegap.models import collate
from support.networks import FULL_MIDDLE, random_network, some_batch, some_graphs, some_texts

pytestmark = pytest.mark.usefixtures("one_thread")


def by_formula(state, heads, atoms, tokens, mask, *, projected):
    """One crystal: ``atoms`` [A, H], its real tokens only."""

    def linear(name, x):
        return F.linear(x, state[f"fine_grained_attention.{name}.weight"], state[f"fine_grained_attention.{name}.bias"])

    words = tokens[mask.bool()]
    a, w = (linear("node_proj_in", atoms), linear("token_proj_in", words)) if projected else (atoms, words)
    q, k, v = linear("a2t_query", a), linear("a2t_key", w), linear("a2t_value", w)
    parts = [
        torch.softmax(one @ other.T / one.shape[1] ** 0.5, dim=1) @ third
        for one, other, third in zip(q.chunk(heads, 1), k.chunk(heads, 1), v.chunk(heads, 1), strict=True)
    ]
    answer = atoms + linear("node_output", torch.cat(parts, dim=1))
    return F.layer_norm(
        answer,
        answer.shape[1:],
        state["fine_grained_attention.layer_norm_node.weight"],
        state["fine_grained_attention.layer_norm_node.bias"],
    )


@pytest.mark.parametrize("projected", [True, False])
def test_against_the_formula(projected):
    network = random_network(use_fine_grained_attention=True, fine_grained_use_projection=projected)
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    atoms = torch.randn(len(batch.atomic_numbers), 12, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        got = network.fine_grained_attention(atoms, tokens, mask, batch.atom_crystal, batch.crystal_atoms)
        for crystal in range(5):
            own = batch.atom_crystal == crystal
            wanted = by_formula(
                network.state_dict(), 4, atoms[own], tokens[crystal], mask[crystal], projected=projected
            )
            torch.testing.assert_close(got[own], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("middle", [{}, FULL_MIDDLE])
def test_masked_tokens_change_nothing(middle):
    network = random_network(use_fine_grained_attention=True, **middle)
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    changed = torch.where(mask[:, :, None].bool(), tokens, torch.full_like(tokens, 1e3))
    longer = torch.cat([tokens, torch.randn(5, 9, tokens.shape[2])], dim=1)
    longer_mask = torch.cat([mask, torch.zeros(5, 9, dtype=mask.dtype)], dim=1)
    with torch.no_grad():
        before, after, padded = (
            network(batch, tokens, mask),
            network(batch, changed, mask),
            network(batch, longer, longer_mask),
        )
    for name in ("gap", "gates", "importance", "text_share", "graph_embedding"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name
        torch.testing.assert_close(getattr(before, name), getattr(padded, name), atol=1e-6, rtol=0)


def test_real_tokens_change_the_gap_of_their_own_crystal_only():
    network = random_network(use_fine_grained_attention=True)
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    changed = tokens.clone()
    changed[4, 3] += 2.0  # a real token of the last crystal that is not the pooled one
    assert int(mask[4, 3]) == 1
    with torch.no_grad():
        before, after = network(batch, tokens, mask).gap, network(batch, changed, mask).gap
    torch.testing.assert_close(before[:4], after[:4], atol=1e-6, rtol=0)
    assert abs(float(before[4] - after[4])) > 1e-5


def test_bool_masks_and_a_missing_mask():
    network = random_network(use_fine_grained_attention=True)
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        assert torch.equal(network(batch, tokens, mask).gap, network(batch, tokens, mask.bool()).gap)
        assert torch.equal(network(batch, tokens).gap, network(batch, tokens, torch.ones_like(mask)).gap)


def test_single_crystals_give_what_the_batch_gives():
    network = random_network(use_fine_grained_attention=True, middle_fusion_layers="0,2", **FULL_MIDDLE)
    graphs = some_graphs()
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        together = network(collate(graphs), tokens, mask)
        first = 0
        for index, graph in enumerate(graphs):
            length = int(mask[index].sum())
            alone = network(collate([graph]), tokens[index : index + 1, :length], mask[index : index + 1, :length])
            atoms = slice(first, first + len(graph.atomic_numbers))
            first = atoms.stop
            torch.testing.assert_close(alone.gap[0], together.gap[index], atol=2e-6, rtol=1e-6)
            for name in ("gates", "importance", "text_share"):
                torch.testing.assert_close(getattr(alone, name), getattr(together, name)[atoms], atol=2e-6, rtol=1e-6)
