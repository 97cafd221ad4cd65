"""What validation rows teach about an artifact's errors.

Widths of intervals, limits of distances, the threshold between metal and gap.

Three sets of rows with three uses, never mixed: held-out residuals (or, without them, the first half of the validation
rows) fit the model of the error; the second half gives the conformal factor; the first half chooses the metal
threshold. Test rows are not seen here. docs/uncertainty.md has the formulae.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.evaluation.head import FIT_FOLDS, fit_head
from hsegap.evaluation.rows import EvaluationError
from hsegap.evaluation.seen import Seen
from hsegap.prediction.errors import Failure
from hsegap.prediction.observed import Neighbours, Reference
from hsegap.prediction.scale import REFERENCE, head_features
from hsegap.prediction.schemas import Known, PredictRequest
from hsegap.structures.subsets import in_second_half

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hsegap.evaluation.rows import Row
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.scale import ErrorHead

#: Share of validation crystals, and of validation texts, that may be called unlike the training set.
WARN_SHARE = 0.01
#: Share of a unit covariance mixed into the measured one, in units of its mean variance.
SHRINKAGE = 0.05
#: Most components kept of an embedding or a text vector.
MOST_COMPONENTS = {"embedding": 24, "text": 64}
#: Least spread of a number of the fingerprint: shares that hardly any crystal has are not to drown the others.
LEAST_SPREAD = 0.02
#: Fewest rows of the second half: fewer give no 90 % quantile worth the name.
LEAST_ROWS = 30
#: Thresholds tried between metal and gap, eV. Not above 0.5: a crystal answered with the gap of germanium is not to be
#: called a metal, however many metals among the validation rows are answered so.
THRESHOLDS = np.arange(0.02, 0.505, 0.01)


class Learned(NamedTuple):
    """What goes into the artifact: plain settings for the manifest, arrays for their own file."""

    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]


def observe(
    rows: Sequence[Row],
    predictor: Predictor,
    *,
    with_text: bool,
    with_facts: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> list[Seen]:
    """See every row through the artifact; rows that cannot be read are left out.

    Args:
        rows: Labelled crystals.
        predictor: Of the artifact.
        with_text: Use the descriptions.
        with_facts: State the PBE gaps; rows without one are left out.
        advance: Called after each row.
    """
    limit = predictor.artifact.manifest.limits.max_text_chars

    def one(row: Row) -> Seen | None:
        known = Known(pbe_gap_ev=row.pbe_gap_ev) if with_facts else None
        text = row.cut(limit).description if with_text else None
        answer = predictor.observe(PredictRequest(structure=row.structure, description=text, known=known))
        advance()
        return None if isinstance(answer, Failure) else Seen(row.id, row.gap_ev, answer)

    with ThreadPoolExecutor(3) as pool:
        wanted = [row for row in rows if row.pbe_gap_ev is not None] if with_facts else rows
        return [seen for seen in pool.map(one, wanted) if seen is not None]


def learn(
    validation: Sequence[Seen],
    training: Sequence[Seen],
    texts: np.ndarray,
    residuals: Sequence[Seen],
    *,
    coverage: float,
    origin: str = "held out of training",
    known: Sequence[Seen] = (),
    known_residuals: Sequence[Seen] = (),
) -> Learned:
    """Calibrate.

    Args:
        validation: Rows no network was trained on, observed with their texts where they have one.
        training: Training rows, observed without text.
        texts: Pooled vectors of training descriptions, ``[texts, width]``.
        residuals: Rows to fit the model of the error to; none takes the first half of the validation rows.
        coverage: Share of gaps that shall lie inside the intervals.
        origin: Where ``residuals`` come from, for the record.
        known: Validation rows observed with their PBE gaps stated, without and with their texts; none where the network
            takes no facts.
        known_residuals: Rows to fit the model of the error with stated gaps to; none takes the first half of ``known``.

    Raises:
        EvaluationError: If there are too few rows.
    """
    if len(training) < LEAST_ROWS or len(texts) < LEAST_ROWS:
        raise EvaluationError(
            f"{len(training)} training crystals and {len(texts)} descriptions are too few.", "Give the training file."
        )
    modes, first, second = _halves(validation)
    references, neighbours, limits = _references(training, texts, modes)
    embedding, fingerprint = references["embedding"], replace(neighbours, limit=limits["fingerprint"])
    rows = list(residuals) or first[True] + first[False]
    head, chosen = fit_head(rows, embedding=embedding, fingerprint=fingerprint, coverage=coverage)

    space = Space(embedding, fingerprint, coverage)
    quantiles = {mode: space.factor(head, items) for mode, items in second.items()}
    threshold, accuracy = metal_threshold(first[True] + first[False])
    settings: dict[str, Any] = {
        "method": "split conformal, scaled per crystal by a log-linear model of the error",
        "coverage": coverage,
        "metal_below_ev": threshold,
        "scaled": _widths(head, quantiles) | {"limits": limits},
        "rows": {
            **_counts(rows, origin if residuals else "first half of validation", first, second),
            "training crystals": len(training),
            "training texts": len(texts),
            "warning limits": len(modes[False]),
        },
        "chosen": chosen | {"folds": FIT_FOLDS, "balanced accuracy of metal or not": accuracy},
    }
    arrays = _reference_arrays(references, neighbours) | _head_arrays("head", head)
    if known:
        widths, found = learn_known(known, known_residuals, space)
        settings["scaled"]["known"] = widths.pop("scaled")
        settings["rows"] |= widths.pop("rows")
        settings["chosen"] |= widths
        arrays |= found
    arrays |= _mean_point(training)
    return Learned(settings, {name: np.ascontiguousarray(values) for name, values in arrays.items()})


def _widths(head: ErrorHead, quantiles: dict[bool, float]) -> dict[str, Any]:
    """A model of the error and its conformal factors, with a text (True) and without, for the manifest."""
    return {
        "components": head.components,
        "bias": head.bias,
        "bounds": list(head.bounds),
        "quantile": quantiles[True],
        "quantile_no_text": quantiles[False],
    }


def _counts(rows: Sequence[Seen], origin: str, first: Modes, second: Modes) -> dict[str, str]:
    """How many predictions each part was learned from, for the manifest."""
    return {
        "error model": f"{len(rows)} predictions of {len({item.id for item in rows})} crystals, {origin}",
        "conformal factor": f"{len(second[True])} with text, {len(second[False])} without: second half of validation",
        "metal threshold": f"{len(first[True]) + len(first[False])} predictions: first half of validation",
    }


def _reference_arrays(references: dict[str, Reference], neighbours: Neighbours) -> dict[str, np.ndarray]:
    """Where training crystals and texts lie, for the file of arrays."""
    arrays = {
        f"{name}_{part}": getattr(reference, part)
        for name, reference in references.items()
        for part in ("mean", "whiten")
    }
    return arrays | {
        "fingerprint_vectors": neighbours.vectors.astype(np.float32),
        "fingerprint_spread": neighbours.spread,
    }


def _head_arrays(name: str, head: ErrorHead) -> dict[str, np.ndarray]:
    """A model of the error for the file of arrays."""
    return {f"{name}_{part}": getattr(head, part) for part in ("centre", "spread", "weights")}


def embedding_of(learned: Learned) -> Reference:
    """Where embeddings of training crystals lie, as the artifact will hold it."""
    mean, whiten = (np.asarray(learned.arrays[f"embedding_{part}"], dtype=np.float64) for part in ("mean", "whiten"))
    return Reference(mean, whiten, float(learned.settings["scaled"]["limits"]["embedding"]))


def _mean_point(training: Sequence[Seen]) -> dict[str, np.ndarray]:
    """The mean training crystal as the head reads it: what contributions are counted from.

    None where the artifact has no head.
    """
    points = [item.observation.silent_point for item in training]
    return {
        f"{REFERENCE}{name}": np.mean([point[name] for point in points], axis=0)
        for name in points[0]
        if name != "shift"
    }


Modes = dict[bool, list[Seen]]


def _halves(validation: Sequence[Seen]) -> tuple[Modes, Modes, Modes]:
    """Validation rows with their text (True) and without (False): all, those of the first half, those of the second.

    Raises:
        EvaluationError: If the second half has too few.
    """
    modes = {
        True: [item for item in validation if item.observation.text is not None],
        False: [item.without_text() for item in validation],
    }
    first, second = (
        {mode: [item for item in items if in_second_half(item.id) is half] for mode, items in modes.items()}
        for half in (False, True)
    )
    if min(len(second[True]), len(second[False])) < LEAST_ROWS:
        raise EvaluationError(
            f"The second half of the validation rows has {len(second[True])} described and {len(second[False])} rows "
            "in all.",
            f"Calibration takes at least {LEAST_ROWS} of each; give more rows.",
        )
    return modes, first, second


def _references(
    training: Sequence[Seen], texts: np.ndarray, modes: Modes
) -> tuple[dict[str, Reference], Neighbours, dict[str, float]]:
    """Where training crystals and texts lie, and beyond which distance a crystal or a text is unlike them."""
    vectors = {
        "embedding": np.array([item.observation.graph_embedding for item in training], dtype=np.float64),
        "text": np.asarray(texts, dtype=np.float64),
    }
    references = {name: reference_of(values, components=MOST_COMPONENTS[name]) for name, values in vectors.items()}
    prints = np.array([item.observation.fingerprint for item in training])
    spread = np.maximum(prints.std(axis=0), LEAST_SPREAD)
    # As they are stored, so that what was calibrated is what will be used.
    neighbours = Neighbours((prints / spread).astype(np.float32).astype(np.float64), spread, math.inf)
    limits = distance_limits(references, neighbours, modes[False], modes[True])
    return {name: known._replace(limit=limits[name]) for name, known in references.items()}, neighbours, limits


class Space(NamedTuple):
    """Where crystals are placed, and the share of gaps that intervals shall hold."""

    embedding: Reference
    fingerprint: Neighbours
    coverage: float

    def factor(self, head: ErrorHead, items: Sequence[Seen]) -> float:
        """Factor by which a model's expected errors of some rows are stretched to intervals."""
        features = np.array(
            [
                head_features(
                    item.observation, embedding=self.embedding, fingerprint=self.fingerprint, components=head.components
                )
                for item in items
            ]
        )
        return conformal_quantile(_errors_ev(items) / head.sigma(features), self.coverage)


