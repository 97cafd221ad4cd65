"""Predictions against known gaps.

The errors of an artifact on a file of labelled crystals, by the very path that serves.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from hsegap.evaluation.rows import TARGET
from hsegap.evaluation.variants import UNSURE_FACTS, stated_gap
from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import PredictRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hsegap.evaluation.rows import Row
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import Prediction

#: An error beyond this, in eV, counts as a miss that a user would notice.
LARGE_ERROR_EV = 1.0


class RowFailure(NamedTuple):
    """A row that got no prediction."""

    id: str
    code: str
    message: str


@dataclass(frozen=True)
class Errors:
    """Error statistics over some rows, eV.

    Attributes:
        n: Rows counted.
        mae: Mean absolute error.
        median_ae: Median absolute error.
        rmse: Root mean square error.
        bias: Mean of predicted minus known.
        large: Share of rows that are off by more than 1 eV.
    """

    n: int
    mae: float
    median_ae: float
    rmse: float
    bias: float
    large: float

    @classmethod
    def of(cls, predicted: Sequence[float], known: Sequence[float]) -> Errors | None:
        """Statistics of predicted against known gaps; None without rows."""
        if not known:
            return None
        differences = [guess - truth for guess, truth in zip(predicted, known, strict=True)]
        absolute = [abs(difference) for difference in differences]
        return cls(
            n=len(known),
            mae=fmean(absolute),
            median_ae=median(absolute),
            rmse=math.sqrt(fmean(difference**2 for difference in differences)),
            bias=fmean(differences),
            large=fmean(value > LARGE_ERROR_EV for value in absolute),
        )


@dataclass(frozen=True)
class Evaluation:
    """How an artifact did on a file.

    Attributes:
        model: Name, version and SHA-256 of the artifact.
        file: Name of the file.
        target: Column compared with.
        n: Rows predicted.
        described: Rows predicted that have a description.
        as_given: Errors with each row's description where it has one: what a user of the file gets.
        without_text: Errors of the same rows, all descriptions left out.
        described_with_text: Errors of the described rows, with their descriptions.
        described_without_text: Errors of the described rows, descriptions left out.
        mean_predictor: Errors of predicting these rows' own mean for each: what knowing nothing costs.
        coverage: Share of the known gaps inside the interval; None before calibration.
        interval_width_ev: Mean width of the interval; None before calibration.
        failures: Rows without a prediction.
    """

    model: dict[str, str]
    file: str
    target: str
    n: int
    described: int
    as_given: Errors | None
    without_text: Errors | None
    described_with_text: Errors | None
    described_without_text: Errors | None
    mean_predictor: Errors | None
    coverage: float | None
    interval_width_ev: float | None
    failures: list[RowFailure] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"failures": [failure._asdict() for failure in self.failures]}


@dataclass(frozen=True)
class Answers:
    """Predictions of labelled rows, by what was said of each crystal.

    Attributes:
        rows: The rows.
        by_variant: ``without`` every row's prediction without a text, by position; ``given`` those of the rows with a
            description; ``generated`` with a description made from the structure; ``shuffled`` with another row's
            description; ``known`` without a text and with the row's PBE gap stated; ``told`` with both text and PBE
            gap; the others of :data:`hsegap.evaluation.variants.VARIANTS` with a PBE gap that is not quite true.
        failed: Rows without a prediction.
    """

    rows: Sequence[Row]
    by_variant: dict[str, dict[int, Prediction]]
    failed: dict[int, RowFailure]

    @property
    def kept(self) -> list[int]:
        """Positions of the rows that were predicted."""
        return [index for index in range(len(self.rows)) if index not in self.failed]

    def complete(self, variant: str) -> dict[int, Prediction]:
        """Predictions of a variant, of the rows that have no text there those without."""
        found, bare = self.by_variant.get(variant, {}), self.by_variant["without"]
        return {index: found.get(index, bare[index]) for index in self.kept}


class Pass(NamedTuple):
    """One prediction to make.

    Attributes:
        variant: What is said of the crystal, see :class:`Answers`.
        row: Position of the row.
        text: Description, or None.
        pbe_gap_ev: Stated PBE gap, or None.
    """

    variant: str
    row: int
    text: str | None = None
    pbe_gap_ev: float | None = None


def passes(
    rows: Sequence[Row],
    *,
    with_text: bool = True,
    generated: bool = False,
    shuffled: bool = False,
    known: bool = False,
    unsure: bool = False,
) -> list[Pass]:
    """What is to be predicted.

    Args:
        rows: Labelled crystals.
        with_text: Use the descriptions of the rows.
        generated: Have descriptions generated as well.
        shuffled: Give each described row the description of another one, too.
        known: State the PBE gap of the rows that have one, too, without and with the description.
        unsure: State PBE gaps that are off, and HSE gaps as PBE gaps, too.
    """
    described = [index for index, row in enumerate(rows) if row.description is not None] if with_text else []
    found = [Pass("without", index) for index in range(len(rows))]
    found += [Pass("given", index, rows[index].description) for index in described]
    if generated:
        found += [Pass("generated", index) for index in range(len(rows))]
    if shuffled and len(described) > 1:
        # The row half way round: never its own, and not its neighbour, which sorted files make a relative.
        half = len(described) // 2
        others = described[half:] + described[:half]
        found += [
            Pass("shuffled", index, rows[other].description) for index, other in zip(described, others, strict=True)
        ]
    stated = {index: row.pbe_gap_ev for index, row in enumerate(rows) if row.pbe_gap_ev is not None}
    if known:
        found += [Pass("known", index, None, gap) for index, gap in stated.items()]
        found += [
            Pass("told", index, rows[index].description, stated[index]) for index in sorted({*stated} & {*described})
        ]
    for variant in UNSURE_FACTS if unsure else ():
        found += [
            Pass(
                variant,
                index,
                None,
                stated_gap(variant, row=rows[index].id, pbe_gap_ev=gap, hse_gap_ev=rows[index].gap_ev),
            )
            for index, gap in stated.items()
        ]
    return found


def ask(
    rows: Sequence[Row], predictor: Predictor, *, advance: Callable[[], None] | None = None, **variants: bool
) -> Answers:
    """Predict every row, once per variant.

    Args:
        rows: Labelled crystals.
        predictor: What predicts.
        advance: Called after each prediction.
        variants: As for :func:`passes`.
    """
    longest = predictor.artifact.manifest.limits.max_text_chars
    rows = [row.cut(longest) for row in rows]
    wanted = passes(rows, **variants)
    requests = (_request(rows[one.row].structure, one) for one in wanted)
    by_variant: dict[str, dict[int, Prediction]] = {"without": {}}
    failed: dict[int, RowFailure] = {}
    for one, answer in zip(wanted, predictor.predict_iter(requests), strict=True):
        if not isinstance(answer, Failure):
            by_variant.setdefault(one.variant, {})[one.row] = answer
        elif one.variant in {"without", "given"}:
            # A crystal that finds no words is predicted without them.
            failed.setdefault(one.row, RowFailure(rows[one.row].id, answer.error.code, answer.error.message))
        if advance:
            advance()
    return Answers(rows, by_variant, failed)


def evaluate(
    rows: Sequence[Row],
    predictor: Predictor,
    *,
    file: str = "",
    target: str = TARGET,
    with_text: bool = True,
    advance: Callable[[], None] | None = None,
) -> Evaluation:
    """Predict every row and compare.

    Args:
        rows: Labelled crystals.
        predictor: What predicts.
        file: Name for the report.
        target: Column for the report.
        with_text: Predict twice where a row has a description: with it and without. False leaves all descriptions out.
        advance: Called after each prediction (for a progress bar); :func:`predictions_needed` tells how many there will
            be.

    Returns:
        The errors. Rows that failed are listed and counted in none of them.
    """
    return summarise(ask(rows, predictor, with_text=with_text, advance=advance), predictor, file=file, target=target)


def summarise(answers: Answers, predictor: Predictor, *, file: str = "", target: str = TARGET) -> Evaluation:
    """The plain errors of some predictions."""
    rows, kept = answers.rows, answers.kept
    bare, texted, given = answers.by_variant["without"], answers.by_variant.get("given", {}), answers.complete("given")
    kept_described = [index for index in kept if index in texted]
    mean = fmean(rows[index].gap_ev for index in kept) if kept else 0.0
    intervals = [(given[index].interval_ev, rows[index].gap_ev) for index in kept]
    bounded = [(interval, gap) for interval, gap in intervals if interval is not None]
    manifest = predictor.artifact.manifest

    def errors(of: dict[int, Prediction], indices: list[int]) -> Errors | None:
        return Errors.of([of[index].gap_ev for index in indices], [rows[index].gap_ev for index in indices])

    return Evaluation(
        model={"name": manifest.name, "version": manifest.version, "sha256": predictor.artifact.sha256},
        file=file,
        target=target,
        n=len(kept),
        described=len(kept_described),
        as_given=errors(given, kept),
        without_text=errors(bare, kept),
        described_with_text=errors(texted, kept_described),
        described_without_text=errors(bare, kept_described),
        mean_predictor=Errors.of([mean] * len(kept), [rows[index].gap_ev for index in kept]),
        coverage=fmean(low <= gap <= high for (low, high), gap in bounded) if bounded else None,
        interval_width_ev=fmean(high - low for (low, high), _ in bounded) if bounded else None,
        failures=list(answers.failed.values()),
    )


def _request(structure: str, one: Pass) -> PredictRequest | Failure:
    """The request of one row, or the failure a server would answer with."""
    known = None if one.pbe_gap_ev is None else {"pbe_gap_ev": one.pbe_gap_ev}
    try:
        return PredictRequest.model_validate(
            {
                "structure": structure,
                "description": one.text,
                "describe": one.variant == "generated",
                "known": known,
                "atoms": False,
            }
        )
    except ValidationError as error:
        return Failure.from_validation(error)


def predictions_needed(rows: Sequence[Row], **variants: bool) -> int:
    """How many predictions :func:`ask` makes for these rows."""
    return len(passes(rows, **variants))
