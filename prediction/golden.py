"""Golden values: crystals that went into the artifact with the numbers they gave at export, predicted again here.

A library that sums at the wrong end of a bond, a processor that rounds otherwise, a changed neighbour list: all of them
load without an error and predict nonsense. They do not get past this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from hsegap.artifact.artifact import ArtifactError
from hsegap.artifact.manifest import GoldenCase
from hsegap.prediction.errors import Failure
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact

MAPS = ("gate", "importance", "text_share")


@dataclass(frozen=True)
class CaseReport:
    """How one golden crystal came out.

    Attributes:
        id: Its name.
        passed: Whether every number lies within the tolerance.
        gap_difference_ev: Difference of the gap, eV; None when nothing was predicted.
        map_difference: Largest difference of any per-atom number; None when none was compared.
        tolerance: Largest difference allowed.
        problem: What is wrong, in words; empty when it passed.
    """

    id: str
    passed: bool
    gap_difference_ev: float | None
    map_difference: float | None
    tolerance: float
    problem: str = ""


@dataclass(frozen=True)
class VerifyReport:
    """How all golden crystals came out."""

    cases: tuple[CaseReport, ...]

    @property
    def passed(self) -> bool:
        """Whether there is a golden crystal and all of them passed."""
        return bool(self.cases) and all(case.passed for case in self.cases)

    def summary(self) -> str:
        """One sentence for a log or a terminal."""
        wrong = [case for case in self.cases if not case.passed]
        if not self.cases:
            return "The artifact has no golden crystals to check."
        if wrong:
            return f"{len(wrong)} of {len(self.cases)} golden crystals differ; first {wrong[0].id}: {wrong[0].problem}"
        largest = max(abs(case.gap_difference_ev or 0.0) for case in self.cases)
        return f"{len(self.cases)} golden crystals reproduced, gaps within {largest:.1e} eV."


def read_golden(artifact: Artifact) -> list[GoldenCase]:
    """The artifact's golden crystals.

    Raises:
        ArtifactError: If ``golden.json`` does not hold any (``artifact_manifest``).
    """
    try:
        return TypeAdapter(list[GoldenCase]).validate_python(json.loads(artifact.path("golden.json").read_bytes()))
    except (ValueError, ValidationError) as error:
        message = "golden.json does not hold golden crystals."
        raise ArtifactError(
            "artifact_manifest", message, "Export the artifact again with this version of hsegap."
        ) from error


def verify(artifact: Artifact, *, predictor: Predictor | None = None) -> VerifyReport:
    """Predict the golden crystals and compare.

    Args:
        artifact: A checked artifact.
        predictor: The predictor to go through, which is thereby warm; None makes one and ends it.

    Returns:
        The outcome per crystal.

    Raises:
        ArtifactError: If the golden crystals cannot be read.
    """
    if predictor is None:
        with Predictor(artifact) as own:
            return verify(artifact, predictor=own)
    cases = read_golden(artifact)
    requests: list[PredictRequest | Failure] = []
    for case in cases:
        try:
            requests.append(
                PredictRequest.model_validate(case.model_dump(include={"structure", "format", "description", "known"}))
            )
        except ValidationError:
            requests.append(Failure.make("invalid_request", "The golden crystal is not a valid request."))
    answers = predictor.predict(requests)
    return VerifyReport(tuple(compare(case, answer) for case, answer in zip(cases, answers, strict=True)))


def compare(case: GoldenCase, answer: Prediction | Failure) -> CaseReport:
    """Compare one prediction with what it must be."""
    expected = case.expected
    if isinstance(answer, Failure):
        return CaseReport(
            case.id,
            False,  # noqa: FBT003 - a field
            None,
            None,
            expected.tolerance,
            f"{answer.error.code}: {answer.error.message}",
        )
    gap_difference = answer.gap_raw_ev - expected.gap_raw_ev
    differences = []
    for name in MAPS:
        for layer, values in getattr(expected, name).items():
            if values is None:
                continue
            got = [getattr(atom, name).get(layer) for atom in answer.atoms or ()]
            if len(got) != len(values) or any(value is None for value in got):
                problem = f"{name} of {layer} has {len(got)} values; expected {len(values)}."
                return CaseReport(case.id, False, gap_difference, None, expected.tolerance, problem)  # noqa: FBT003 - a field
            differences += [abs(value - wanted) for value, wanted in zip(got, values, strict=True)]
    largest = max(differences, default=None)
    problem = ""
    if not abs(gap_difference) <= expected.tolerance:
        problem = f"gap {answer.gap_raw_ev:.6f} eV, expected {expected.gap_raw_ev:.6f}."
    elif largest is not None and not largest <= expected.tolerance:
        problem = f"per-atom values differ by up to {largest:.2e}."
    return CaseReport(case.id, not problem, gap_difference, largest, expected.tolerance, problem)
