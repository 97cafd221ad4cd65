"""Batches of crystal graphs as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from structures.batch import collate_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structures.batch import GraphArrays
    from structures.graph import CrystalGraph


class GraphBatch(NamedTuple):
    """The tensors of :class:`structures.batch.GraphArrays`, field for field."""

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

    @classmethod
    def from_arrays(cls, arrays: GraphArrays) -> GraphBatch:
        """Share memory with the numpy arrays."""
        return cls(*(torch.from_numpy(array) for array in arrays))

    def to(self, device: torch.device | str) -> GraphBatch:
        """Move every tensor to ``device``."""
        return GraphBatch(*(tensor.to(device) for tensor in self))


def collate(graphs: Sequence[CrystalGraph]) -> GraphBatch:
    """Join crystal graphs into one batch, in the order given.

    Raises:
        ValueError: If ``graphs`` is empty.
    """
    return GraphBatch.from_arrays(collate_arrays(graphs))
