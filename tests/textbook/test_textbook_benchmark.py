"""The command that asks an artifact for the textbook's crystals, and what it makes of the answers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.fitted import fit_of
from benchmarks.strained import DEFORMATIONS, Deformation, moved, slope_of
from benchmarks.textbook_figures import Answered, figures_of, line_of
from support.shared_material import SHARED
from support.textbook.crystals import read_textbook

ROOT = Path(__file__).resolve().parents[2]
CRYSTALS = {crystal.name: crystal for crystal in read_textbook()}
STEPS = (-0.01, 0.0, 0.01)


def answered(name: str, gap: float, *, half_width: float = 0.2, warned: bool = False) -> Answered:
    """A crystal of the table with an answer of the shape that a prediction has."""
    interval = (max(0.0, gap - half_width), gap + half_width)
    warnings = [SimpleNamespace(code="unsure")] if warned else []
    return Answered(CRYSTALS[name], SimpleNamespace(gap_ev=gap, interval_ev=interval, warnings=warnings))


def run(*arguments: str, figures: Path) -> tuple[str, dict]:
    command = [sys.executable, "benchmarks/textbook.py", *arguments, "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(figures.read_text())


def test_the_shipped_artifact_answers_the_first_crystals(tmp_path):
    printed, figures = run("--parts", "crystals", "--limit", "3", figures=tmp_path / "figures.json")
    assert "| diamond | C | 3.567 | 5.34 | borlido |" in printed
    assert figures["crystals"]["errors"]["scored, with a gap"]["n"] == 3
    assert figures["crystals"]["unanswered"] == []
    assert figures["crystals"]["interval"]["n"] == 3


@pytest.mark.shared_data
def test_the_lattice_of_test_rows_is_changed(tmp_path):
    if not SHARED.is_dir():
        pytest.skip("needs ../shared/data, which is not beside this repository")
    printed, figures = run("--parts", "strain", "--limit", "2", figures=tmp_path / "figures.json")
    assert "lattice of 2 rows of test.jsonl.gz changed" in printed
    assert 0 < figures["strain"]["1%"]["mean_ev"] < figures["strain"]["2%"]["most_ev"]


def test_training_rows_are_told_apart_and_the_unanswered_counted():
    def row(gap, **changes):
        return {
            "hse_gap_ev": gap,
            "source": "mf",
            "spacegroup": 225,
            "label_confidence": "high",
            "n_sites": 2,
        } | changes

    rows = [
        row(5.0, source="borlido"),
        row(0.0),
        row(2.0, spacegroup=194, source="borlido"),
        row(3.0, n_sites=40),
        row(1.0),
    ]
    fit = fit_of(rows, [0.1, 0.2, 2.5, 3.0, math.nan])
    assert (fit["source borlido"]["n"], fit["source borlido"]["false_metals"]) == (2, 1)
    assert fit["source borlido"]["mae"] == pytest.approx((4.9 + 0.5) / 2)
    assert (fit["cubic"]["n"], fit["cubic"]["unanswered"], fit["cubic"]["with_gap"]) == (4, 1, 2)
    assert fit["cubic, at most 5 atoms"]["mae"] == pytest.approx((4.9 + 0.2) / 2)


def test_an_unknown_part_is_refused():
    done = subprocess.run(
        [sys.executable, "benchmarks/textbook.py", "--parts", "bonds"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "slopes" in done.stderr, "the parts there are"


def test_errors_are_told_apart_by_training_rows_and_metals_count_apart():
    figures = figures_of(
        [
            answered("diamond", 5.14),  # 5.34, in the training rows
            answered("aluminium antimonide", 1.475),  # 1.875, not in them
            answered("copper", 0.5),
            answered("copper(I) oxide", 9.0),  # not verified: counts nowhere
        ]
    )
    errors = figures["errors"]
    assert errors["formula in the training rows"]["mae"] == pytest.approx(0.2)
    assert errors["formula not in the training rows"]["mae"] == pytest.approx(0.4)
    assert errors["scored, with a gap"]["mae"] == pytest.approx(0.3)
    assert errors["no gap"]["mae"] == pytest.approx(0.5)
    assert errors["shown, not scored"]["n"] == 1
    assert figures["false_insulators"] == ["copper"]


def test_false_metals_are_counted_scored_or_not():
    figures = figures_of(
        [
            answered("diamond", 0.19),
            answered("copper(I) oxide", 0.1),
            answered("germanium", 0.1),
            answered("silicon", 0.3),
        ]
    )
    assert figures["false_metals"] == {"of": 3, "all": ["diamond", "copper(I) oxide"], "scored": ["diamond"]}
    assert "**false metal**" in line_of(answered("diamond", 0.19))


def test_a_reference_may_lie_a_little_outside_the_interval_and_warned_crystals_count():
    near, far = answered("diamond", 4.9), answered("silicon", 2.2, warned=True)  # 0.24 and 0.8 eV outside
    interval = figures_of([near, far])["interval"]
    assert (interval["inside"], interval["inside_without_tolerance"]) == (0.5, 0.0)
    assert (interval["warned"], interval["warned_inside"]) == (1, 0.0)


def test_a_crystal_without_an_answer_is_named_and_spoils_the_figure():
    failed = Answered(CRYSTALS["diamond"], SimpleNamespace(error=SimpleNamespace(code="timeout")))
    figures = figures_of([failed, answered("silicon", 1.2)])
    assert figures["unanswered"] == ["diamond"]
    assert math.isnan(figures["errors"]["scored, with a gap"]["mae"]), "left out, it would look better than it is"


def test_moves_count_answers_and_rows():
    found = moved([1.0, 2.0], [[1.6, 2.1], [1.1, 1.9]])
    assert found["share"] == pytest.approx(1 / 4)
    assert found["share_of_rows"] == pytest.approx(1 / 2)
    assert found["most_ev"] == pytest.approx(0.6)
    assert found["unanswered"] == 0
    assert moved([1.0, 2.0], [[1.6, math.nan]])["unanswered"] == 1
    assert moved([1.0, 2.0], [[1.6, math.nan]])["share"] == 1, "a row without an answer is no row that stayed"


@pytest.mark.parametrize(
    ("gaps", "verdict"),
    [
        ([1.25, 1.0, 0.75], "right"),
        ([1.12, 1.0, 0.88], "**wrong**"),
        ([0.75, 1.0, 1.25], "**wrong**"),
        ([1.1, 1.0, 0.4], "right, **cliff**"),
    ],
)
def test_a_slope_is_judged_beside_the_published_one(gaps, verdict):
    assert slope_of(gaps, STEPS, Deformation("x", -25.0, ""))["verdict"] == verdict


def test_every_deformation_potential_is_of_the_textbook_and_carries_its_source():
    assert {reference.crystal for reference in DEFORMATIONS} == {
        "strontium titanate",
        "barium titanate",
        "titanium dioxide (rutile)",
        "magnesium oxide",
        "gallium arsenide",
        "diamond",
    }
    for reference in DEFORMATIONS:
        assert reference.crystal in CRYSTALS
        assert len(reference.source) > 30
        assert -60 < reference.ev < 0, "these gaps close as the lattice grows"
