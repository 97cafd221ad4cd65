"""What the training loop minimises, against the formulas."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch

from hsegap.training.objective import STEEPEST, contrastive_loss, slope_loss, weighted_loss
from hsegap.training.options import options_from

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("values", "formula"),
    [
        ({"loss": "mse"}, lambda error: error**2),
        ({"loss": "mae"}, np.abs),
        (
            {"loss": "huber", "huber_delta": 0.5},
            lambda error: np.where(np.abs(error) < 0.5, error**2, np.abs(error) - 0.25),
        ),
        (
            {"classification": True, "classification_threshold": 1.0},
            None,
        ),
    ],
)
def test_losses(values, formula):
    """Against the formulas; the Huber loss is scaled so that it is the absolute error far out."""
    options = options_from(values)
    gap = torch.tensor([0.1, 0.6, 0.9]) if formula is None else torch.tensor([0.1, 1.4, 6.0])
    target, weight = torch.tensor([0.0, 1.5, 4.0]), torch.tensor([1.0, 0.5, 2.0])
    if formula is None:
        positive = target.numpy() > 1.0
        each = -np.where(positive, np.log(gap.numpy()), np.log(1 - gap.numpy()))
    else:
        each = formula((gap - target).numpy())
    assert float(weighted_loss(gap, target, weight, options)) == pytest.approx(
        float((each * weight.numpy()).sum() / 3.5), rel=1e-5
    )


class Gaps(NamedTuple):
    """The parts of an answer that a slope is taken of."""

    gap: torch.Tensor
    pbe_gap: torch.Tensor


def gaps(*values, pbe=None):
    return Gaps(torch.tensor(values), torch.tensor([] if pbe is None else pbe))


def test_a_slope_costs_what_no_deformation_potential_reaches():
    """0.3 eV per percent are free on either side; half an electronvolt beyond that costs as the smooth error says."""
    options = options_from({"huber_delta": 0.5, "censored": True})
    strain = torch.tensor([0.01, 0.02])
    assert pytest.approx(0.3 / 0.01) == STEEPEST
    assert float(slope_loss(gaps(1.0, 3.0), gaps(1.6, 1.8), strain, options)) == pytest.approx(0.0, abs=1e-6)
    # 1.1 eV over 2 % of the lattice: 0.5 eV too many, half of them squared; of two crystals.
    assert float(slope_loss(gaps(1.0, 3.0), gaps(2.1, 3.0), strain, options)) == pytest.approx(0.25 / 2, rel=1e-5)
    told = slope_loss(gaps(1.0, 3.0, pbe=[0.0, 0.5]), gaps(1.0, 3.0, pbe=[1.1, 0.5]), strain, options)
    assert float(told) == pytest.approx(0.25 / 2, rel=1e-5), "the PBE gap's slope counts as well"


def test_how_metallic_a_metal_is_has_no_slope():
    strain = torch.tensor([0.01])
    first, second = gaps(-2.0), gaps(-0.1)
    assert float(slope_loss(first, second, strain, options_from({"censored": True}))) == 0.0
    assert float(slope_loss(first, second, strain, options_from({"censored": False}))) > 0.5


def contrastive_by_formula(graph, text, temperature):
    n = len(graph)
    total = 0.0
    for i in range(n):
        to_texts = (
            np.array([np.dot(graph[i], text[j]) / np.linalg.norm(graph[i]) / np.linalg.norm(text[j]) for j in range(n)])
            / temperature
        )
        to_graphs = (
            np.array([np.dot(graph[j], text[i]) / np.linalg.norm(graph[j]) / np.linalg.norm(text[i]) for j in range(n)])
            / temperature
        )
        total += -to_texts[i] + np.log(np.exp(to_texts).sum()) - to_graphs[i] + np.log(np.exp(to_graphs).sum())
    return total / (2 * n)


def test_contrastive_loss():
    from hsegap.models import NetworkOutput

    random = torch.Generator().manual_seed(0)
    graph, text = torch.randn(6, 64, generator=random, requires_grad=True), torch.randn(6, 64, generator=random)
    output = NetworkOutput(torch.zeros(6), *[torch.zeros(0)] * 5, graph, text, *[torch.zeros(0)] * 7)
    every = torch.ones(6, dtype=torch.bool)
    loss = contrastive_loss(output, every, 0.1)
    assert float(loss.detach()) == pytest.approx(
        contrastive_by_formula(graph.detach().numpy(), text.numpy(), 0.1), rel=1e-5
    )
    some = torch.tensor([True, False, True, True, False, True])
    loss = contrastive_loss(output, some, 0.2)
    assert float(loss.detach()) == pytest.approx(
        contrastive_by_formula(graph.detach().numpy()[some], text.numpy()[some], 0.2), rel=1e-5
    )
    loss.backward()
    assert not graph.grad[~some].any(), "crystals without text take no part"
    lonely = contrastive_loss(output, torch.tensor([True] + [False] * 5), 0.1)
    assert float(lonely) == 0.0
