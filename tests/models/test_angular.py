"""Angles without a line graph: products of moments are sums over pairs of bonds, whatever the axes and the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional

from hsegap.models import collate
from hsegap.models.angular import HARMONICS, AngularMoments, real_harmonics
from hsegap.models.checkpoint import infer_config
from hsegap.models.network import CrystalTextNetwork
from hsegap.structures import Crystal, build_graph
from support.networks import random_network, randomise

if TYPE_CHECKING:
    from hsegap.models.batch import GraphBatch

pytestmark = pytest.mark.usefixtures("one_thread")

CHANNELS = 3
ANGULAR = {
    "alignn_layers": 0,
    "gcn_layers": 2,
    "element_vectors": True,
    "bond_readout": True,
    "angular_channels": CHANNELS,
}
FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
ZINC_BLENDE = Crystal(5.41 * FCC, np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]]), np.array([30, 16]))


def legendre(cosine: torch.Tensor) -> list[torch.Tensor]:
    """P_1 to P_4 from the recurrence ``(l + 1) P_l+1 = (2l + 1) x P_l - l P_l-1``."""
    found = [torch.ones_like(cosine), cosine]
    for degree in range(1, 4):
        found.append(((2 * degree + 1) * cosine * found[-1] - degree * found[-2]) / (degree + 1))
    return found[1:]


def test_harmonics_obey_the_addition_theorem() -> None:
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 200, 3, generator=random, dtype=torch.float64)
    products = (real_harmonics(first) * real_harmonics(second)).split(HARMONICS, dim=1)
    for product, expected in zip(products, legendre(functional.cosine_similarity(first, second)), strict=True):
        torch.testing.assert_close(product.sum(dim=1), expected)


@torch.no_grad()
def test_atoms_and_bonds_are_told_sums_over_pairs_of_bonds() -> None:
    batch = collate([build_graph(ZINC_BLENDE, max_neighbors=8)])
    module = AngularMoments(6, CHANNELS).double().eval()
    randomise(module)
    told: dict[str, torch.Tensor] = {}
    for name in ("read_atom", "read_bond"):
        getattr(module, name).register_forward_pre_hook(lambda _, given, name=name: told.update({name: given[0]}))
    bonds = torch.randn(len(batch.src), 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    r = batch.r.double()
    module(torch.zeros(2, 6, dtype=torch.float64), bonds, real_harmonics(r), batch.edges()[0])

    unit, weights = r / r.norm(dim=1, keepdim=True), module.weigh(bonds)
    for atom in range(2):
        incoming = batch.dst == atom
        angles = legendre(unit[incoming] @ unit[incoming].T)
        pairs = [weights[incoming].T @ angle @ weights[incoming] / incoming.sum() ** 2 for angle in angles]
        torch.testing.assert_close(told["read_atom"][atom], torch.stack(pairs).flatten())
    for bond, start in enumerate(batch.src.tolist()):
        incoming = batch.dst == start
        angles = [angle @ weights[incoming] / incoming.sum() for angle in legendre(unit[bond] @ unit[incoming].T)]
        torch.testing.assert_close(told["read_bond"][bond], torch.cat(angles))


@torch.no_grad()
def answer(network: CrystalTextNetwork, batch: GraphBatch) -> float:
    return network(batch, torch.zeros(1, 1, network.config.text_features), None, torch.tensor([False])).gap.item()


def gap(network: CrystalTextNetwork, crystal: Crystal) -> float:
    return answer(network, collate([build_graph(crystal, max_neighbors=8)]))


def test_a_network_without_line_graphs_tells_angles_apart_and_minds_no_axes_or_cell() -> None:
    seeing = random_network(**ANGULAR)
    batch = collate([build_graph(ZINC_BLENDE, max_neighbors=8)])
    bent = batch.r.norm(dim=1, keepdim=True) * torch.tensor([1.0, 0.0, 0.0])  # as long as before, all in one direction
    blind = random_network(**{**ANGULAR, "angular_channels": 0})
    assert answer(blind, batch._replace(r=bent)) == pytest.approx(answer(blind, batch), abs=1e-6)
    assert abs(answer(seeing, batch._replace(r=bent)) - answer(seeing, batch)) > 1e-3
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = Crystal(ZINC_BLENDE.lattice @ turn, ZINC_BLENDE.frac_coords, ZINC_BLENDE.atomic_numbers)
    doubled = Crystal(
        ZINC_BLENDE.lattice * np.array([[2], [1], [1]]),
        np.concatenate([(ZINC_BLENDE.frac_coords + shift * np.eye(3)[0]) / [2, 1, 1] for shift in (0, 1)]),
        np.tile(ZINC_BLENDE.atomic_numbers, 2),
    )
    assert gap(seeing, turned) == pytest.approx(gap(seeing, ZINC_BLENDE), abs=1e-5)
    assert gap(seeing, doubled) == pytest.approx(gap(seeing, ZINC_BLENDE), abs=1e-5)


def test_it_begins_as_nothing() -> None:
    torch.manual_seed(0)
    plain = CrystalTextNetwork(random_network(**{**ANGULAR, "angular_channels": 0}).config).eval()
    network = CrystalTextNetwork(random_network(**ANGULAR).config).eval()
    network.load_state_dict({**network.state_dict(), **plain.state_dict()})
    assert gap(network, ZINC_BLENDE) == gap(plain, ZINC_BLENDE)


def test_a_checkpoint_shows_whether_it_has_them() -> None:
    for channels in (0, CHANNELS):
        state = random_network(**{**ANGULAR, "angular_channels": channels}).state_dict()
        assert infer_config(state)["angular_channels"] == channels
