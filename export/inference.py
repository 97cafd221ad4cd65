"""The network rearranged for inference: the same numbers from fewer passes over memory.

A convolution on the line graph spends as long moving its ``[line edges, H]`` arrays as multiplying them, so that each
pass left out counts. What is rearranged, next to :class:`hsegap.models.layers.EdgeGatedConvolution`:

- The gates come out of the multiplication negated, so that σ(m) is ``1 / (exp(-m) + 1)`` without a pass for the sign.
- One additional edge, closed by adding infinity in place of that 1, stands where the tables of incoming edges are
  padded. Nothing is copied to append a row of zeros.
- Values are gathered along the table once, where they are summed, instead of along the edges and again along the table.
- The nodes' four projections are one multiplication; the nodes' BatchNorm is part of it; all gates' biases are added at
  the nodes.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from hsegap.export.flat import FlatNetwork
from hsegap.models.layers import AlignnConvolution, BondReadout, EdgeGatedConvolution, RadialBasis

if TYPE_CHECKING:
    from hsegap.models import CrystalTextNetwork, GraphBatch
    from hsegap.models.sums import Edges


class InferencePlan(NamedTuple):
    """Stands in :class:`hsegap.models.sums.Edges` where training has its plan.

    Attributes:
        src_table: Node that each entry of the table of incoming edges starts from, ``[nodes, largest in-degree]``.
        one: 1 for each edge, infinity for the last one, which stands for padding, ``[edges, 1]``.
    """

    src_table: Tensor
    one: Tensor


class FusedConvolution(nn.Module):
    """An edge-gated convolution in evaluation mode, its weights rearranged.

    Args:
        convolution: Where they come from; not changed.
    """

    projections: Tensor
    biases: Tensor
    edge_gate: Tensor

    def __init__(self, convolution: EdgeGatedConvolution) -> None:
        super().__init__()
        c: Any = convolution
        norm = c.bn_nodes
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        gate_bias = c.src_gate.bias + c.dst_gate.bias + c.edge_gate.bias
        update_bias = scale * (c.src_update.bias - norm.running_mean) + norm.bias
        parts = [
            -c.src_gate.weight,
            -c.dst_gate.weight,
            scale[:, None] * c.dst_update.weight,
            scale[:, None] * c.src_update.weight,
        ]
        biases = [torch.zeros_like(gate_bias), -gate_bias, scale * c.dst_update.bias, update_bias]
        self.width = len(scale)
        self.register_buffer("projections", torch.cat(parts).detach())
        self.register_buffer("biases", torch.cat(biases).detach())
        self.register_buffer("edge_gate", -c.edge_gate.weight.detach())
        self.bn_edges = copy.deepcopy(c.bn_edges).eval()
        with torch.no_grad():  # it sees negated messages
            self.bn_edges.running_mean.neg_()
            self.bn_edges.weight.neg_()

    def forward(
        self, nodes: Tensor, features: Tensor, edges: Edges, *, update_edges: bool = True
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`hsegap.models.layers.EdgeGatedConvolution.forward`; ``edges.plan`` is an :class:`InferencePlan`."""
        plan: Any = edges.plan
        projected = nn.functional.linear(nodes, self.projections, self.biases)
        source, destination, value, update = projected.split(self.width, dim=1)
        ends = source.index_select(0, edges.src) + destination.index_select(0, edges.dst)
        negated = nn.functional.linear(features, self.edge_gate) + ends
        weight = (1.0 / (torch.exp(negated) + plan.one))[edges.incoming]
        gathered = (weight * value[plan.src_table]).sum(dim=1) / (weight.sum(dim=1) + 1e-6)
        new_nodes = nodes + nn.functional.silu(update + gathered)
        if not update_edges:
            return new_nodes, features
        return new_nodes, features + nn.functional.silu(self.bn_edges(negated))


class TableReadout(nn.Module):
    """What an atom's bonds tell of it, gathered along the table of incoming edges.

    Args:
        readout: Where the weights come from.
    """

    def __init__(self, readout: BondReadout) -> None:
        super().__init__()
        self.read, self.write = readout.read, readout.write

    def forward(self, atoms: Tensor, bonds: Tensor, edges: Edges) -> Tensor:
        """As :meth:`hsegap.models.layers.BondReadout.forward`; ``edges.plan`` is an :class:`InferencePlan`."""
        plan: Any = edges.plan
        there = (1.0 / plan.one)[edges.incoming]
        told = nn.functional.silu(self.read(bonds))[edges.incoming]
        return atoms + self.write((there * told).sum(dim=1) / there.sum(dim=1).clamp(min=1.0))


class QuickBasis(nn.Module):
    """The radial basis without powers and without denormal numbers.

    On those a processor spends a hundred times as long.

    Gaussians below e^-60 are held there: nothing that is added to them could tell.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, basis: RadialBasis) -> None:
        super().__init__()
        scale = basis.gamma**0.5
        self.register_buffer("scale", torch.full((1, len(basis.centers)), scale))
        self.register_buffer("offset", -scale * basis.centers)

    def forward(self, distance: Tensor) -> Tensor:
        """Expand ``[n]`` to ``[n, bins]``."""
        x = torch.addmm(self.offset, distance[:, None], self.scale)
        return torch.exp(-torch.clamp_max(x * x, 60.0))


class InferenceNetwork(FlatNetwork):
    """What becomes ``network.onnx``.

    Args:
        network: Its weights are copied.
    """

    def __init__(self, network: CrystalTextNetwork) -> None:
        super().__init__(copy.deepcopy(network).eval())
        for embedding in (self.network.edge_embedding, self.network.angle_embedding):
            embedding[0] = QuickBasis(embedding[0])  # type: ignore[arg-type]  # takes its place, argument for argument
        for layer in self.network.alignn_layers:
            assert isinstance(layer, AlignnConvolution)  # noqa: S101 - for the type checker
            layer.node_update = FusedConvolution(layer.node_update)  # type: ignore[assignment]  # as above
            layer.edge_update = FusedConvolution(layer.edge_update)  # type: ignore[assignment]  # as above
        for index, layer in enumerate(self.network.gcn_layers):
            self.network.gcn_layers[index] = FusedConvolution(layer)  # type: ignore[arg-type]  # as above
        if network.config.bond_readout:
            self.network.bond_readout = TableReadout(self.network.bond_readout)  # type: ignore[assignment]  # as above

    def prepared(self, batch: GraphBatch) -> GraphBatch:
        """One more bond and one more line-graph edge.

        Both are closed; the tables' padding points at them.
        """
        zero = torch.zeros(1, dtype=torch.int64)
        ends = (batch.src, batch.dst, batch.line_src, batch.line_dst)
        src, dst, line_src, line_dst = (torch.cat([end, zero]) for end in ends)
        nothing = torch.full_like(batch.bond_incoming[:1], 0) + (line_src.shape[0] - 1)
        bond_incoming = torch.cat([batch.bond_incoming, nothing])
        return batch._replace(
            r=torch.cat([batch.r, torch.ones(1, 3)]),
            src=src,
            dst=dst,
            line_src=line_src,
            line_dst=line_dst,
            bond_incoming=bond_incoming,
            graph_plan=_plan(src, batch.atom_incoming),  # type: ignore[arg-type]  # read by FusedConvolution only
            line_plan=_plan(line_src, bond_incoming),  # type: ignore[arg-type]  # as above
        )


def _plan(src: Tensor, incoming: Tensor) -> InferencePlan:
    one = torch.cat([torch.ones_like(src[:-1], dtype=torch.float32), torch.full((1,), float("inf"))])
    return InferencePlan(src_table=src[incoming], one=one[:, None])
