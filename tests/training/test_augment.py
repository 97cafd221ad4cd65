"""What training changes about a batch at random."""

from __future__ import annotations

import pytest
import torch

from hsegap.models import collate
from hsegap.structures import build_graph
from hsegap.training.augment import displaced
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
