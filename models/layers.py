"""Radial basis, embeddings and the edge-gated convolutions of ALIGNN (Choudhary & DeCost, npj Comput. Mater. 7, 185 (2021))."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sum_incoming(values: Tensor, table: Tensor) -> Tensor:
    """Sum the rows that end at each node.

    Gathering from a table of incoming edges instead of scattering: ONNX Runtime's ScatterND races on the CPU.

    Args:
        values: ``[edges, features]``.
        table: ``[nodes, largest in-degree]`` int64, padded with ``edges``.

    Returns:
        ``[nodes, features]``.
    """
    padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
    return padded[table].sum(dim=1)


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

    def forward(self, nodes: Tensor, edges: Tensor, src: Tensor, dst: Tensor, incoming: Tensor) -> tuple[Tensor, Tensor]:
        """One convolution.

        Args:
            nodes: ``[nodes, H]``.
            edges: ``[edges, H]``.
            src: Node each edge starts from, ``[edges]``.
            dst: Node it ends at, ``[edges]``.
            incoming: Table of incoming edges, ``[nodes, largest in-degree]``.

        Returns:
            Updated nodes and edges, same shapes.
        """
        message = self.src_gate(nodes)[src] + self.dst_gate(nodes)[dst] + self.edge_gate(edges)
        weight = torch.sigmoid(message)
        weighted = weight * self.dst_update(nodes)[src]
        gathered = sum_incoming(weighted, incoming) / (sum_incoming(weight, incoming) + 1e-6)
        new_nodes = self.activation(self.bn_nodes(self.src_update(nodes) + gathered))
        new_edges = self.activation(self.bn_edges(message))
        return nodes + self.dropout(new_nodes), edges + self.dropout(new_edges)


class AlignnConvolution(nn.Module):
    """A convolution on the crystal graph, then one on the line graph, whose nodes are the updated bonds."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.node_update = EdgeGatedConvolution(width, dropout)
        self.edge_update = EdgeGatedConvolution(width, dropout)

    def forward(
        self,
        atoms: Tensor,
        bonds: Tensor,
        angles: Tensor,
        src: Tensor,
        dst: Tensor,
        line_src: Tensor,
        line_dst: Tensor,
        atom_incoming: Tensor,
        bond_incoming: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Update atoms ``[N, H]``, bonds ``[E, H]`` and angles ``[T, H]``."""
        atoms, bonds = self.node_update(atoms, bonds, src, dst, atom_incoming)
        bonds, angles = self.edge_update(bonds, angles, line_src, line_dst, bond_incoming)
        return atoms, bonds, angles


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
