"""The network rearranged for inference: the same numbers from fewer passes over memory.

A convolution on the line graph spends as long moving its ``[line edges, H]`` arrays as multiplying them, so that each
pass left out counts. What is rearranged, next to :class:`hsegap.models.layers.EdgeGatedConvolution`:

- The gates come out of the multiplication negated, so that σ(m) is ``1 / (exp(-m) + 1)`` without a pass for the sign.
- Where the tables of incoming edges are padded they name some edge, and sums along them are products with a row of ones
  and zeros: no row is appended to any array, and padding costs no pass of its own.
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
        table: The table of incoming edges, ``[nodes, largest in-degree]``; where it is padded it names some edge.
        there: 1 for each entry that is an edge, 0 for padding, ``[nodes, 1, largest in-degree]``.
        src_table: Node that each entry starts from, ``[nodes, largest in-degree]``.
    """

    table: Tensor
    there: Tensor
    src_table: Tensor


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
        weight = (1.0 / (torch.exp(negated) + 1.0))[plan.table]
        weighted = weight * value[plan.src_table]
        gathered = (plan.there @ weighted / (plan.there @ weight + 1e-6)).squeeze(1)
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
        told = nn.functional.silu(self.read(bonds))[plan.table]
        return atoms + self.write((plan.there @ told).squeeze(1) / plan.there.sum(dim=2).clamp(min=1.0))


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
        """The tables of incoming edges, with what tells padding from edges."""
        return batch._replace(
            graph_plan=_plan(batch.src, batch.atom_incoming),  # type: ignore[arg-type]  # read by FusedConvolution only
            line_plan=_plan(batch.line_src, batch.bond_incoming),  # type: ignore[arg-type]  # as above
        )


def _plan(src: Tensor, incoming: Tensor) -> InferencePlan:
    n_edges = src.shape[0]
    table = incoming.clamp(max=n_edges - 1)
    return InferencePlan(table, (incoming < n_edges).to(torch.float32)[:, None, :], src[table])
