"""Middle fusion: the description enters every atom between two ALIGNN layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from hsegap.models.config import FusionConfig


class MiddleFusionOutput(NamedTuple):
    """Result of one middle fusion.

    Attributes:
        atoms: ``[N, H]``.
        gate: Mean over the channels of the gate that was applied, ``[N]``.
        importance: ``[N, 1]`` with dynamic gating, ``[N, 0]`` without.
        text_share: ‖gate·t‖ / (‖node_scale·node‖ + ‖gate·t‖), ``[N]``.
    """

    atoms: Tensor
    gate: Tensor
    importance: Tensor
    text_share: Tensor


class MiddleFusionModule(nn.Module):
    """``LayerNorm(node + σ(Linear([node ; t])) · t)`` with ``t = text_scale · MLP(text)``.

    A scale that is not learned stays in the state dict as a buffer, as in the published checkpoints.
    """

    text_scale: Tensor

    def __init__(self, config: FusionConfig, text_width: int) -> None:
        super().__init__()
        width, hidden, dropout = config.hidden_features, config.middle_fusion_hidden_dim, config.middle_fusion_dropout
        if config.middle_fusion_use_learnable_scale:
            self.text_scale = nn.Parameter(torch.tensor(float(config.middle_fusion_initial_scale)))
        else:
            self.register_buffer("text_scale", torch.tensor(1.0))
        self.text_transform = nn.Sequential(
            nn.Linear(text_width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.gate_norm = nn.LayerNorm(2 * width) if config.middle_fusion_use_gate_norm else nn.Identity()
        self.gate = nn.Sequential(nn.Linear(2 * width, width), nn.Sigmoid())
        self.layer_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def modulate(self, atoms: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        """Change the gate by the atom's importance; here it has none (``[N, 0]``)."""
        return gate, atoms[:, :0]

    def scaled(self, atoms: Tensor) -> Tensor:
        """The residual's atoms."""
        return atoms

    def forward(self, atoms: Tensor, text: Tensor, atom_crystal: Tensor) -> MiddleFusionOutput:
        """Let text ``[B, text width]`` into atoms ``[N, H]``.

        ``atom_crystal`` ``[N]`` tells whose text an atom reads.
        """
        message = (self.text_scale * self.text_transform(text))[atom_crystal]
        gate = self.gate(self.gate_norm(torch.cat([atoms, message], dim=-1)))
        gate, importance = self.modulate(atoms, gate)
        residual, told = self.scaled(atoms), gate * message
        told_norm = told.norm(dim=-1)
        return MiddleFusionOutput(
            atoms=self.dropout(self.layer_norm(residual + told)),
            gate=gate.mean(dim=-1),
            importance=importance,
            text_share=told_norm / (residual.norm(dim=-1) + told_norm).clamp_min(1e-12),
        )


class ImprovedMiddleFusionModule(MiddleFusionModule):
    """Middle fusion with residual scaling and dynamic gating, each with a switch of its own.

    ``importance = σ(MLP(node))``; ``gate · (1 + importance · importance_modulation)``; ``node_scale · node + gate ·
    t``.
    """

    node_scale: Tensor

    def __init__(self, config: FusionConfig, text_width: int) -> None:
        super().__init__(config, text_width)
        if config.middle_fusion_use_residual_scaling:
            self.node_scale = nn.Parameter(torch.tensor(float(config.middle_fusion_initial_node_scale)))
        else:
            self.register_buffer("node_scale", torch.tensor(1.0))
        self.use_dynamic_gating = config.middle_fusion_use_dynamic_gating
        if self.use_dynamic_gating:
            width = config.hidden_features
            self.importance_modulation = nn.Parameter(torch.tensor(1.0))
            self.importance_predictor = nn.Sequential(
                nn.Linear(width, width // 2),
                nn.ReLU(),
                nn.Dropout(config.middle_fusion_dropout),
                nn.Linear(width // 2, 1),
                nn.Sigmoid(),
            )

    def modulate(self, atoms: Tensor, gate: Tensor) -> tuple[Tensor, Tensor]:
        """Important atoms let more text in."""
        if not self.use_dynamic_gating:
            return gate, atoms[:, :0]
        importance = self.importance_predictor(atoms)
        return gate * (1.0 + importance * self.importance_modulation), importance

    def scaled(self, atoms: Tensor) -> Tensor:
        """The residual's atoms, weighted."""
        return self.node_scale * atoms
