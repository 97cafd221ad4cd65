"""Batches of crystal graphs as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from hsegap.models.sums import EdgePlan, Edges
from hsegap.structures.batch import collate_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.structures.batch import GraphArrays
    from hsegap.structures.graph import CrystalGraph


class GraphBatch(NamedTuple):
    """The tensors of :class:`hsegap.structures.batch.GraphArrays`, field for field.

    With the plans that speed up training.
    """

    atomic_numbers: Tensor
    r: Tensor
    src: Tensor
    dst: Tensor
    line_src: Tensor
    line_dst: Tensor
    atom_incoming: Tensor
    bond_incoming: Tensor
    atom_crystal: Tensor
    crystal_atoms: Tensor
    graph_plan: EdgePlan | None = None
    line_plan: EdgePlan | None = None

    @classmethod
    def from_arrays(cls, arrays: GraphArrays, *, for_training: bool = False) -> GraphBatch:
        """Share memory with the numpy arrays; ``for_training`` adds the plans."""
        tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays._asdict().items()}
        if not for_training:
            return cls(**tensors)
        n_atoms, n_bonds = len(arrays.atomic_numbers), len(arrays.src)
        return cls(
            **tensors,
            graph_plan=EdgePlan.build(arrays.src, arrays.dst, n_atoms),
            line_plan=EdgePlan.build(arrays.line_src, arrays.line_dst, n_bonds),
        )

    def edges(self) -> tuple[Edges, Edges]:
        """Edges of the crystal graph and of the line graph."""
        return (
            Edges(self.src, self.dst, self.atom_incoming, self.graph_plan),
            Edges(self.line_src, self.line_dst, self.bond_incoming, self.line_plan),
        )

    def to(self, device: torch.device | str) -> GraphBatch:
        """Move every tensor to ``device``."""
        return GraphBatch._make(part if part is None else part.to(device) for part in self)


def collate(graphs: Sequence[CrystalGraph], *, for_training: bool = False) -> GraphBatch:
    """Join crystal graphs into one batch, in the order given.

    Args:
        graphs: At least one.
        for_training: Add what makes the backward pass fast.

    Raises:
        ValueError: If ``graphs`` is empty.
    """
    return GraphBatch.from_arrays(collate_arrays(graphs), for_training=for_training)
