"""What a formula tells each atom: the same for every atom of an element, whatever the lattice, and nothing at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from hsegap.models import collate
from hsegap.models.checkpoint import infer_config
from hsegap.models.elements import element_features
from hsegap.models.network import CrystalTextNetwork
from hsegap.structures import Crystal, build_graph
from support.networks import TOLD, random_network

if TYPE_CHECKING:
    from hsegap.models.batch import GraphBatch

pytestmark = pytest.mark.usefixtures("one_thread")

ELEMENTS = torch.from_numpy(element_features().copy())
FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
ROCK_SALT = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]])


def rock_salt(lattice: float, *numbers: int, cells: int = 1) -> Crystal:
    """A cubic AB crystal, its primitive cell repeated along the first axis."""
    repeated = np.concatenate([(ROCK_SALT + np.eye(3)[0] * shift) / [cells, 1, 1] for shift in range(cells)])
    return Crystal(lattice * FCC * np.array([[cells], [1], [1]]), repeated, np.tile(numbers, cells))


def batch_of(*crystals: Crystal) -> GraphBatch:
    return collate([build_graph(crystal, flavour="symmetric", cutoff=8.0, max_neighbors=8) for crystal in crystals])


@torch.no_grad()
def told(network: CrystalTextNetwork, *crystals: Crystal) -> torch.Tensor:
    batch = batch_of(*crystals)
    return network.composition(ELEMENTS[batch.atomic_numbers], batch)


def test_strain_supercell_and_neighbours_in_the_batch_change_nothing() -> None:
    network = random_network(**TOLD)
    alone = told(network, rock_salt(4.21, 12, 8))
    assert torch.equal(told(network, rock_salt(4.40, 12, 8)), alone)
    torch.testing.assert_close(told(network, rock_salt(4.21, 12, 8, cells=3)), alone.repeat(3, 1))
    torch.testing.assert_close(told(network, rock_salt(5.6, 11, 17), rock_salt(4.21, 12, 8))[2:], alone)


def test_another_element_anywhere_in_the_crystal_is_told_to_every_atom() -> None:
    network = random_network(**TOLD)
    oxide, sulfide = told(network, rock_salt(4.8, 20, 8)), told(network, rock_salt(4.8, 20, 16))
    assert (oxide[0] - sulfide[0]).abs().max() > 1e-3, "calcium has the same neighbours' places, another formula"


def test_it_begins_as_nothing() -> None:
    torch.manual_seed(0)
    plain = CrystalTextNetwork(random_network(**{**TOLD, "composition": False}).config).eval()
    network = CrystalTextNetwork(random_network(**TOLD).config).eval()
    network.load_state_dict({**network.state_dict(), **plain.state_dict()})
    batch, tokens = batch_of(rock_salt(4.21, 12, 8)), torch.zeros(1, 1, plain.config.text_features)
    with torch.no_grad():
        answers = [each(batch, tokens, None, torch.tensor([False])).gap.item() for each in (plain, network)]
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)


def test_a_checkpoint_shows_whether_it_has_it() -> None:
    for there in (True, False):
        assert infer_config(random_network(**{**TOLD, "composition": there}).state_dict())["composition"] is there
