"""The training crystals nearest to a crystal, by the network's own embedding, with what is known of their gaps.

The artifact carries their ids, formulas, space groups, gaps and whitened embeddings; no structures.
"""

from __future__ import annotations

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
        quick = self._squares - 2.0 * (self.scores @ scores)
        tried = np.arange(len(quick)) if len(quick) <= TRIED else np.sort(np.argpartition(quick, TRIED)[:TRIED])
        squares = np.mean((self.scores[tried] - scores) ** 2, axis=1)
        order = np.argsort(squares, kind="stable")[:LISTED]
        return [
            NeighbourReport(
                id=self.ids[place],
                formula=self.formulas[place],
                space_group=int(self.space_group[place]) or None,
                hse_gap_ev=round(float(self.hse_gap_ev[place]), 4),
                pbe_gap_ev=None if np.isnan(self.pbe_gap_ev[place]) else round(float(self.pbe_gap_ev[place]), 4),
                distance=distance,
            )
            for place, distance in zip(tried[order].tolist(), np.sqrt(squares[order]).tolist(), strict=True)
        ]

    @cached_property
    def _squares(self) -> np.ndarray:
        """Square of each row's scores, ``[crystals]``."""
        return np.einsum("ij,ij->i", self.scores, self.scores)
