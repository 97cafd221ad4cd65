"""Errors of predictions that a network did not learn from: held-out rows, or what another artifact expects."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from hsegap.evaluation.head import FLOOR_EV
from hsegap.evaluation.rows import EvaluationError
from hsegap.evaluation.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hsegap.prediction.scale import Scaled


class Residual(NamedTuple):
    """Prediction of a row by a network that has not seen it.

    Attributes:
        gap_ev: Known gap.
        prediction: With the row's text, eV.
        prediction_without_text: Without, eV.
        prediction_known: Without text, its PBE gap stated, eV; None where the network takes no facts.
        pbe_estimate: The network's own estimate of the PBE gap, eV; None likewise.
    """

    gap_ev: float
    prediction: float
    prediction_without_text: float
    prediction_known: float | None = None
    pbe_estimate: float | None = None


def read_residuals(paths: Iterable[Path]) -> dict[str, Residual]:
    """Read held-out predictions: CSV with the columns id, target, prediction and prediction_without_text.

    Raises:
        EvaluationError: If a file is missing or has other columns.
    """
    import csv

    found: dict[str, Residual] = {}
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as table:
                for line in csv.DictReader(table):
                    numbers = [float(line[name]) for name in ("target", "prediction", "prediction_without_text")]
                    stated = [
                        float(line[name]) if line.get(name) else None for name in ("prediction_known", "pbe_estimate")
                    ]
                    if all(map(math.isfinite, numbers)):
                        found[line["id"]] = Residual(*numbers, *stated)
        except OSError as error:
            raise EvaluationError(f"{path} could not be read: {error}.", "Check the path.") from None
        except (KeyError, ValueError, TypeError) as error:
            hint = (
                "The columns are id, target, prediction and prediction_without_text, as training writes them for "
                "a held-out fold."
            )
            raise EvaluationError(f"{path} is not a table of held-out predictions ({error}).", hint) from None
    return found


def held_out(seen: Iterable[Seen], residuals: dict[str, Residual], described: set[str]) -> Iterator[Seen]:
    """Training crystals with the predictions of a network that has not seen them.

    With text where they have one, and without.

    Args:
        seen: The crystals, observed without text.
        residuals: Held-out predictions by id.
        described: Ids of rows with a description.
    """
    for item in seen:
        residual = residuals.get(item.id)
        if residual is None:
            continue
        bare = item.observation._replace(
            gap_raw_ev=residual.prediction_without_text,
            gap_without_text_ev=residual.prediction_without_text,
            pbe_estimate_ev=residual.pbe_estimate,
        )
        yield Seen(item.id, residual.gap_ev, bare)
        if item.id in described:
            yield Seen(item.id, residual.gap_ev, bare._replace(gap_raw_ev=residual.prediction, text=""))


def held_out_known(seen: Iterable[Seen], residuals: dict[str, Residual], stated: dict[str, float]) -> Iterator[Seen]:
    """Training crystals with the predictions, their PBE gaps stated, of a network that has not seen them.

    Args:
        seen: The crystals, observed without text.
        residuals: Held-out predictions by id.
        stated: PBE gaps by id.
    """
    for item in seen:
        residual = residuals.get(item.id)
        if residual is None or residual.prediction_known is None or item.id not in stated:
            continue
        told = item.observation._replace(
            gap_raw_ev=residual.prediction_known,
            gap_without_text_ev=residual.prediction_without_text,
            pbe_estimate_ev=residual.pbe_estimate,
            facts={"pbe_gap_ev": stated[item.id]},
        )
        yield Seen(item.id, residual.gap_ev, told)


def expected_alike(seen: Iterable[Seen], former: Iterable[Seen], model: Scaled) -> Iterator[Seen]:
    """Crystals with the errors that another artifact expects of them.

    What it learned from held-out predictions is passed on.

    Networks for the same gaps, trained on the same rows, find the same crystals hard; held-out predictions of each
    would cost a training per fold.

    Args:
        seen: The crystals through the artifact to calibrate.
        former: Some or all of them through the other.
        model: Of the other's errors.
    """
    expected = {(item.id, item.observation.text is not None): model.expected_error(item.observation) for item in former}
    for item in seen:
        error = expected.get((item.id, item.observation.text is not None))
        if error is not None:
            yield replace(item, gap_ev=max(0.0, item.observation.gap_raw_ev) + max(0.0, error - FLOOR_EV))
