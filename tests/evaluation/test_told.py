"""Calibration and evaluation of a network that can be told the PBE gap, by the commands,
on strained crystals of examples/.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hsegap.artifact.artifact import Artifact
from hsegap.evaluation.calibration import LEAST_ROWS
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Known, Prediction, PredictRequest
from hsegap.structures import read
from hsegap.structures.subsets import in_second_half
from support.commands import run_here

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("Si", "MgO", "GaAs", "NaCl")


def rows(label: str, count: int) -> list[dict[str, Any]]:
    """Crystals with a lattice of their own each, gaps made up: the arithmetic is tried, not the network."""
    random = np.random.default_rng(len(label))
    crystals = {name: read((EXAMPLES / f"{name}.cif").read_text()) for name in NAMES}
    made = []
    for index in range(count):
        name = NAMES[index % len(NAMES)]
        structure = crystals[name].to_pymatgen()
        structure.scale_lattice(structure.volume * float(random.uniform(0.9, 1.15)))
        pbe = 0.0 if index % 5 == 0 else float(random.uniform(0.5, 4))
        made.append(
            {
                "id": f"{label}{index}",
                "cif": structure.to(fmt="cif"),
                "hse_gap_ev": 1.3 * pbe + (0.2 if pbe else 0.0),
                "pbe_gap_ev": pbe,
                "description": f"{name} number {index} crystallizes in a cubic space group.",
            }
        )
    return made


@pytest.fixture(scope="module")
def folder(told_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows, the calibrated artifact and its evaluation with known PBE gaps."""
    place = tmp_path_factory.mktemp("told")
    for name, count in (("val", 4 * LEAST_ROWS), ("train", 110), ("test", 8)):
        lines = (json.dumps(row) + "\n" for row in rows(name, count))
        (place / f"{name}.jsonl").write_text("".join(lines))
    for command in (
        (
            *("calibrate", told_artifact, "--rows", "val.jsonl", "--train", "train.jsonl"),
            *("--cache-dir", "cache", "-o", "artifact"),
        ),
        ("evaluate", "test.jsonl", "--artifact", "artifact", "--known", "-o", "evaluation"),
    ):
        done = run_here(*command, cwd=place)
        assert done.status == 0, done.stdout + done.stderr
    return place


def _ask(folder: Path, name: str, **told: Any) -> list[tuple[dict[str, Any], Prediction]]:
    asked = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    requests = [
        PredictRequest(
            structure=row["cif"], known=Known(pbe_gap_ev=row["pbe_gap_ev"]) if told.get("known") else None, atoms=False
        )
        for row in asked
    ]
    with Predictor(Artifact.load(folder / "artifact")) as predictor:
        answers = predictor.predict(requests)
    pairs = [(row, answer) for row, answer in zip(asked, answers, strict=True) if isinstance(answer, Prediction)]
    assert len(pairs) == len(asked)
    return pairs


def test_a_stated_gap_has_a_factor_of_its_own_that_covers(folder: Path) -> None:
    calibration = Artifact.load(folder / "artifact").manifest.calibration
    assert calibration is not None
    assert set(calibration["scaled"]["known"]) >= {"quantile", "quantile_no_text"}
    assert "conformal factor, PBE gap stated" in calibration["rows"]
    held = [(row, answer) for row, answer in _ask(folder, "val", known=True) if in_second_half(row["id"])]
    inside = [
        answer.interval_ev[0] <= row["hse_gap_ev"] <= answer.interval_ev[1]
        for row, answer in held
        if answer.interval_ev is not None
    ]
    assert len(inside) >= LEAST_ROWS
    # These very rows chose the factor: at least nine tenths lie inside, and hardly all of them.
    assert np.mean(inside) >= 0.9
    assert np.mean(inside) < 0.99


def test_the_evaluation_tells_answers_with_a_known_gap_apart(folder: Path) -> None:
    report = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    with (folder / "evaluation" / "predictions.csv").open() as table:
        written = {row["id"]: row for row in csv.DictReader(table)}
    figures = report["figures"]["files"]["test.jsonl"]
    errors = {}
    for variant, known in (("without", False), ("known", True)):
        pairs = _ask(folder, "test", known=known)
        for row, answer in pairs:
            assert float(written[row["id"]][variant]) == pytest.approx(answer.gap_ev, abs=1e-4)
        errors[variant] = np.mean([abs(answer.gap_ev - row["hse_gap_ev"]) for row, answer in pairs])
        assert figures[variant]["errors"]["mae"] == pytest.approx(errors[variant], abs=1e-3)
    assert errors["known"] != pytest.approx(errors["without"], abs=1e-3), "what was told moves nothing"
    assert figures["told"]["errors"]["n"] == 8
