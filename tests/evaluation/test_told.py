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
from hsegap.evaluation.card_figures import measured
from hsegap.evaluation.variants import UNSURE_FACTS, VARIANTS, stated_gap
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
                "label_confidence": "high" if index % 2 else "low",
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
        ("evaluate", "test.jsonl", "--artifact", "artifact", "--known", "--unsure", "-o", "evaluation"),
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


def test_how_far_a_fact_may_be_trusted_is_measured(folder: Path) -> None:
    """Each answer to a PBE gap that is off is the predictor's to that very gap."""
    asked = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    with (folder / "evaluation" / "predictions.csv").open() as table:
        written = {row["id"]: row for row in csv.DictReader(table)}
    found = json.loads((folder / "evaluation" / "evaluation.json").read_text())["figures"]["files"]["test.jsonl"]
    with Predictor(Artifact.load(folder / "artifact")) as predictor:
        for variant in UNSURE_FACTS:
            stated = [
                stated_gap(variant, row=row["id"], pbe_gap_ev=row["pbe_gap_ev"], hse_gap_ev=row["hse_gap_ev"])
                for row in asked
            ]
            for row, gap in zip(asked, stated, strict=True):
                request = PredictRequest(structure=row["cif"], known=Known(pbe_gap_ev=gap), atoms=False)
                assert float(written[row["id"]][variant]) == pytest.approx(
                    predictor.predict([request])[0].gap_ev, abs=1e-4
                )
            assert found[variant]["errors"]["n"] == len(asked)
            assert {"coverage", "width_ev"} <= set(found[variant]["intervals"])


def test_stated_gaps_are_off_by_what_is_said_and_the_same_in_every_run() -> None:
    def off(variant: str, pbe_gap_ev: float = 3.0) -> list[float]:
        return [
            stated_gap(variant, row=f"mp-{n}", pbe_gap_ev=pbe_gap_ev, hse_gap_ev=4.2) - pbe_gap_ev for n in range(2000)
        ]

    for variant, deviation in (("off_0.1", 0.1), ("off_0.3", 0.3)):
        assert np.std(off(variant)) == pytest.approx(deviation, rel=0.06)
        assert abs(np.mean(off(variant))) < 4 * deviation / 2000**0.5
        assert off(variant) == off(variant)
        assert set(off(variant, 0.0)) == {0.0}
        assert min(off(variant, 0.05)) == -0.05
    assert set(off("known")) == {0.0}
    assert off("hse_as_pbe")[:1] == [pytest.approx(1.2)]


def test_the_card_shows_known_and_unsure_facts_and_kinds_of_rows(folder: Path) -> None:
    report = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    text = measured([report], parity="parity.svg", bars="errors.svg")
    for variant in ("known", "told", *UNSURE_FACTS):
        mae = report["figures"]["files"]["test.jsonl"][variant]["errors"]["mae"]
        assert f"| {VARIANTS[variant].name} | 8 | {mae:.3f} |" in text
    kind = report["figures"]["all"]["known"]["slices"]["certain labels"]
    assert (
        f"| certain labels, without text, PBE gap known | {kind['errors']['n']} | {kind['errors']['mae']:.3f} |" in text
    )
    assert "**this model**, without text, PBE gap known" in text
    assert "**this model**, without text, PBE gap off" not in text
