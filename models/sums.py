"""Taking rows along edges and summing edges at their nodes, in the two forms that inference and training need.

Inference sums by gathering from a table of incoming edges (see :mod:`hsegap.structures.batch`), which exports to ONNX
for all sizes. Training adds an :class:`EdgePlan`: taking rows and summing rows are each other's derivative, and both
run as one pass over memory (``index_select`` and ``embedding_bag``) where autograd's own derivative of indexing
scatters, about ten times slower on the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy as np


class EdgePlan(NamedTuple):
    """Edges grouped by the node they start from and by the node they end at (compressed rows).

    Attributes:
        src_order: Edges sorted by source, ``[edges]``.
        src_first: Where each source's edges begin in it, ``[nodes + 1]``.
        dst_order: Edges sorted by destination, ``[edges]``.
        dst_first: Where each destination's edges begin in it, ``[nodes + 1]``.
    """

    src_order: Tensor
    src_first: Tensor
    dst_order: Tensor
    dst_first: Tensor

    @classmethod
    def build(cls, src: np.ndarray, dst: np.ndarray, n_nodes: int) -> EdgePlan:
        """Group the edges of a graph."""
        parts = []
        for ends in (torch.from_numpy(src), torch.from_numpy(dst)):
            first = torch.zeros(n_nodes + 1, dtype=torch.int64)
            torch.cumsum(torch.bincount(ends, minlength=n_nodes), 0, out=first[1:])
            parts += [torch.argsort(ends, stable=True), first]
        return cls(*parts)

    def to(self, device: torch.device | str) -> EdgePlan:
        """Move to a device."""
        return EdgePlan(*(tensor.to(device) for tensor in self))


class Edges(NamedTuple):
    """The edges of a graph: their ends, the table of incoming edges, and the plan when training."""

    src: Tensor
    dst: Tensor
    incoming: Tensor
    plan: EdgePlan | None = None


def _bag_sum(values: Tensor, order: Tensor, first: Tensor) -> Tensor:
    return nn.functional.embedding_bag(order, values, first, mode="sum", include_last_offset=True)


class _TakeRows(torch.autograd.Function):
    """``rows[index]``; its derivative sums the edges at their node."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, order: Tensor, first: Tensor) -> Tensor:
        ctx.save_for_backward(order, first)
        return rows.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        order, first = ctx.saved_tensors
        return _bag_sum(grads[0].contiguous(), order, first), None, None, None


class _SumRows(torch.autograd.Function):
    """Sum of the edges at their node; its derivative takes the node's row."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, order: Tensor, first: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        return _bag_sum(values, order, first)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (index,) = ctx.saved_tensors
        return grads[0].index_select(0, index), None, None, None


def take_src(nodes: Tensor, edges: Edges) -> Tensor:
    """Row of the node each edge starts from, ``[edges, H]``."""
    if edges.plan is None:
        return nodes[edges.src]
    return _TakeRows.apply(nodes, edges.src, edges.plan.src_order, edges.plan.src_first)


def take_dst(nodes: Tensor, edges: Edges) -> Tensor:
    """Row of the node each edge ends at, ``[edges, H]``."""
    if edges.plan is None:
        return nodes[edges.dst]
    return _TakeRows.apply(nodes, edges.dst, edges.plan.dst_order, edges.plan.dst_first)


def sum_at_dst(values: Tensor, edges: Edges) -> Tensor:
    """Sum ``[edges, H]`` at the node each edge ends at, ``[nodes, H]``."""
    if edges.plan is None:
        return sum_rows(values, edges.incoming)
    return _SumRows.apply(values, edges.dst, edges.plan.dst_order, edges.plan.dst_first)


def sum_rows(values: Tensor, table: Tensor) -> Tensor:
    """Sum the rows a table lists.

    Args:
        values: ``[rows, H]``.
        table: ``[n, most rows]`` int64, padded with ``rows``.

    Returns:
        ``[n, H]``.
    """
    padded = torch.cat([values, values.new_zeros(1, values.shape[1])])
    return padded[table].sum(dim=1)
