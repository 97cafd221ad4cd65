"""Known facts about a crystal as a vector beside the text's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hsegap.models.layers import RadialBasis

if TYPE_CHECKING:
    from hsegap.models.config import FusionConfig

#: Range of the radial basis of a gap, eV. Larger values keep the last centre's neighbourhood and the plain number.
HIGHEST_GAP = 12.0


class FactEmbedding(nn.Module):
    """Facts ``[B, F]`` to one vector ``[B, out]``, exactly zero where none is known.

    A fact is its value on a radial basis, the plain value, and whether it is exactly zero (no gap at all is another
    statement than a small one). Each fact has a small network of its own; their vectors are added.
    """

    def __init__(self, config: FusionConfig, out_features: int) -> None:
        super().__init__()
        self.basis = RadialBasis(0.0, HIGHEST_GAP, config.fact_centres)
        self.embeddings = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(config.fact_centres + 2, out_features), nn.SiLU(), nn.Linear(out_features, out_features)
                )
                for name in config.facts
            }
        )

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """Embed.

        Args:
            values: ``[B, F]`` float32, eV; anything where unknown.
            known: ``[B, F]`` bool.

        Returns:
            ``[B, out]``.
        """
        present = known.to(values.dtype)
        values = values * present
        total: Tensor | None = None
        for column, embedding in enumerate(self.embeddings.values()):
            value = values[:, column]
            zero = (value == 0.0).to(values.dtype)
            described = torch.cat([self.basis(value.clamp(0.0, HIGHEST_GAP)), value[:, None], zero[:, None]], dim=1)
            vector = embedding(described) * present[:, column : column + 1]
            total = vector if total is None else total + vector
        assert total is not None  # noqa: S101 - a network without facts has no such module
        return total
