"""Errors on labelled crystals: the statistics by hand, the reading of files,
and what the shipped artifact says about known crystals.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.artifact.artifact import Artifact
from hsegap.evaluation.evaluate import Errors, evaluate, predictions_needed
from hsegap.evaluation.rows import EvaluationError, read_rows
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: HSE06 gaps of the right size; the test is about the arithmetic, not about the model.
GAPS = {"Si": 1.15, "MgO": 6.5, "GaAs": 1.4}
TEXTS = {"MgO": "MgO is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."}


def row(name: str, **changes: Any) -> dict[str, Any]:
    cif = (EXAMPLES / f"{name}.cif").read_text()
    return {"id": name, "cif": cif, "hse_gap_ev": GAPS[name], "description": TEXTS.get(name)} | changes


def write(path: Path, rows: list[Any]) -> Path:
    lines = "".join(json.dumps(item) + "\n" for item in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    else:
        path.write_text(lines)
    return path


@pytest.fixture(scope="module")
def predictor() -> Iterator[Predictor]:
    with Predictor(Artifact.load()) as opened:
        yield opened


def test_statistics_by_hand() -> None:
    errors = Errors.of([1.0, 2.0, 3.0, 0.0], [1.5, 2.0, 1.0, 0.1])
    assert errors is not None
    assert errors.n == 4
    assert errors.mae == pytest.approx((0.5 + 0 + 2 + 0.1) / 4)
    assert errors.median_ae == pytest.approx(0.3)
    assert errors.rmse == pytest.approx(((0.25 + 4 + 0.01) / 4) ** 0.5)
    assert errors.bias == pytest.approx((-0.5 + 2 - 0.1) / 4)
    assert errors.large == 0.25
    assert Errors.of([], []) is None


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rows_are_read_packed_or_not(tmp_path: Path, name: str) -> None:
    rows = [row("Si"), row("MgO", hse_gap_ev=None), row("GaAs", description="")]
    read = read_rows(write(tmp_path / name, rows))
    assert [item.id for item in read] == ["Si", "GaAs"], "nothing can be compared with a gap that is null"
    assert read[1].description is None
    assert [item.id for item in read_rows(tmp_path / name, limit=1)] == ["Si"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "There is no file"),
        (b"\x1f\x8b\x08\x00 not gzip at all", "could not be read"),
        (gzip.compress(b'{"cif": "x", "hse_gap_ev": 1}\n' * 500, mtime=0)[:-20], "could not be read"),
        (b"data_GaAs\n_cell_length_a 1\n", "not JSON lines"),
        (b"\xff\xfe\x00", "not JSON lines"),
        (b'{"cif": "x"}\n', "Line 1"),
        (b'{"cif": "x", "hse_gap_ev": "large"}\n', "is not a number"),
        (b"[1]\n", "Line 1"),
        (b"", "no row"),
    ],
)
def test_files_that_cannot_be_evaluated_are_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "rows.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EvaluationError) as caught:
        read_rows(path)
    assert said in caught.value.message
    assert caught.value.hint


def test_errors_are_those_of_the_predictions(tmp_path: Path, predictor: Predictor) -> None:
    broken = row("Si", id="broken", cif="data_x\n_cell_length_a 1\n")
    rows = read_rows(write(tmp_path / "rows.jsonl", [row("Si"), broken, row("MgO"), row("GaAs")]))
    ticks: list[None] = []
    report = evaluate(rows, predictor, file="rows.jsonl", advance=lambda: ticks.append(None))

    def gap(name: str, text: str | None) -> float:
        [answer] = predictor.predict([PredictRequest(structure=row(name)["cif"], description=text)])
        assert isinstance(answer, Prediction)
        return answer.gap_ev

    bare = {name: abs(gap(name, None) - GAPS[name]) for name in GAPS}
    texted = abs(gap("MgO", TEXTS["MgO"]) - GAPS["MgO"])
    assert (report.n, report.described) == (3, 1)
    assert report.without_text is not None
    assert report.without_text.mae == pytest.approx(sum(bare.values()) / 3, abs=1e-5)
    assert report.as_given is not None
    assert report.as_given.mae == pytest.approx((bare["Si"] + texted + bare["GaAs"]) / 3, abs=1e-5)
    assert report.described_with_text is not None
    assert report.described_with_text.mae == pytest.approx(texted, abs=1e-5)
    assert report.described_without_text is not None
    assert report.described_without_text.mae == pytest.approx(bare["MgO"], abs=1e-5)
    mean = sum(GAPS.values()) / 3
    assert report.mean_predictor is not None
    assert report.mean_predictor.mae == pytest.approx(sum(abs(mean - known) for known in GAPS.values()) / 3)
    assert [(failure.id, failure.code) for failure in report.failures] == [("broken", "unreadable_structure")]
    assert len(ticks) == predictions_needed(rows) == 5
    json.dumps(report.as_json(), allow_nan=False)


def test_texts_can_be_left_out(tmp_path: Path, predictor: Predictor) -> None:
    report = evaluate(read_rows(write(tmp_path / "rows.jsonl", [row("MgO")])), predictor, with_text=False)
    assert report.described == 0
    assert report.described_with_text is None
    assert report.as_given == report.without_text
