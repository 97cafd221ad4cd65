"""The training crystals nearest to a crystal, by the network's own embedding, with what is known of their gaps.

The artifact carries their ids, formulas, space groups, gaps and whitened embeddings; no structures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from hsegap.prediction.schemas import NeighbourReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: File of the artifact that holds the table; ``hsegap calibrate`` writes it.
NEIGHBOURS_FILE = "neighbours.safetensors"
#: Neighbours that an answer lists.
LISTED = 5
#: Rows whose distances are computed exactly, so that those listed are exact and in order: some more than are listed,
#: for the quick distances that choose them are rounded.
TRIED = 32
#: Names of the table's columns. Words are stored as their UTF-8 bytes, joined by line feeds.
WORDS, NUMBERS = ("id", "formula"), ("scores", "space_group", "hse_gap_ev", "pbe_gap_ev")


@dataclass(frozen=True)
class Known:
    """The table.

    Attributes:
        ids: Materials Project ids.
        formulas: Reduced formulas.
        scores: Whitened embeddings, ``[crystals, components]`` float32.
        space_group: Number, 0 where unknown, ``[crystals]``.
        hse_gap_ev: ``[crystals]``.
        pbe_gap_ev: Not a number where unknown, ``[crystals]``.
    """

    ids: Sequence[str]
    formulas: Sequence[str]
    scores: np.ndarray
    space_group: np.ndarray
    hse_gap_ev: np.ndarray
    pbe_gap_ev: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """As they are stored: half precision is enough for distances and gaps to a thousandth."""
        words = {"id": self.ids, "formula": self.formulas}
        return {
            **{name: np.frombuffer("\n".join(column).encode(), dtype=np.uint8) for name, column in words.items()},
            "scores": self.scores.astype(np.float16),
            "space_group": self.space_group.astype(np.uint8),
            "hse_gap_ev": self.hse_gap_ev.astype(np.float32),
            "pbe_gap_ev": self.pbe_gap_ev.astype(np.float32),
        }

    @classmethod
    def load(cls, path: Path) -> Known:
        """Read a table.

        Args:
            path: The file, already checked against the manifest's SHA-256.

        Raises:
            ValueError: If its columns are missing or differ in length.
        """
        from safetensors.numpy import load_file

        arrays = load_file(path)
        if missing := [name for name in (*WORDS, *NUMBERS) if name not in arrays]:
            raise ValueError(f"{NEIGHBOURS_FILE} has no {', '.join(missing)}")
        ids, formulas = (arrays[name].tobytes().decode().split("\n") for name in WORDS)
        columns = [arrays[name] for name in NUMBERS]
        if len({len(ids), len(formulas), *map(len, columns)}) > 1 or columns[0].ndim != 2:
            raise ValueError(f"{NEIGHBOURS_FILE} has columns of different lengths")
        scores, *rest = columns
        return cls(ids, formulas, scores.astype(np.float32), *rest)

    def nearest(self, scores: np.ndarray) -> list[NeighbourReport]:
        """The nearest crystals, nearest first.

        Args:
            scores: Whitened embedding of a crystal with nothing told, ``[components]``.
        """
        scores = scores.astype(np.float32)
        # Squared distances less the vector's own square: one product with the table instead of a table of differences.
        tried = _smallest(self._squares - 2.0 * (self.scores @ scores))
        apart = self.scores[tried] - scores
        squares = np.add.reduce(apart * apart, axis=1) / len(scores)
        order = np.argsort(squares, kind="stable")[:LISTED]
        places = tried[order]
        columns = (places, self.space_group[places], self.hse_gap_ev[places], self.pbe_gap_ev[places])
        return [
            NeighbourReport(
                id=self.ids[place],
                formula=self.formulas[place],
                space_group=space_group or None,
                hse_gap_ev=round(hse_gap_ev, 4),
                pbe_gap_ev=None if math.isnan(pbe_gap_ev) else round(pbe_gap_ev, 4),
                distance=distance,
            )
            for place, space_group, hse_gap_ev, pbe_gap_ev, distance in zip(
                *(column.tolist() for column in columns), np.sqrt(squares[order]).tolist(), strict=True
            )
        ]

    @cached_property
    def _squares(self) -> np.ndarray:
        """Square of each row's scores, ``[crystals]``."""
        return np.einsum("ij,ij->i", self.scores, self.scores)


def _smallest(values: np.ndarray) -> np.ndarray:
    """Places of the :data:`TRIED` smallest values, and of some more, ascending.

    Each column of a table of them has one that is smallest; the largest of the ``TRIED`` smallest of these is a bound.
    Three passes over the values cost less than selecting among all of them.
    """
    columns = 8 * TRIED
    rows = len(values) // columns
    if not rows:
        return np.arange(len(values))
    least = np.minimum.reduce(values[: rows * columns].reshape(rows, columns), axis=0)
    least.partition(TRIED - 1)
    return np.flatnonzero(values <= least[TRIED - 1])
