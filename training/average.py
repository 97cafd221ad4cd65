"""Averages of weights: along one run, and over several runs that started from the same weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from hsegap.models import CrystalTextNetwork


class WeightAverage:
    """Exponential moving average of a network's weights and batch statistics.

    The memory grows with the number of steps (as in Tarvainen and Valpola, "Mean teachers", 2017), so that the random
    start is soon forgotten.

    Args:
        network: To follow.
        decay: Weight of the past at each step, once many have been taken.
    """

    def __init__(self, network: CrystalTextNetwork, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, network: CrystalTextNetwork) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        own, new = self.network.state_dict(), network.state_dict()
        floating = [key for key, value in own.items() if value.is_floating_point()]
        torch._foreach_lerp_([own[key] for key in floating], [new[key] for key in floating], 1 - keep)
        for key in own.keys() - set(floating):
            own[key].copy_(new[key])

    def state_dict(self) -> dict[str, Any]:
        """Weights and step count, for the checkpoint."""
        return {"steps": self.steps, "model": self.network.state_dict()}

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Continue from a checkpoint."""
        self.steps = content["steps"]
        self.network.load_state_dict(content["model"])


def average_weights(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of the weights of networks of one shape, fine-tuned from the same start.

    A "model soup" (Wortsman et al. 2022).

    Args:
        states: State dictionaries with the same names and shapes.

    Raises:
        ValueError: If names or shapes differ, naming them.
    """
    first = states[0]
    for state in states[1:]:
        different = sorted(
            key
            for key in first.keys() | state.keys()
            if key not in first or key not in state or first[key].shape != state[key].shape
        )
        if different:
            raise ValueError(f"the networks differ in {', '.join(different[:5])}{' …' if len(different) > 5 else ''}")
    return {
        key: torch.stack([state[key].double() for state in states]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for key, value in first.items()
    }
