"""What an atom's bonds tell of it: pure elements in different structures are told apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.models import collate
from hsegap.models.checkpoint import infer_config
from hsegap.models.network import CrystalTextNetwork
from hsegap.structures import Crystal, build_graph
from support.networks import TOLD, random_network

pytestmark = pytest.mark.usefixtures("one_thread")

FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
CARBON = np.array([6, 6])
DIAMOND = Crystal(3.567 * FCC, np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]]), CARBON)
#: Two layers of graphite's honeycomb, one above the other.
HONEYCOMB = Crystal(
    np.array([[2.46, 0.0, 0.0], [-1.23, 2.1304, 0.0], [0.0, 0.0, 3.35]]),
    np.array([[1 / 3, 2 / 3, 0.0], [2 / 3, 1 / 3, 0.0]]),
    CARBON,
)


@torch.no_grad()
def gaps(network: CrystalTextNetwork) -> list[float]:
    config = network.config
    graphs = [
        build_graph(crystal, flavour=config.graph_flavour, cutoff=config.cutoff, max_neighbors=config.max_neighbors)
        for crystal in (DIAMOND, HONEYCOMB)
    ]
    tokens = torch.zeros(2, 1, config.text_features)
    return network(collate(graphs), tokens, None, torch.tensor([False, False])).gap.tolist()


def test_diamond_and_a_honeycomb_are_alike_without_it_and_differ_with_it() -> None:
    blind = gaps(random_network(**{**TOLD, "bond_readout": False}))
    seeing = gaps(random_network(**TOLD))
    assert blind[0] == pytest.approx(blind[1], abs=1e-3), "normalised sums over equal neighbours know no bonds"
    assert abs(seeing[0] - seeing[1]) > 0.01


def test_it_begins_as_nothing() -> None:
    torch.manual_seed(0)
    plain = CrystalTextNetwork(random_network(**{**TOLD, "bond_readout": False}).config).eval()
    network = CrystalTextNetwork(random_network(**TOLD).config).eval()
    network.load_state_dict({**network.state_dict(), **plain.state_dict()})
    assert gaps(network) == gaps(plain)


def test_a_checkpoint_shows_whether_it_has_it() -> None:
    for there in (True, False):
        assert infer_config(random_network(**{**TOLD, "bond_readout": there}).state_dict())["bond_readout"] is there
