"""Angles between the bonds of an atom without a line graph: moments of its bonds' directions.

A line graph has a dozen edges for every bond. Here the directions of an atom's bonds are summed once, as spherical
harmonics weighted by what the bonds' vectors say, and products of such sums hold the angles: by the addition theorem
``Σ_m Y_lm(a) Y_lm(b) = P_l(a·b)``, so that a product of two sums is a sum over pairs of bonds, at the cost of one pass
over the bonds (the atomic cluster expansion's idea: Drautz, Phys. Rev. B 99, 014104 (2019)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hsegap.models.sums import sum_at_dst, take_src

if TYPE_CHECKING:
    from hsegap.models.sums import Edges

#: Numbers of harmonics of the degrees 1 to 4. At a site of cubic symmetry degree 4 is the first that does not vanish.
HARMONICS = (3, 5, 7, 9)


def real_harmonics(r: Tensor) -> Tensor:
    """Real spherical harmonics of degrees 1 to 4 in Racah's normalisation, ``Σ_m Y_lm(a) Y_lm(b) = P_l(a·b)``.

    Args:
        r: Displacements, ``[bonds, 3]``; their lengths do not matter.

    Returns:
        ``[bonds, 24]``, degree by degree.
    """
    x, y, z = (r / r.norm(dim=1, keepdim=True)).unbind(dim=1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack(
        [
            x,
            y,
            z,
            3**0.5 * x * y,
            3**0.5 * y * z,
            0.5 * (3 * zz - 1),
            3**0.5 * x * z,
            0.5 * 3**0.5 * (xx - yy),
            (5 / 8) ** 0.5 * y * (3 * xx - yy),
            15**0.5 * x * y * z,
            (3 / 8) ** 0.5 * y * (5 * zz - 1),
            0.5 * z * (5 * zz - 3),
            (3 / 8) ** 0.5 * x * (5 * zz - 1),
            0.5 * 15**0.5 * z * (xx - yy),
            (5 / 8) ** 0.5 * x * (xx - 3 * yy),
            0.5 * 35**0.5 * x * y * (xx - yy),
            (35 / 8) ** 0.5 * y * z * (3 * xx - yy),
            0.5 * 5**0.5 * x * y * (7 * zz - 1),
            (5 / 8) ** 0.5 * y * z * (7 * zz - 3),
            0.125 * (35 * zz * zz - 30 * zz + 3),
            (5 / 8) ** 0.5 * x * z * (7 * zz - 3),
            0.25 * 5**0.5 * (xx - yy) * (7 * zz - 1),
            (35 / 8) ** 0.5 * x * z * (xx - 3 * yy),
            0.125 * 35**0.5 * (xx * (xx - 3 * yy) - yy * (3 * xx - yy)),
        ],
        dim=1,
    )


class AngularMoments(nn.Module):
    """Tell atoms and bonds the angles around them.

    An atom's moments are the mean over its bonds of ``weight · Y_lm(direction)``, the weights read from the bonds'
    vectors. An atom is told all products of two channels of a degree, summed over m; a bond the products of its own
    direction with the moments of the atom it starts from, which are the angles it makes with the bonds that end there.

    It begins as nothing, so that a trained network goes on from where it was.

    Args:
        width: H, of atoms and bonds.
        channels: C, weights read from each bond.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        degrees = len(HARMONICS)
        self.weigh = nn.Linear(width, channels, bias=False)
        self.read_atom = nn.Linear(degrees * channels**2, width)
        self.norm_atom = nn.BatchNorm1d(width)
        self.write_atom = nn.Linear(width, width)
        self.read_bond = nn.Linear(degrees * channels, width)
        self.norm_bond = nn.BatchNorm1d(width)
        self.write_bond = nn.Linear(width, width)
        self.activation = nn.SiLU()
        for write in (self.write_atom, self.write_bond):
            nn.init.zeros_(write.weight)
            nn.init.zeros_(write.bias)

    def forward(self, atoms: Tensor, bonds: Tensor, harmonics: Tensor, edges: Edges) -> tuple[Tensor, Tensor]:
        """Atoms ``[N, H]`` and bonds ``[E, H]`` with what the angles tell.

        Args:
            atoms: ``[N, H]``.
            bonds: ``[E, H]``.
            harmonics: Of the bonds' directions, from :func:`real_harmonics`, ``[E, 24]``.
            edges: Where the bonds start and end.
        """
        weighted = harmonics[:, :, None] * self.weigh(bonds)[:, None, :]
        count = sum_at_dst(torch.ones_like(harmonics[:, :1]), edges).clamp(min=1.0)
        moments = sum_at_dst(weighted.flatten(1), edges) / count
        turned = take_src(moments, edges).view_as(weighted) * harmonics[:, :, None]
        angles = torch.cat([part.sum(dim=1) for part in turned.split(HARMONICS, dim=1)], dim=1)
        moments = moments.view(-1, sum(HARMONICS), self.channels)
        return self.told_atoms(atoms, moments), self.told_bonds(bonds, self.read_bond(angles))

    def told_atoms(self, atoms: Tensor, moments: Tensor) -> Tensor:
        """Atoms ``[N, H]`` with what the products of their moments ``[N, 24, C]`` tell."""
        pairs = torch.cat([(part.mT @ part).flatten(1) for part in moments.split(HARMONICS, dim=1)], dim=1)
        return atoms + self.write_atom(self.activation(self.norm_atom(self.read_atom(pairs))))

    def told_bonds(self, bonds: Tensor, read: Tensor) -> Tensor:
        """Bonds ``[E, H]`` with what was read of their angles, ``[E, H]``."""
        return bonds + self.write_bond(self.activation(self.norm_bond(read)))
