"""What was observed of one crystal on the way to its prediction.

And what can be told from it about the prediction's error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Where the logarithm of a gap, and of a difference of two gaps, is cut off, eV.
GAP_FLOOR_EV = 0.1
CHANGE_FLOOR_EV = 0.02
#: Names of the features that :func:`plain_features` gives, in order.
PLAIN_FEATURES = (
    "log gap",
    "gap",
    "gap below 0.5 eV",
    "log atoms",
    "log change by the text",
    "has text",
    "log embedding distance",
    "log fingerprint distance",
)
#: Names of the further features of a crystal whose PBE gap is stated, in the order of :func:`known_features`.
KNOWN_FEATURES = ("log stated gap", "stated gap is zero", "log stated gap off the estimate")


class Observation(NamedTuple):
    """What the network and the reader say about one crystal.

    Attributes:
        symbols: Element of each atom.
        gap_raw_ev: The network's number as answered, eV.
        gap_without_text_ev: Its number for the same crystal with nothing told, eV; the same number where nothing is
            told.
        graph_embedding: Of the crystal with nothing told, ``[hidden]``: it depends on the crystal alone.
        fingerprint: :func:`hsegap.structures.fingerprint.fingerprint` of the crystal.
        text: Its description as encoded; None without one.
        text_vector: Pooled vector of the description ``[width]``; None without one.
        facts: Known facts that the network was told, eV.
        pbe_estimate_ev: PBE gap that the network estimates from the structure alone, eV; None where it makes no
            estimate.
        silent_point: What the head reads of the crystal with nothing told, by the names of its inputs
            (:mod:`hsegap.prediction.contributions`); empty where the artifact does not give it.
    """

    symbols: list[str]
    gap_raw_ev: float
    gap_without_text_ev: float
    graph_embedding: np.ndarray
    fingerprint: np.ndarray
    text: str | None
    text_vector: np.ndarray | None
    facts: Mapping[str, float] = MappingProxyType({})
    pbe_estimate_ev: float | None = None
    silent_point: Mapping[str, np.ndarray] = MappingProxyType({})


def root_mean_square(numbers: np.ndarray) -> float:
    """Of ``[n]`` numbers. For two dozen of them ``numpy.mean`` costs several times as much."""
    return math.sqrt(float(numbers @ numbers) / len(numbers))


class Reference(NamedTuple):
    """Where the vectors of training lie: a normal distribution with a shrunk covariance.

    Attributes:
        mean: ``[width]``.
        whiten: ``[width, components]``; a vector minus the mean times this has unit variance per component in training.
        limit: Distance that a stated share of held-out crystals stays below.
    """

    mean: np.ndarray
    whiten: np.ndarray
    limit: float

    def scores(self, vector: np.ndarray) -> np.ndarray:
        """The whitened vector, ``[components]``."""
        scores: np.ndarray = (np.asarray(vector, dtype=np.float64) - self.mean) @ self.whiten
        return scores

    def distance(self, vector: np.ndarray) -> float:
        """Mahalanobis distance divided by the root of the number of components.

        About 1 for a typical training vector.
        """
        return root_mean_square(self.scores(vector))

    def is_far(self, vector: np.ndarray) -> bool:
        """Whether the vector lies beyond the limit."""
        return self.distance(vector) > self.limit


#: Differences below this are taken for none: a crystal is not its own neighbour.
SAME = 1e-4
#: Crystals whose nearest training crystal is remembered.
REMEMBERED = 64


@dataclass(frozen=True)
class Neighbours:
    """Training crystals to be near to, by their fingerprints.

    Attributes:
        vectors: Fingerprints in units of ``spread``, ``[crystals, numbers]``.
        spread: What each number is divided by.
        limit: Distance to the nearest that a stated share of held-out crystals stays below.
    """

    vectors: np.ndarray
    spread: np.ndarray
    limit: float

    def offsets(self, vector: np.ndarray) -> np.ndarray:
        """By how much each number differs from the nearest training crystal's, in units of its spread.

        A crystal that is in the training set itself is compared with the nearest other one.
        """
        return self._remembered(np.asarray(vector, dtype=np.float64).tobytes())

    @cached_property
    def _remembered(self) -> Callable[[bytes], np.ndarray]:
        """The table is searched once for a crystal, although both its interval and its warnings ask."""
        return lru_cache(maxsize=REMEMBERED)(self._searched)

    def _searched(self, numbers: bytes) -> np.ndarray:
        scaled = np.frombuffer(numbers, dtype=np.float64) / self.spread
        # Squared distances less the vector's own square: one product with the table instead of a table of differences.
        nearness = self._squares - 2.0 * (self.vectors @ scaled)
        offsets: np.ndarray = scaled - self.vectors[nearness.argmin()]
        if root_mean_square(offsets) < SAME:
            apart = np.mean((scaled - self.vectors) ** 2, axis=1)
            offsets = scaled - self.vectors[np.where(apart < SAME**2, np.inf, apart).argmin()]
        return offsets

    @cached_property
    def _squares(self) -> np.ndarray:
        """Square of each vector's length, ``[crystals]``."""
        squares: np.ndarray = np.einsum("ij,ij->i", self.vectors, self.vectors)
        return squares

    def distance(self, vector: np.ndarray) -> float:
        """Root mean square of :meth:`offsets`."""
        return root_mean_square(self.offsets(vector))

    def is_far(self, vector: np.ndarray) -> bool:
        """Whether the nearest training crystal lies beyond the limit."""
        return self.distance(vector) > self.limit


def plain_features(
    *,
    gap_raw_ev: float,
    gap_without_text_ev: float,
    n_atoms: int,
    with_text: bool,
    embedding_distance: float,
    fingerprint_distance: float,
) -> list[float]:
    """The features beside the embedding that the error is estimated from, in the order of :data:`PLAIN_FEATURES`."""
    gap = max(0.0, gap_raw_ev)
    change = abs(gap_raw_ev - gap_without_text_ev) if with_text else 0.0
    return [
        math.log(gap + GAP_FLOOR_EV),
        gap,
        max(0.0, 0.5 - gap),
        math.log(n_atoms),
        math.log(change + CHANGE_FLOOR_EV) if with_text else 0.0,
        float(with_text),
        math.log(max(embedding_distance, 1e-6)),
        math.log(max(fingerprint_distance, 1e-6)),
    ]


def known_features(stated_ev: float, estimate_ev: float | None) -> list[float]:
    """What a stated PBE gap, and its distance from the estimate, say of the error.

    In the order of :data:`KNOWN_FEATURES`.
    """
    off = 0.0 if estimate_ev is None else abs(stated_ev - max(0.0, estimate_ev))
    return [math.log(stated_ev + GAP_FLOOR_EV), float(stated_ev == 0), math.log(off + GAP_FLOOR_EV)]
