"""Calibration with a scale per crystal: which errors are to be expected of this crystal, by a small log-linear model.

``sigma(x) = exp(b + w · f(x))`` estimates the size of the error from the crystal; split-conformal calibration then
finds the one factor ``q`` by which it must be stretched for the stated share of held-out gaps to lie inside ``gap ± q
sigma(x)``. The guarantee comes from the factor alone; a poor estimate costs width, not coverage. docs/uncertainty.md
has the formulae and their sources.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.prediction.observed import (
    KNOWN_FEATURES,
    PLAIN_FEATURES,
    Neighbours,
    Observation,
    Reference,
    known_features,
    plain_features,
    root_mean_square,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: File of the artifact that holds the arrays.
TENSORS = "calibration.safetensors"
#: Prefix of the arrays of the mean training crystal.
REFERENCE = "reference_"
#: Arrays of the file with the number of their dimensions.
ARRAYS = {
    **{
        f"{name}_{part}": dimensions
        for name in ("embedding", "text")
        for part, dimensions in (("mean", 1), ("whiten", 2))
    },
    "fingerprint_vectors": 2,
    "fingerprint_spread": 1,
    "head_centre": 1,
    "head_spread": 1,
    "head_weights": 1,
}


class ErrorHead(NamedTuple):
    """The log-linear model of the error.

    Attributes:
        components: How many whitened components of the embedding it reads.
        centre: Mean of each feature on the rows it was fitted to, ``[features]``.
        spread: Standard deviation of each, ``[features]``.
        weights: ``[features]``.
        bias: Mean logarithm of the error, eV.
        bounds: Smallest and largest deviation from the bias: no interval narrower or wider than those of ordinary
            crystals.
    """

    components: int
    centre: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    bias: float
    bounds: tuple[float, float]

    def sigma(self, features: np.ndarray) -> np.ndarray:
        """Expected size of the error, eV, of ``features [..., features]``."""
        deviation = ((features - self.centre) / self.spread) @ self.weights
        low, high = self.bounds
        # numpy.clip's wrapper takes longer than both operations.
        sigma: np.ndarray = np.exp(self.bias + np.minimum(np.maximum(deviation, low), high))
        return sigma


class KnownWidths(NamedTuple):
    """The same for crystals whose PBE gap is stated: their errors are smaller, and others.

    Attributes:
        head: Model of the error; it reads :data:`hsegap.prediction.observed.KNOWN_FEATURES` too.
        quantile: Factor of the interval with a description.
        quantile_no_text: The same without.
    """

    head: ErrorHead
    quantile: float
    quantile_no_text: float


class Scaled(NamedTuple):
    """All that calibration learned about an artifact.

    Attributes:
        embedding: Graph embeddings of training crystals.
        fingerprint: Their fingerprints.
        text: Pooled vectors of training descriptions.
        head: Model of the error.
        quantile: Factor of the interval with a description.
        quantile_no_text: The same without.
        known: Widths where the PBE gap is stated; None in artifacts that are not calibrated for it.
        reference: The mean training crystal with nothing told, by the names of the head's inputs
            (:mod:`hsegap.prediction.contributions`); empty in artifacts calibrated before there was a head.
    """

    embedding: Reference
    fingerprint: Neighbours
    text: Reference
    head: ErrorHead
    quantile: float
    quantile_no_text: float
    known: KnownWidths | None = None
    reference: Mapping[str, np.ndarray] = MappingProxyType({})

    def half_width(self, seen: Observation) -> float:
        """Half the width of a crystal's interval, eV."""
        widths = self.known if self.known is not None and seen.facts else self
        return self.expected_error(seen) * (widths.quantile if seen.text is not None else widths.quantile_no_text)

    def expected_error(self, seen: Observation) -> float:
        """Size of the error to be expected of a crystal, eV."""
        head = self.known.head if self.known is not None and seen.facts else self.head
        features = head_features(
            seen, embedding=self.embedding, fingerprint=self.fingerprint, components=head.components
        )
        # Without widths of its own a stated fact leaves the interval as wide as it is without.
        return float(head.sigma(features if head is not self.head else features[: len(head.weights)]))


def head_features(seen: Observation, *, embedding: Reference, fingerprint: Neighbours, components: int) -> np.ndarray:
    """What the error head reads of a crystal: the first components of its embedding, then :data:`PLAIN_FEATURES`.

    Where the PBE gap is stated, :data:`KNOWN_FEATURES` follow.
    """
    scores = embedding.scores(seen.graph_embedding)
    plain = plain_features(
        gap_raw_ev=seen.gap_raw_ev,
        gap_without_text_ev=seen.gap_without_text_ev,
        n_atoms=len(seen.symbols),
        with_text=seen.text is not None,
        embedding_distance=root_mean_square(scores),
        fingerprint_distance=fingerprint.distance(seen.fingerprint),
    )
    stated = seen.facts.get("pbe_gap_ev")
    return np.array(
        [*scores[:components], *plain, *([] if stated is None else known_features(stated, seen.pbe_estimate_ev))]
    )


def load_scaled(settings: dict[str, Any], path: Path) -> Scaled:
    """Read what ``hsegap calibrate`` wrote.

    Args:
        settings: ``manifest.calibration["scaled"]``.
        path: The file of arrays, already checked against the manifest's SHA-256.

    Raises:
        ValueError: If the file does not hold what the settings need.
    """
    from safetensors.numpy import load_file

    arrays = {name: values.astype(np.float64) for name, values in load_file(path).items()}
    wrong = [name for name, dimensions in ARRAYS.items() if name not in arrays or arrays[name].ndim != dimensions]
    if wrong:
        raise ValueError(f"{TENSORS} has no usable {', '.join(wrong)}")
    known = settings.get("known")

    def reference(name: str) -> Reference:
        return Reference(arrays[f"{name}_mean"], arrays[f"{name}_whiten"], float(settings["limits"][name]))

    return Scaled(
        embedding=reference("embedding"),
        fingerprint=Neighbours(
            arrays["fingerprint_vectors"], arrays["fingerprint_spread"], float(settings["limits"]["fingerprint"])
        ),
        text=reference("text"),
        head=_head(settings, arrays, "head", len(PLAIN_FEATURES)),
        quantile=float(settings["quantile"]),
        quantile_no_text=float(settings["quantile_no_text"]),
        known=None
        if known is None
        else KnownWidths(
            _head(known, arrays, "known", len(PLAIN_FEATURES) + len(KNOWN_FEATURES)),
            float(known["quantile"]),
            float(known["quantile_no_text"]),
        ),
        reference={
            name.removeprefix(REFERENCE): values for name, values in arrays.items() if name.startswith(REFERENCE)
        },
    )


def _head(settings: dict[str, Any], arrays: dict[str, np.ndarray], name: str, n_plain: int) -> ErrorHead:
    """The model of the error whose arrays' names start with ``name``.

    Raises:
        ValueError: If an array is missing, or has not one number a feature.
    """
    components, (low, high) = int(settings["components"]), settings["bounds"]
    centre, spread, weights = (arrays.get(f"{name}_{part}", np.zeros(0)) for part in ("centre", "spread", "weights"))
    if any(part.shape != (components + n_plain,) for part in (centre, spread, weights)):
        raise ValueError(f"{TENSORS} was written by another version of hsegap: calibrate the artifact again")
    return ErrorHead(components, centre, spread, weights, float(settings["bias"]), (float(low), float(high)))
