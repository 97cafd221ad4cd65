"""What training changes about a batch at random."""

from __future__ import annotations

import pytest
import torch

from hsegap.models import collate
from hsegap.structures import build_graph
from hsegap.training.augment import MOST_STRAIN, displaced, strained_pair
from support.small_data import textbook

pytestmark = pytest.mark.usefixtures("one_thread")


def test_displaced_atoms_take_their_bonds_along():
    graph = collate([build_graph(sample.crystal) for sample in textbook(3)], for_training=True)
    torch.manual_seed(1)
    moved = displaced(graph, 0.05)
    assert (moved.r - graph.r).abs().max() > 0.01
    own_image = graph.src == graph.dst
    assert own_image.any()
    assert torch.equal(moved.r[own_image], graph.r[own_image])
    # One shift for each atom explains the changes of all bonds.
    incidence = torch.zeros(len(graph.src), len(graph.atomic_numbers), dtype=torch.float64)
    rows = torch.arange(len(graph.src))
    incidence[rows, graph.dst] += 1
    incidence[rows, graph.src] -= 1
    change = (moved.r - graph.r).double()
    shift = torch.linalg.lstsq(incidence, change, driver="gelsd").solution
    assert torch.allclose(incidence @ shift, change, atol=1e-5)
    torch.manual_seed(1)
    assert torch.equal(displaced(graph, 0.05).r, moved.r)
    torch.manual_seed(2)
    assert not torch.equal(displaced(graph, 0.05).r, moved.r)


def test_a_pair_of_strained_lattices_lies_evenly_on_both_sides():
    graph = collate([build_graph(sample.crystal) for sample in textbook(3)], for_training=True)
    torch.manual_seed(1)
    larger, smaller, strain = strained_pair(graph)
    assert torch.allclose((larger.r + smaller.r) / 2, graph.r, atol=1e-6)
    share = larger.r.norm(dim=1) / graph.r.norm(dim=1) - 1
    of_crystal = [share[graph.atom_crystal[graph.src] == crystal] for crystal in range(3)]
    for each in of_crystal:
        assert torch.allclose(each, each[:1].expand_as(each), atol=1e-6), "one strain for a crystal"
        assert 0 < float(each[0]) <= MOST_STRAIN
    assert torch.allclose(strain, torch.stack([each[0] for each in of_crystal]), atol=1e-5)
    assert len({round(float(each[0]), 5) for each in of_crystal}) == 3
    assert torch.equal(larger.dst, graph.dst)
    turned = torch.nn.functional.cosine_similarity(larger.r, graph.r)
    assert torch.allclose(turned, torch.ones_like(turned), atol=1e-6)
