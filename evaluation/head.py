"""Fitting the model of the error: ridge regression of log(|error| + floor), its settings chosen by cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.prediction.scale import ErrorHead, head_features
from hsegap.structures.subsets import fold_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.evaluation.seen import Seen
    from hsegap.prediction.observed import Neighbours, Reference

FIT_FOLDS = 5
#: Added to an error before its logarithm is taken, eV: what differences between sources of the same gap amount to.
FLOOR_EV = 0.1
#: What is tried. The last penalty leaves nothing of the weights: one width for all, should the features say nothing.
COMPONENTS = (4, 8, 16, 24)
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0, 1e9)
#: Deviations from the mean are held between these quantiles of those of the fitted rows.
BOUNDS = (0.02, 0.98)


def fit_head(
    rows: Sequence[Seen], *, embedding: Reference, fingerprint: Neighbours, coverage: float
) -> tuple[ErrorHead, dict[str, Any]]:
    """Fit the model to rows that the predicting network has not seen.

    Number of components and penalty are those with the narrowest mean interval in cross-validation over crystals.

    Args:
        rows: With and without text mixed.
        embedding: Where graph embeddings of training lie; its whitened components are features.
        fingerprint: Fingerprints of training crystals.
        coverage: Share of gaps inside the intervals whose width is compared.

    Returns:
        The model, and what was chosen.
    """
    most = embedding.whiten.shape[1]
    features = np.array(
        [head_features(row.observation, embedding=embedding, fingerprint=fingerprint, components=most) for row in rows]
    )
    errors = np.array([row.error_ev for row in rows])
    gaps = np.array([max(0.0, row.observation.gap_raw_ev) for row in rows])
    folds = np.array([fold_of(row.id, FIT_FOLDS) for row in rows])
    tried = []
    for components in sorted({min(count, most) for count in COMPONENTS}):
        chosen = _columns(features, most, components)
        for penalty in PENALTIES:
            sigma = np.empty(len(rows))
            for fold in np.unique(folds):
                left = folds == fold
                sigma[left] = _ridge(chosen[~left], errors[~left], components=components, penalty=penalty).sigma(
                    chosen[left]
                )
            half = np.quantile(errors / sigma, coverage) * sigma
            tried.append((float(np.mean(half + np.minimum(half, gaps))), components, penalty))
    width, components, penalty = min(tried, key=lambda entry: (entry[0], entry[1], -entry[2]))
    plain = min(entry[0] for entry in tried if entry[2] == PENALTIES[-1])
    head = _ridge(_columns(features, most, components), errors, components=components, penalty=penalty)
    return head, {
        "components": components,
        "penalty": penalty,
        "mean width ev": width,
        "mean width of one width for all ev": plain,
    }


def _columns(features: np.ndarray, most: int, components: int) -> np.ndarray:
    """The first components of the embedding and all other features."""
    return np.hstack([features[:, :components], features[:, most:]])


def _ridge(features: np.ndarray, errors: np.ndarray, *, components: int, penalty: float) -> ErrorHead:
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    scaled, logs = (features - centre) / spread, np.log(errors + FLOOR_EV)
    bias = float(logs.mean())
    weights = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(scaled.shape[1]), scaled.T @ (logs - bias))
    low, high = np.quantile(scaled @ weights, BOUNDS)
    return ErrorHead(components, centre, spread, weights, bias, (float(low), float(high)))
