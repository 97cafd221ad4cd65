"""Late fusion: one graph vector and one text vector become the vector that the gap is read from.

Every module returns the fused vector and the weights ``[B, 2]`` (graph, text) of the two modalities, which sum to
one. Only ``gated`` has weights of its own. For ``concat`` and ``adaptive`` they are the shares of the norms of the two
sides' additive contributions. ``bilinear`` and ``tucker`` are products, to which both sides belong equally.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hsegap.models.config import PROJECTION_WIDTH

if TYPE_CHECKING:
    from hsegap.models.config import FusionConfig


def _shares(graph: Tensor, text: Tensor) -> Tensor:
    """Norm shares of two contributions ``[B, n]``, ``[B, 2]``."""
    norms = torch.stack([graph.norm(dim=-1), text.norm(dim=-1)], dim=-1)
    return norms / norms.sum(dim=-1, keepdim=True).clamp_min(1e-12)


def _halves(graph: Tensor) -> Tensor:
    return torch.full_like(graph[:, :2], 0.5)


class GatedFusion(nn.Module):
    """Scalar sigmoid gates of both sides, normalised to sum one, weigh the two transformed vectors."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        width, out, dropout = PROJECTION_WIDTH, config.late_fusion_output_dim, config.cross_modal_dropout
        self.gate_graph = self._gate(width, dropout)
        self.gate_text = self._gate(width, dropout)
        self.graph_transform = nn.Linear(width, out)
        self.text_transform = nn.Linear(width, out)
        self.fusion_transform = nn.Sequential(nn.Linear(out, out), nn.LayerNorm(out), nn.ReLU(), nn.Dropout(dropout))

    @staticmethod
    def _gate(width: int, dropout: float) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(width, width // 2), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width // 2, 1), nn.Sigmoid()
        )

    def forward(self, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 64]`` twice to ``[B, out]`` and the weights ``[B, 2]``."""
        gates = torch.cat([self.gate_graph(graph), self.gate_text(text)], dim=-1)
        weights = gates / (gates.sum(dim=-1, keepdim=True) + 1e-8)
        mixed = weights[:, :1] * self.graph_transform(graph) + weights[:, 1:] * self.text_transform(text)
        return self.fusion_transform(mixed), weights


class BilinearFusion(nn.Module):
    """Low-rank bilinear pooling: Σ_rank U(g) ⊙ V(t), LayerNorm, Dropout."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.rank, out = config.late_fusion_rank, config.late_fusion_output_dim
        self.graph_proj = nn.Linear(PROJECTION_WIDTH, self.rank * out, bias=False)
        self.text_proj = nn.Linear(PROJECTION_WIDTH, self.rank * out, bias=False)
        self.layer_norm = nn.LayerNorm(out)
        self.dropout = nn.Dropout(config.cross_modal_dropout)

    def forward(self, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 64]`` twice to ``[B, out]`` and the weights ``[B, 2]``."""
        product = self.graph_proj(graph) * self.text_proj(text)
        return self.dropout(self.layer_norm(product.unflatten(1, (self.rank, -1)).sum(dim=1))), _halves(graph)


class AdaptiveFusion(nn.Module):
    """A softmax-weighted mix of sum, product and gated mean of the aligned vectors."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        out, dropout = config.late_fusion_output_dim, config.cross_modal_dropout
        self.graph_align = nn.Linear(PROJECTION_WIDTH, out)
        self.text_align = nn.Linear(PROJECTION_WIDTH, out)
        self.fusion_selector = nn.Sequential(
            nn.Linear(2 * out, out), nn.ReLU(), nn.Dropout(dropout), nn.Linear(out, 3), nn.Softmax(dim=-1)
        )
        self.gate_net = nn.Sequential(nn.Linear(2 * out, out), nn.Sigmoid())
        self.layer_norm = nn.LayerNorm(out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 64]`` twice to ``[B, out]`` and the weights ``[B, 2]``."""
        g, t = self.graph_align(graph), self.text_align(text)
        both = torch.cat([g, t], dim=-1)
        mix = self.fusion_selector(both)
        of_sum, of_product, of_gate = mix[:, 0:1], mix[:, 1:2], mix[:, 2:3]
        gate = self.gate_net(both)
        from_graph, from_text, product = (
            (of_sum + of_gate * gate) * g,
            (of_sum + of_gate * (1 - gate)) * t,
            of_product * g * t,
        )
        fused = self.dropout(self.layer_norm(from_graph + from_text + product))
        return fused, _shares(from_graph, from_text)


class TuckerFusion(nn.Module):
    """Linear(vec(W_g g ⊗ W_t t)), graph index major, LayerNorm, Dropout."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        rank, out = config.late_fusion_rank, config.late_fusion_output_dim
        self.graph_factor = nn.Linear(PROJECTION_WIDTH, rank, bias=False)
        self.text_factor = nn.Linear(PROJECTION_WIDTH, rank, bias=False)
        self.core_factor = nn.Linear(rank * rank, out)
        self.layer_norm = nn.LayerNorm(out)
        self.dropout = nn.Dropout(config.cross_modal_dropout)

    def forward(self, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, 64]`` twice to ``[B, out]`` and the weights ``[B, 2]``."""
        outer = self.graph_factor(graph).unsqueeze(2) * self.text_factor(text).unsqueeze(1)
        return self.dropout(self.layer_norm(self.core_factor(outer.flatten(1)))), _halves(graph)


FUSION_MODULES: dict[str, type[nn.Module]] = {
    "gated": GatedFusion,
    "bilinear": BilinearFusion,
    "adaptive": AdaptiveFusion,
    "tucker": TuckerFusion,
}


def concat_fusion(fc1: nn.Linear, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """ReLU(fc1([g ; t])) and the norm shares of the two halves of ``fc1`` (which the network owns, as published)."""
    width = graph.shape[1]
    from_graph = graph @ fc1.weight[:, :width].T
    from_text = text @ fc1.weight[:, width:].T
    return torch.relu(from_graph + from_text + fc1.bias), _shares(from_graph, from_text)
