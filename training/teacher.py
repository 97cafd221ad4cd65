"""A teacher's features per atom, which the network's atoms are trained to predict beside the gaps.

The teacher is an interatomic potential trained on energies, forces, stresses and magnetic moments of far more
structures than have a known gap (CHGNet; Deng et al., Nature Machine Intelligence 5, 1031 (2023)). Nothing of it is
needed once the network is trained.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor, nn

from hsegap.training.errors import DataError

if TYPE_CHECKING:
    from hsegap.training.dataset import CrystalDataset


class TeacherFeatures:
    """Features and moments of the atoms of a data set's rows, standardised.

    Attributes:
        width: Features per atom, the magnetic moment included.
        covered: Number of rows that have them.
    """

    def __init__(self, values: np.ndarray, first: np.ndarray, count: np.ndarray) -> None:
        self._values, self._first, self._count = values, first, count
        self.width, self.covered = int(values.shape[1]), int((count > 0).sum())

    @classmethod
    def open(cls, folder: str | Path, dataset: CrystalDataset) -> Self:
        """Read the files that ``hsegap teacher`` wrote and align them with a data set by id.

        Raises:
            DataError: If the folder has none, or their atoms are in another order than the data set's.
        """
        files = sorted(Path(folder).glob("[0-9]*.npz"))
        if not files:
            raise DataError(f"--teacher: there are no features in {folder}; hsegap teacher writes them")
        place: dict[str, tuple[int, int]] = {}
        features, moments, numbers, start = [], [], [], 0
        for path in files:
            with np.load(path) as content:
                for name, one, other in zip(content["ids"], content["first"], content["first"][1:], strict=False):
                    place[str(name)] = (start + int(one), int(other - one))
                features.append(content["features"])
                moments.append(content["moments"])
                numbers.append(content["numbers"])
                start += len(moments[-1])
        values = np.concatenate([np.concatenate(features), np.concatenate(moments)[:, None]], axis=1)
        sample = values[:: max(1, len(values) // 200_000)].astype(np.float32)
        values = ((values - sample.mean(0)) / np.maximum(sample.std(0), 1e-3)).astype(np.float16)
        where = [place.get(row.id, (0, 0)) for row in dataset.rows]
        first, count = (np.array(column, dtype=np.int64) for column in zip(*where, strict=True))
        known = np.concatenate(numbers)
        for position in np.flatnonzero(count):
            own = known[first[position] : first[position] + count[position]]
            if not np.array_equal(own, dataset.atomic_numbers(int(position))):
                count[position] = 0
        return cls(values, first, count)

    def batch(self, rows: np.ndarray, sizes: np.ndarray) -> tuple[Tensor, Tensor]:
        """Targets ``[N, width]`` and which atoms have them ``[N]``, for rows of ``sizes`` atoms each."""
        known = np.repeat(self._count[rows] > 0, sizes)
        offsets = np.concatenate([np.arange(size) for size in sizes])
        index = np.where(known, np.repeat(self._first[rows], sizes) + offsets, 0)
        return torch.from_numpy(self._values[index].astype(np.float32)), torch.from_numpy(known)


class TeacherHead(nn.Module):
    """Reads the teacher's features from the atoms' vectors; left behind when training ends."""

    def __init__(self, width: int, teacher: TeacherFeatures) -> None:
        super().__init__()
        self.linear = nn.Linear(width, teacher.width)

    def loss(self, atoms: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Mean Huber loss over the atoms that have features, in their standard deviations."""
        each = nn.functional.huber_loss(self.linear(atoms).float(), targets, reduction="none").mean(dim=1)
        return (each * known).sum() / known.sum().clamp_min(1)
