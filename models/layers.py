"""Radial basis, embeddings and the edge-gated convolutions of ALIGNN.

Choudhary & DeCost, npj Comput. Mater. 7, 185 (2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hsegap.models.sums import sum_at_dst, take_dst, take_src

if TYPE_CHECKING:
    from hsegap.models.sums import Edges


class RadialBasis(nn.Module):
    """Gaussians on evenly spaced centres, γ = 1 / spacing."""

    centers: Tensor

    def __init__(self, low: float, high: float, bins: int) -> None:
        super().__init__()
        self.gamma = (bins - 1) / (high - low)
        self.register_buffer("centers", torch.linspace(low, high, bins))

    def forward(self, distance: Tensor) -> Tensor:
        """Expand ``[n]`` to ``[n, bins]``."""
        return torch.exp(-self.gamma * (distance.unsqueeze(1) - self.centers) ** 2)


class EmbeddingLayer(nn.Module):
    """Linear, BatchNorm, SiLU."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(in_features, out_features), nn.BatchNorm1d(out_features), nn.SiLU())

    def forward(self, x: Tensor) -> Tensor:
        """``[n, in_features]`` to ``[n, out_features]``."""
        return self.layer(x)


def edge_weight(message: Tensor) -> Tensor:
    """σ(message), with all its digits where it is tiny.

    The weights of a node's edges are divided by their sum + 1e-6, so that relative digits count even at 1e-12. ONNX
    Runtime's Sigmoid is only right to about 1e-8 in absolute terms (a trained network's vector of a copper atom came
    out wrong by 2e-2); the exported network therefore spells it out. In training the spelled-out form would make
    not-a-number gradients where the exponential overflows.
    """
    if torch.compiler.is_exporting():
        return 1.0 / (1.0 + torch.exp(-message))
    return torch.sigmoid(message)


class EdgeGatedConvolution(nn.Module):
    """Edge-gated graph convolution with residual connections on nodes and edges.

    For an edge u→v: ``m = src_gate(h_u) + dst_gate(h_v) + edge_gate(e)``; messages are summed at the **destination**
    v, weighted by σ(m) and normalised by the sum of the weights.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.src_gate = nn.Linear(width, width)
        self.dst_gate = nn.Linear(width, width)
        self.edge_gate = nn.Linear(width, width)
        self.bn_edges = nn.BatchNorm1d(width)
        self.src_update = nn.Linear(width, width)
        self.dst_update = nn.Linear(width, width)
        self.bn_nodes = nn.BatchNorm1d(width)
        self.activation = nn.SiLU()
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, nodes: Tensor, features: Tensor, edges: Edges, *, update_edges: bool = True
    ) -> tuple[Tensor, Tensor]:
        """One convolution.

        Args:
            nodes: ``[nodes, H]``.
            features: Of the edges, ``[edges, H]``.
            edges: Where the edges start and end.
            update_edges: False where nobody reads the edges' features afterwards: they come back as they were.

        Returns:
            Updated nodes and edge features, same shapes.
        """
        message = (
            take_src(self.src_gate(nodes), edges) + take_dst(self.dst_gate(nodes), edges) + self.edge_gate(features)
        )
        weight = edge_weight(message)
        weighted = weight * take_src(self.dst_update(nodes), edges)
        gathered = sum_at_dst(weighted, edges) / (sum_at_dst(weight, edges) + 1e-6)
        new_nodes = nodes + self.dropout(self.activation(self.bn_nodes(self.src_update(nodes) + gathered)))
        if not update_edges:
            return new_nodes, features
        return new_nodes, features + self.dropout(self.activation(self.bn_edges(message)))


class AlignnConvolution(nn.Module):
    """A convolution on the crystal graph, then one on the line graph, whose nodes are the updated bonds.

    A line graph has a dozen edges for every bond, so that nearly all of a network's work is done there. With
    ``line_width`` below ``width`` the bonds are projected down for it and the result is added to them, projected up.

    Args:
        width: H, of atoms and bonds.
        dropout: In both convolutions.
        line_width: Of the line graph's convolution and of the angles; default H, as published.
    """

    def __init__(self, width: int, dropout: float = 0.0, line_width: int | None = None) -> None:
        super().__init__()
        line_width = line_width or width
        self.node_update = EdgeGatedConvolution(width, dropout)
        self.narrow = line_width != width
        # A narrow line graph is regularised by its width; drawing random numbers for all its edges would take a fifth
        # of a step.
        self.edge_update = EdgeGatedConvolution(line_width, 0.0 if self.narrow else dropout)
        if self.narrow:
            self.bond_down = nn.Linear(width, line_width)
            self.bond_up = nn.Linear(line_width, width)

    def forward(
        self,
        atoms: Tensor,
        bonds: Tensor,
        angles: Tensor,
        graph: Edges,
        line_graph: Edges,
        *,
        update_angles: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update atoms ``[N, H]``, bonds ``[E, H]`` and angles ``[T, line width]``."""
        atoms, bonds = self.node_update(atoms, bonds, graph)
        if not self.narrow:
            bonds, angles = self.edge_update(bonds, angles, line_graph, update_edges=update_angles)
            return atoms, bonds, angles
        turned, angles = self.edge_update(self.bond_down(bonds), angles, line_graph, update_edges=update_angles)
        return atoms, bonds + self.bond_up(turned), angles


class BondReadout(nn.Module):
    """What an atom's bonds tell of it: a small network reads each bond, and their mean is added to the atom.

    It begins as nothing, so that a trained network goes on from where it was.

    Args:
        width: H, of atoms and bonds.
        hidden: Width of what is read of a bond.
    """

    def __init__(self, width: int, hidden: int = 64) -> None:
        super().__init__()
        self.read = nn.Linear(width, hidden)
        self.activation = nn.SiLU()
        self.write = nn.Linear(hidden, width)
        nn.init.zeros_(self.write.weight)
        nn.init.zeros_(self.write.bias)

    def forward(self, atoms: Tensor, bonds: Tensor, edges: Edges) -> Tensor:
        """Atoms ``[N, H]`` with what their bonds ``[E, H]`` tell."""
        told = self.activation(self.read(bonds))
        count = sum_at_dst(torch.ones_like(told[:, :1]), edges)
        return atoms + self.write(sum_at_dst(told, edges) / count.clamp(min=1.0))


class ProjectionHead(nn.Module):
    """Linear, GELU, Linear, Dropout, plus the first Linear's output, LayerNorm."""

    def __init__(self, in_features: int, out_features: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.projection = nn.Linear(in_features, out_features)
        self.gelu = nn.GELU()
        self.fc = nn.Linear(out_features, out_features)
        self.dropout = nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(out_features)

    def forward(self, x: Tensor) -> Tensor:
        """``[n, in_features]`` to ``[n, out_features]``."""
        projected = self.projection(x)
        return self.layer_norm(self.dropout(self.fc(self.gelu(projected))) + projected)
