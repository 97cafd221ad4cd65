"""Sums with a training plan are the table's sums, in value and in derivative."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.models.sums import EdgePlan, Edges, sum_at_dst, sum_rows, take_dst, take_src
from hsegap.structures.batch import incoming_table
from support.networks import FULL_MIDDLE, random_network, some_batch, some_texts

pytestmark = pytest.mark.usefixtures("one_thread")


def random_edges(seed, n_nodes=7, n_edges=20, *, planned):
    """Edges in no order; some nodes have none."""
    random = np.random.default_rng(seed)
    src, dst = random.integers(0, n_nodes, n_edges), random.integers(0, max(n_nodes - 2, 1), n_edges)
    plan = EdgePlan.build(src, dst, n_nodes) if planned else None
    return Edges(torch.from_numpy(src), torch.from_numpy(dst), torch.from_numpy(incoming_table(dst, n_nodes)), plan)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("planned", [False, True])
def test_taking_and_summing_rows(seed, planned):
    edges = random_edges(seed, planned=planned)
    nodes, values = torch.randn(7, 4), torch.randn(20, 4)
    wanted = torch.zeros(7, 4)
    for edge, node in enumerate(edges.dst.tolist()):
        wanted[node] += values[edge]
    torch.testing.assert_close(sum_at_dst(values, edges), wanted)
    assert torch.equal(take_src(nodes, edges), nodes[edges.src])
    assert torch.equal(take_dst(nodes, edges), nodes[edges.dst])


@pytest.mark.parametrize("planned", [False, True])
def test_derivatives_against_finite_differences(planned):
    edges = random_edges(1, planned=planned)
    nodes = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    values = torch.randn(20, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: take_src(x, edges), nodes)
    assert torch.autograd.gradcheck(lambda x: take_dst(x, edges), nodes)
    assert torch.autograd.gradcheck(lambda x: sum_at_dst(x, edges), values)


def test_nodes_without_edges_sum_to_zero():
    edges = Edges(
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.int64),
        torch.from_numpy(incoming_table(np.zeros(0, dtype=np.int64), 3)),
    )
    assert torch.equal(sum_at_dst(torch.zeros(0, 2), edges), torch.zeros(3, 2))
    assert torch.equal(sum_rows(torch.ones(2, 1), torch.tensor([[0, 1], [2, 2]])), torch.tensor([[2.0], [0.0]]))


def test_the_whole_network_has_the_same_gradients_with_and_without_plans():
    network = random_network(use_fine_grained_attention=True, middle_fusion_layers="0,2", **FULL_MIDDLE).double()
    tokens, mask = some_texts(network.config)
    gradients = []
    for planned in (False, True):
        batch = some_batch(for_training=planned)
        batch = batch._replace(r=batch.r.double())
        network.zero_grad()
        network(batch, tokens.double(), mask).gap.sum().backward()
        gradients.append(
            {
                name: parameter.grad.clone()
                for name, parameter in network.named_parameters()
                if parameter.grad is not None
            }
        )
    assert gradients[0].keys() == gradients[1].keys()
    assert len(gradients[0]) > 80
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-10, rtol=1e-8, msg=name)


def test_the_gradient_of_the_whole_network_against_finite_differences():
    network = random_network(
        hidden_features=4, embedding_features=3, alignn_layers=2, gcn_layers=1, middle_fusion_layers="1", **FULL_MIDDLE
    ).double()
    batch = some_batch(for_training=True)
    tokens, mask = (part.double() if part.is_floating_point() else part for part in some_texts(network.config))
    weight = network.alignn_layers[0].edge_update.src_gate.weight

    def gap(value):
        return torch.func.functional_call(
            network,
            {"alignn_layers.0.edge_update.src_gate.weight": value},
            (batch._replace(r=batch.r.double()), tokens, mask),
        ).gap

    assert torch.autograd.gradcheck(gap, weight.detach().clone().requires_grad_(), atol=1e-6)
