"""Calibration: the arithmetic on numbers whose answer is known,
then the whole chain of commands on the real artifact.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hsegap.artifact.artifact import Artifact
from hsegap.artifact.manifest import Manifest
from hsegap.evaluation.calibration import conformal_quantile, metal_threshold, reference_of
from hsegap.evaluation.figures import family
from hsegap.evaluation.residuals import read_residuals
from hsegap.evaluation.rows import EvaluationError
from hsegap.evaluation.seen import Seen
from hsegap.prediction.observed import Neighbours, Observation
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.prediction.uncertainty import CalibrationSettings
from hsegap.structures import build_graph, read
from hsegap.structures.fingerprint import NAMES, fingerprint, widest_empty_layer
from support.commands import Outcome, run_here

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "hse"
ODD = ROOT / "tests" / "odd"


def seen(gap: float, known: float) -> Seen:
    return Seen("x", known, Observation(["Si"], gap, gap, np.zeros(2), np.zeros(len(NAMES)), None, None))


def test_the_quantile_is_the_corrected_one() -> None:
    assert conformal_quantile(np.arange(1.0, 100.0), 0.9) == 90  # ⌈100 · 0.9⌉-th of 99
    assert conformal_quantile(np.arange(1.0, 11.0), 0.9) == 10  # ⌈11 · 0.9⌉-th of 10: the largest
    with pytest.raises(EvaluationError, match="too few"):
        conformal_quantile(np.arange(8.0), 0.9)


def test_new_scores_lie_below_the_quantile_as_often_as_promised() -> None:
    random = np.random.default_rng(3)
    scores = random.lognormal(size=(2000, 60))
    hits = [float(row[-1] <= conformal_quantile(row[:-1], 0.9)) for row in scores]
    assert 0.885 < np.mean(hits) < 0.925


def test_the_threshold_divides_metals_from_the_rest() -> None:
    items = [seen(gap, 0.0) for gap in (-0.5, 0.0, 0.1, 0.18)] + [seen(gap, 1.0) for gap in (0.3, 0.5, 2.0)]
    threshold, accuracy = metal_threshold(items)
    assert 0.18 < threshold <= 0.3
    assert accuracy == 1
    with pytest.raises(EvaluationError, match="all metals"):
        metal_threshold(items[:4])


def test_distances_are_about_one_inside_and_large_outside() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 6)) * [1, 10, 100, 1, 1, 1] + 5
    reference = reference_of(vectors, components=6)
    assert 0.8 < np.mean([reference.distance(vector) for vector in vectors]) < 1.1
    assert reference.distance(vectors.mean(axis=0) + np.array([0, 80, 0, 0, 0, 0])) > 3
    near = Neighbours(vectors / vectors.std(axis=0), vectors.std(axis=0), math.inf)
    assert near.distance(vectors[0]) > 0, "a crystal of the training set is compared with the nearest other one"


def test_the_fingerprint_is_the_crystals_not_the_cells() -> None:
    crystal = read(ROOT / "examples" / "NaCl.cif")
    double = type(crystal).from_pymatgen(crystal.to_pymatgen() * [2, 1, 1])
    one, two = (fingerprint(build_graph(item), item.lattice, item.frac_coords) for item in (crystal, double))
    layer = NAMES.index("widest empty layer")
    np.testing.assert_allclose(np.delete(one, layer), np.delete(two, layer), atol=1e-5)
    slab = read(ODD / "MgO_slab.cif")
    assert widest_empty_layer(slab.lattice, slab.frac_coords) == pytest.approx(20.0, abs=0.1)


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("MgO", "oxides"),
        ("LaOF", "halides"),
        ("ZnS", "chalcogenides"),
        ("GaN", "pnictides"),
        ("Cu", "others"),
        ("CsPbBr3", "halides"),
    ],
)
def test_families(formula: str, name: str) -> None:
    assert family(formula) == name


def test_tables_of_residuals_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = tmp_path / "held_out.csv"
    with pytest.raises(EvaluationError, match="could not be read"):
        read_residuals([path])
    path.write_text("id,target\na,1\n")
    with pytest.raises(EvaluationError, match="not a table"):
        read_residuals([path])


@pytest.mark.parametrize(
    "manifest", sorted((ROOT / "tests" / "export" / "published").glob("manifest-*.json")), ids=lambda path: path.stem
)
def test_manifests_of_every_published_version_are_read(manifest: Path) -> None:
    read_manifest = Manifest.model_validate_json(manifest.read_text())
    if read_manifest.calibration is not None:
        CalibrationSettings.model_validate(read_manifest.calibration)


def test_the_odd_crystals_warn_and_the_ordinary_do_not(artifact: Artifact, predictor: Predictor) -> None:
    if not (artifact.manifest.calibration or {}).get("scaled"):
        pytest.skip("the artifact under test is not calibrated")
    expected: dict[str, set[str]] = {
        name: {"crystal_unlike_training"} for name in ("C60", "MgO_slab", "graphene", "refractory_alloy")
    }
    expected |= {
        name: {"element_not_in_training"} for name in ("PuO2", "AmN") if {"Pu", "Am"} - set(artifact.manifest.elements)
    }
    # The training set has many intermetallics, and molecules of carbon and hydrogen, too.
    expected |= {"Nb3Sn": set(), "HfCr2": set(), "benzene": set()}
    answers = predictor.predict(
        [PredictRequest(structure=(ODD / f"{name}.cif").read_text(), atoms=False) for name in expected]
    )
    for (name, codes), answer in zip(expected.items(), answers, strict=True):
        assert isinstance(answer, Prediction), name
        found = {warning.code for warning in answer.warnings}
        assert codes <= found, name
        assert codes or not found, name


def hsegap(*arguments: object) -> Outcome:
    return run_here(*arguments, cwd=ROOT)


def part(source: str, target: Path, count: int) -> list[dict[str, Any]]:
    """The first small crystals with short texts of a file as a file of their own."""
    with gzip.open(DATA / f"{source}.jsonl.gz", "rt") as lines:
        found = [row for row in map(json.loads, lines) if row["n_sites"] < 15 and row["description"]]
    rows = [row for row in found if len(row["description"]) < 700][:count]
    target.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return rows


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """calibrate, evaluate and card as a user runs them, on part of the real data."""
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data, which is not beside this repository")
    folder = tmp_path_factory.mktemp("chain")
    for name, count in (("val", 70), ("val_metals", 40), ("test", 15), ("test_metals", 10)):
        part(name, folder / f"{name}.jsonl.gz", count)
    train = part("train", folder / "train.jsonl.gz", 110)
    with (folder / "held_out.csv").open("w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["id", "target", "prediction", "prediction_without_text"])
        for index, row in enumerate(train):
            writer.writerow(
                [
                    row["id"],
                    row["hse_gap_ev"],
                    row["hse_gap_ev"] + 0.3 * math.sin(index),
                    row["hse_gap_ev"] + 0.4 * math.cos(index),
                ]
            )
    for command in (
        (
            *("calibrate", artifact_folder, "--rows", f"{folder / 'val.jsonl.gz'},{folder / 'val_metals.jsonl.gz'}"),
            *("--train", folder / "train.jsonl.gz", "--residuals", folder / "held_out.csv"),
            *("--train-rows", 100, "--cache-dir", folder / "cache", "-o", folder / "artifact"),
        ),
        (
            *("evaluate", folder / "test.jsonl.gz", folder / "test_metals.jsonl.gz"),
            *("--artifact", folder / "artifact", "--shuffled", "-o", folder / "evaluation"),
        ),
        (
            "card",
            folder / "artifact",
            "--evaluation",
            folder / "evaluation",
            "--docs",
            folder / "docs" / "model_card.md",
        ),
    ):
        done = hsegap(*command)
        assert done.status == 0, done.stdout + done.stderr
    return folder


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_chain_leaves_an_artifact_that_is_whole_and_calibrated(chain: Path) -> None:
    made = Artifact.load(chain / "artifact")
    calibration = made.manifest.calibration
    assert calibration is not None
    assert "held out of training" in calibration["rows"]["error model"]
    assert 0 < calibration["metal_below_ev"] <= 0.5
    report = hsegap("verify", chain / "artifact", "--json")
    assert report.status == 0, report.stdout
    with Predictor(made) as predictor:
        cif = (ROOT / "examples" / "MgO.cif").read_text()
        text = "MgO is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."
        bare, described = (
            answer
            for answer in predictor.predict(
                [PredictRequest(structure=cif), PredictRequest(structure=cif, description=text)]
            )
            if isinstance(answer, Prediction)
        )
        for answer in (bare, described):
            assert answer.interval_ev is not None
            assert answer.interval_ev[0] < answer.gap_ev < answer.interval_ev[1]
            assert answer.coverage == 0.9
        with Predictor(Artifact.load()) as plain:
            [before] = plain.predict([PredictRequest(structure=cif, description=text)])
        assert isinstance(before, Prediction)
        assert described.gap_raw_ev == before.gap_raw_ev, "calibration changes no gap"


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_card_holds_the_figures_that_were_measured(chain: Path) -> None:
    report = json.loads((chain / "evaluation" / "evaluation.json").read_text())
    with gzip.open(chain / "test.jsonl.gz", "rt") as lines:
        known = {row["id"]: row["hse_gap_ev"] for row in map(json.loads, lines)}
    with (chain / "evaluation" / "predictions.csv").open() as table:
        rows = {row["id"]: row for row in csv.DictReader(table)}
    mae = np.mean([abs(float(rows[name]["given"]) - gap) for name, gap in known.items()])
    inside = np.mean(
        [
            float(rows[name]["interval_low_ev"]) <= gap <= float(rows[name]["interval_high_ev"])
            for name, gap in known.items()
        ]
    )
    given = report["figures"]["files"]["test.jsonl.gz"]["given"]
    assert given["errors"]["mae"] == pytest.approx(mae, abs=1e-4)
    assert given["intervals"]["coverage"] == pytest.approx(inside)
    made = Artifact.load(chain / "artifact")
    card = made.model_card()
    assert f"| {mae:.3f} |" in card
    assert "hsegap evaluate test.jsonl.gz test_metals.jsonl.gz --shuffled" in card
    assert "parity.svg" in made.manifest.files
    assert "](images/model_card_parity.svg)" in (chain / "docs" / "model_card.md").read_text()
    assert (chain / "docs" / "images" / "model_card_parity.svg").is_file()
    assert made.manifest.metrics["test.jsonl.gz, with the descriptions of the file"]["mae"] == given["errors"]["mae"]


@pytest.mark.shared_data
@pytest.mark.slow
def test_figures_of_another_network_are_refused(chain: Path, tmp_path: Path) -> None:
    shutil.copytree(chain / "evaluation", tmp_path / "evaluation")
    report = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    (tmp_path / "evaluation" / "evaluation.json").write_text(json.dumps(report | {"measured_on": "0" * 64}))
    done = hsegap("card", chain / "artifact", "--evaluation", tmp_path / "evaluation", "-o", tmp_path / "out")
    assert done.status == 1
    assert "another network" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.shared_data
@pytest.mark.slow
def test_errors_expected_by_another_artifact_are_passed_on(chain: Path, artifact_folder: Path, tmp_path: Path) -> None:
    """Passed on to the very network they came from they come out alike, though taught by a hundred crystals;
    errors made up do not.
    """
    rows = (
        "--rows",
        f"{chain / 'val.jsonl.gz'},{chain / 'val_metals.jsonl.gz'}",
        "--train",
        chain / "train.jsonl.gz",
        "--like",
        artifact_folder,
    )
    settings = ("--train-rows", 100, "--cache-dir", chain / "cache", "-o", tmp_path / "taught")
    done = hsegap("calibrate", artifact_folder, *rows, *settings)
    assert done.status == 0, done.stdout + done.stderr
    taught, former = Artifact.load(tmp_path / "taught"), Artifact.load(artifact_folder)
    assert taught.manifest.calibration is not None
    origin = f"with the errors that {former.manifest.name} {former.manifest.version} expects"
    assert origin in taught.manifest.calibration["rows"]["error model"]
    with gzip.open(chain / "val.jsonl.gz", "rt") as lines:
        asked = [PredictRequest(structure=row["cif"], atoms=False) for row in map(json.loads, lines)]
    widths = []
    for made in (former, taught, Artifact.load(chain / "artifact")):
        with Predictor(made) as predictor:
            answers = [
                answer for answer in predictor.predict(asked) if isinstance(answer, Prediction) and answer.interval_ev
            ]
            widths.append([answer.interval_ev[1] - answer.gap_ev for answer in answers if answer.interval_ev])
    _, alike, made_up = np.corrcoef(np.log(widths))[0]
    assert alike > 0.5
    assert alike > made_up + 0.2
    refused = hsegap("calibrate", chain / "artifact", *rows, "--residuals", chain / "held_out.csv", *settings)
    assert refused.status == 1
    assert "exclude each other" in refused.stderr
