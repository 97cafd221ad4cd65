"""The five late fusions and cross-modal attention against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from hsegap.models.config import LATE_FUSION_TYPES
from support.networks import random_network, some_batch, some_texts

pytestmark = pytest.mark.usefixtures("one_thread")


def pair(seed=2, n=4):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(n, 64, generator=random), torch.randn(n, 64, generator=random)


class Weights:
    """Layers by name, from a state dict."""

    def __init__(self, network, prefix):
        self.state, self.prefix = network.state_dict(), prefix

    def linear(self, name, x):
        return F.linear(x, self.state[f"{self.prefix}{name}.weight"], self.state.get(f"{self.prefix}{name}.bias"))

    def norm(self, name, x):
        return F.layer_norm(
            x, x.shape[-1:], self.state[f"{self.prefix}{name}.weight"], self.state[f"{self.prefix}{name}.bias"]
        )


def gated(w, g, t):
    def gate(name, x):
        return torch.sigmoid(w.linear(f"{name}.3", torch.relu(w.linear(f"{name}.0", x))))

    of_graph, of_text = gate("gate_graph", g), gate("gate_text", t)
    total = of_graph + of_text
    mixed = of_graph / total * w.linear("graph_transform", g) + of_text / total * w.linear("text_transform", t)
    weights = torch.cat([of_graph / total, of_text / total], dim=1)
    return torch.relu(w.norm("fusion_transform.1", w.linear("fusion_transform.0", mixed))), weights


def bilinear(w, g, t, rank=5):
    u, v = w.linear("graph_proj", g), w.linear("text_proj", t)
    out = u.shape[1] // rank
    total = sum(u[:, k * out : (k + 1) * out] * v[:, k * out : (k + 1) * out] for k in range(rank))
    return w.norm("layer_norm", total), torch.full((len(g), 2), 0.5)


def adaptive(w, g, t):
    a, b = w.linear("graph_align", g), w.linear("text_align", t)
    both = torch.cat([a, b], dim=1)
    mix = torch.softmax(w.linear("fusion_selector.3", torch.relu(w.linear("fusion_selector.0", both))), dim=1)
    s = torch.sigmoid(w.linear("gate_net.0", both))
    return w.norm("layer_norm", mix[:, :1] * (a + b) + mix[:, 1:2] * a * b + mix[:, 2:] * (s * a + (1 - s) * b)), None


def tucker(w, g, t):
    a, b = w.linear("graph_factor", g), w.linear("text_factor", t)
    outer = torch.stack([torch.outer(x, y).reshape(-1) for x, y in zip(a, b, strict=True)])
    return w.norm("layer_norm", w.linear("core_factor", outer)), torch.full((len(g), 2), 0.5)


def concat(w, g, t):
    return torch.relu(w.linear("fc1", torch.cat([g, t], dim=1))), None


FORMULAS = {"gated": gated, "bilinear": bilinear, "adaptive": adaptive, "tucker": tucker, "concat": concat}


def test_every_type_is_tested():
    assert set(FORMULAS) == set(LATE_FUSION_TYPES)


@pytest.mark.parametrize("kind", LATE_FUSION_TYPES)
def test_late_fusion_computes_its_formula(kind):
    network = random_network(late_fusion_type=kind)
    g, t = pair()
    wanted, weights = FORMULAS[kind](Weights(network, "" if kind == "concat" else "fusion_module."), g, t)
    with torch.no_grad():
        got, got_weights = network._late_fusion(g, t)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    assert got.shape[1] == (64 if kind == "concat" else network.config.late_fusion_output_dim)
    torch.testing.assert_close(got_weights.sum(dim=1), torch.ones(len(g)))
    if weights is not None:
        torch.testing.assert_close(got_weights, weights)


@pytest.mark.parametrize("kind", LATE_FUSION_TYPES)
@pytest.mark.parametrize("cross_modal", [False, True])
def test_the_whole_network_runs_with_every_late_fusion(kind, cross_modal):
    network = random_network(late_fusion_type=kind, use_cross_modal_attention=cross_modal)
    tokens, mask = some_texts(network.config)
    with torch.no_grad():
        output = network(some_batch(), tokens, mask)
        other = network(some_batch(), tokens + 1, mask)
    assert output.gap.shape == (5,)
    assert torch.isfinite(output.gap).all()
    assert (output.gap - other.gap).abs().min() > 1e-6, "the text doesn't reach the gap"
    assert output.modality_weights.shape == (5, 2)


def full_cross_attention(w, g, t, heads):
    """Multi-head attention written out, softmax over the single key included."""

    def attend(direction, asking, answering):
        q, k, v = (
            w.linear(f"{direction}_{role}", x).unflatten(1, (heads, -1))
            for role, x in (("query", asking), ("key", answering), ("value", answering))
        )
        score = (q * k).sum(dim=2, keepdim=True) / q.shape[2] ** 0.5
        return (torch.softmax(score, dim=2) * v).flatten(1)

    return (
        w.norm("layer_norm_graph", g + w.linear("graph_output", attend("g2t", g, t))),
        w.norm("layer_norm_text", t + w.linear("text_output", attend("t2g", t, g))),
    )


def test_cross_modal_attention_is_attention_from_the_original_vectors():
    network = random_network(use_cross_modal_attention=True)
    g, t = pair()
    with torch.no_grad():
        got = network.cross_modal_attention(g, t)
        wanted = full_cross_attention(
            Weights(network, "cross_modal_attention."), g, t, network.config.cross_modal_num_heads
        )
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_cross_modal_dropout_acts_on_whole_heads():
    network = random_network(use_cross_modal_attention=True, cross_modal_dropout=0.5)
    module = network.cross_modal_attention.train()
    value = torch.ones(200, 24)
    torch.manual_seed(0)
    heads = module._context(value).unflatten(1, (4, -1))
    assert torch.equal(heads.amin(dim=2), heads.amax(dim=2)), "a head is dropped whole or kept whole"
    assert set(heads.unique().tolist()) == {0.0, 2.0}
