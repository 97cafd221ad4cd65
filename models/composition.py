"""What a crystal's formula tells each of its atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hsegap.models.sums import sum_rows

if TYPE_CHECKING:
    from hsegap.models.batch import GraphBatch


class CompositionVector(nn.Module):
    """Each atom is told what its crystal is made of: which elements, in which shares.

    Convolutions carry the neighbours' elements some bonds far, mixed with the lengths of the bonds. Whether charges
    balance, say, is a matter of the formula alone: it holds for all of a crystal and does not change with strain.

    It is told before the first layer and after the last one before the first fusion. Both begin as nothing, so that a
    trained network goes on from where it was.

    Args:
        element_features: Columns of the element table, 92.
        width: H, of atoms.
        hidden: Width of an element's vector and of what is read of a formula.
    """

    def __init__(self, element_features: int, width: int, hidden: int = 96) -> None:
        super().__init__()
        self.element = nn.Linear(element_features, hidden)
        self.formula = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.own = nn.Linear(hidden, hidden)
        self.activation = nn.SiLU()
        self.write_first = nn.Linear(hidden, width)
        self.write_last = nn.Linear(hidden, width)
        for layer in (self.write_first, self.write_last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, elements: Tensor, batch: GraphBatch) -> Tensor:
        """Read the formula for each atom.

        Args:
            elements: Rows of the element table, one for each atom, ``[N, 92]``.
            batch: Says which atoms form a crystal.

        Returns:
            ``[N, hidden]``, for ``write_first`` and ``write_last``.
        """
        each = self.activation(self.element(elements))
        shares = 1.0 / (batch.crystal_atoms < each.shape[0]).sum(dim=1, keepdim=True).to(each.dtype)
        mean = sum_rows(each, batch.crystal_atoms) * shares
        # The spread tells a mixture of two elements from a third one between them.
        spread = sum_rows(each * each, batch.crystal_atoms) * shares - mean * mean
        formula = self.formula(torch.cat([mean, spread], dim=1))
        return self.activation(self.own(each) + formula[batch.atom_crystal])
