"""Golden values are reproduced by the shipped artifact, and a wrong number anywhere is noticed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from hsegap.artifact.artifact import Artifact, ArtifactError
from hsegap.artifact.manifest import GoldenCase, write_manifest
from hsegap.prediction.errors import Failure
from hsegap.prediction.golden import MAPS, compare, read_golden, verify

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.prediction.predictor import Predictor


def test_the_artifact_reproduces_its_golden_values(artifact: Artifact, predictor: Predictor) -> None:
    report = verify(artifact, predictor=predictor)
    assert report.passed, report.summary()
    assert "reproduced" in report.summary()
    assert {case.description is None for case in read_golden(artifact)} == {True, False}


def test_a_predictor_of_its_own_is_ended(artifact: Artifact) -> None:
    assert verify(artifact).passed


def with_golden(artifact_folder: Path, target: Path, golden: object) -> Artifact:
    shutil.copytree(artifact_folder, target)
    (target / "golden.json").write_text(json.dumps(golden))
    write_manifest(target, json.loads((target / "manifest.json").read_text()))
    return Artifact.load(target)


def test_a_wrong_gap_or_map_is_named(artifact: Artifact, predictor: Predictor) -> None:
    maps = 0
    for case in read_golden(artifact):
        [answer] = predictor.predict([_request(case)])
        assert compare(case, answer).passed
        wrong_gap = case.expected.model_copy(
            update={"gap_raw_ev": case.expected.gap_raw_ev + 2 * case.expected.tolerance}
        )
        report = compare(case.model_copy(update={"expected": wrong_gap}), answer)
        assert not report.passed
        assert "gap" in report.problem
        for name in MAPS:
            columns = {layer: values for layer, values in getattr(case.expected, name).items() if values}
            if not columns:
                continue
            maps += 1
            shifted = {
                layer: [values[0] + 2 * case.expected.tolerance, *values[1:]] for layer, values in columns.items()
            }
            report = compare(
                case.model_copy(update={"expected": case.expected.model_copy(update={name: shifted})}), answer
            )
            assert not report.passed
            missing = {layer: values[1:] for layer, values in columns.items()}
            assert not compare(
                case.model_copy(update={"expected": case.expected.model_copy(update={name: missing})}), answer
            ).passed
    assert maps


def _request(case: GoldenCase) -> object:
    from hsegap.prediction.schemas import PredictRequest

    return PredictRequest.model_validate(case.model_dump(include={"structure", "format", "description", "known"}))


def test_a_failure_or_nan_never_passes(artifact: Artifact) -> None:
    case = read_golden(artifact)[0]
    report = compare(case, Failure.make("timeout", "It took too long."))
    assert not report.passed
    assert "timeout" in report.problem


def test_an_artifact_without_golden_crystals_does_not_pass(artifact_folder: Path, tmp_path: Path) -> None:
    report = verify(with_golden(artifact_folder, tmp_path / "artifact", []))
    assert not report.passed
    assert "no golden" in report.summary()


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"id": "x"}]', "not json"])
def test_golden_values_that_cannot_be_read_are_named(artifact_folder: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "artifact"
    shutil.copytree(artifact_folder, folder)
    (folder / "golden.json").write_text(content)
    write_manifest(folder, json.loads((folder / "manifest.json").read_text()))
    with pytest.raises(ArtifactError) as caught:
        verify(Artifact.load(folder))
    assert caught.value.code == "artifact_manifest"