def learn_known(
    known: Sequence[Seen], residuals: Sequence[Seen], space: Space
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Widths of intervals where the PBE gap is stated.

    Args:
        known: Validation rows observed with their PBE gaps stated, without and with their texts.
        residuals: Held-out rows with stated gaps; none takes the first half of ``known``.
        space: Of the artifact.

    Returns:
        Settings (``scaled``, ``rows``, and what was chosen), and arrays.

    Raises:
        EvaluationError: If there are too few rows.
    """
    first, second = ([item for item in known if in_second_half(item.id) is half] for half in (False, True))
    by_text = {mode: [item for item in second if (item.observation.text is not None) is mode] for mode in (True, False)}
    if min(map(len, by_text.values())) < LEAST_ROWS:
        raise EvaluationError(
            "Too few validation rows have a PBE gap.", f"Calibration takes at least {LEAST_ROWS} with a text."
        )
    rows = list(residuals) or first
    head, chosen = fit_head(rows, embedding=space.embedding, fingerprint=space.fingerprint, coverage=space.coverage)
    scaled = _widths(head, {mode: space.factor(head, items) for mode, items in by_text.items()})
    counts = {
        "error model, PBE gap stated": f"{len(rows)} predictions, "
        + ("held out of training" if residuals else "first half of validation"),
        "conformal factor, PBE gap stated": f"{len(by_text[True])} with text, {len(by_text[False])} without: "
        "second half of validation",
    }
    found = {"scaled": scaled, "rows": counts, "mean width ev, PBE gap stated": chosen["mean width ev"]}
    return found, _head_arrays("known", head)


def reference_of(vectors: np.ndarray, *, components: int) -> Reference:
    """Mean and whitening of vectors ``[rows, width]``, largest variance first.

    The covariance is shrunk towards a multiple of one.

    Columns are brought to one spread first: an Ångström and a share are not to be compared.
    """
    mean, spread = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-3)
    covariance = np.cov((vectors - mean).T / spread[:, None])
    # One where columns vary; a file whose texts are all alike still has to give numbers.
    multiple = max(float(np.trace(covariance)) / len(mean), 1e-6)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(len(mean)) * multiple
    values, axes = np.linalg.eigh(covariance)
    order = np.argsort(-values)[:components]
    return Reference(mean, axes[:, order] / np.sqrt(values[order]) / spread[:, None], math.inf)


def distance_limits(
    references: dict[str, Reference], neighbours: Neighbours, bare: Sequence[Seen], described: Sequence[Seen]
) -> dict[str, float]:
    """Limits beyond which one in a hundred validation crystals, and one in a hundred texts, lies.

    A crystal counts as beyond by either of its two distances.
    """
    distances = {
        "embedding": np.array([references["embedding"].distance(item.observation.graph_embedding) for item in bare]),
        "fingerprint": np.array([neighbours.distance(item.observation.fingerprint) for item in bare]),
    }
    texts = [
        references["text"].distance(item.observation.text_vector)
        for item in described
        if item.observation.text_vector is not None
    ]
    allowed = max(1, int(WARN_SHARE * len(bare)))
    # The two warn together: the strictest common level at which their union stays within the share.
    for beyond in range(allowed, 0, -1):
        limits = {name: float(np.sort(values)[-beyond - 1]) for name, values in distances.items()}
        either = np.logical_or.reduce([values > limits[name] for name, values in distances.items()])
        if either.sum() <= allowed:
            break
    return limits | {"text": float(np.sort(texts)[-max(1, int(WARN_SHARE * len(texts))) - 1])}


def _errors_ev(items: Sequence[Seen]) -> np.ndarray:
    return np.array([item.error_ev for item in items])


def conformal_quantile(scores: np.ndarray, coverage: float) -> float:
    """The ⌈(n + 1) coverage⌉-th smallest of ``n`` scores.

    With it, a new score lies below with at least that probability.

    Raises:
        EvaluationError: If there are too few scores for that.
    """
    rank = math.ceil((len(scores) + 1) * coverage)
    if rank > len(scores):
        raise EvaluationError(
            f"{len(scores)} rows are too few for intervals of {coverage:.0%}.", "Give more rows, or ask for less."
        )
    return float(np.sort(scores)[rank - 1])


def metal_threshold(items: Sequence[Seen]) -> tuple[float, float]:
    """Predicted gap that best divides metals (known gap 0) from the rest, and how well.

    It is judged by the mean of the two shares recognised, which comes second.
    """
    gaps = np.array([max(0.0, item.observation.gap_raw_ev) for item in items])
    metal = np.array([item.gap_ev <= 0 for item in items])
    if not metal.any() or metal.all():
        raise EvaluationError(
            "The validation rows are all metals, or none is.", "Give rows of both kinds, as val and val_metals."
        )
    scores = np.array([((gaps < value)[metal].mean() + (gaps >= value)[~metal].mean()) / 2 for value in THRESHOLDS])
    # The middle of the best stretch: its ends are decided by a single crystal each.
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return round(float(THRESHOLDS[best[len(best) // 2]]), 2), float(scores.max())
