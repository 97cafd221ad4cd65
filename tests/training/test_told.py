"""Gaps estimated by a network that is told the PBE gap: its own answers, for the rows that need one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hsegap.artifact.artifact import Artifact
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Known, Prediction, PredictRequest
from hsegap.training.data import ESTIMATED, read_jsonl
from support.commands import run_here
from support.networks import TOLD, random_network

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PBE = {"Si": 0.61, "MgO": 4.45, "GaAs": 0.19, "NaCl": 5.0, "Cu": 0.0}


def row(name: str, **more: Any) -> dict[str, Any]:
    cif = (EXAMPLES / f"{name}.cif").read_text()
    return {"id": name, "formula": name, "cif": cif, "pbe_gap_ev": PBE[name], **more}


@pytest.fixture
def checkpoint(told_artifact: Path) -> Path:
    """The checkpoint that ``told_artifact`` was exported from."""
    return told_artifact.parent / "told.pt"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows = [
        *map(row, PBE),
        {**row("Si"), "id": "broken", "cif": "data_x"},
        {**row("Si"), "id": "bare", "pbe_gap_ev": None},
    ]
    (tmp_path / "pbe.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (tmp_path / "train.jsonl").write_text(json.dumps(row("GaAs", hse_gap_ev=1.4)) + "\n")
    return tmp_path


def transfer(folder: Path, checkpoint: Path, *more: str) -> Any:
    return run_here(
        *("transfer", "pbe.jsonl", "--learn", "train.jsonl", "--network", checkpoint, "-o", "out.jsonl.gz", *more),
        cwd=folder,
    )


def test_the_estimates_are_what_the_network_answers_when_told(files, checkpoint, told_artifact):
    done = transfer(files, checkpoint, "--measure", "train.jsonl")
    assert done.status == 0, done.stderr
    assert "4 rows with an estimated hse_gap_ev, 1 known ones left out, 1 without pbe_gap_ev left out" in done.stderr
    assert "mean absolute error on 1 other crystals" in done.stderr
    with gzip.open(files / "out.jsonl.gz", "rt") as lines:
        written = {item["id"]: item for item in map(json.loads, lines)}
    assert set(written) == set(PBE) - {"GaAs"}, "a known row, or one that cannot be read, was given an estimate"
    with Predictor(Artifact.load(told_artifact)) as predictor:
        for name, item in written.items():
            request = PredictRequest(structure=item["cif"], known=Known(pbe_gap_ev=PBE[name]), atoms=False)
            [answer] = predictor.predict([request])
            assert isinstance(answer, Prediction)
            assert item["hse_gap_ev"] == pytest.approx(answer.gap_ev, abs=2e-4)
            assert item["label_confidence"] == ESTIMATED
    assert all(one.estimated for one in read_jsonl(str(files / "out.jsonl.gz"), target="hse_gap_ev"))


def test_networks_that_cannot_be_told_and_other_columns_are_refused(files, checkpoint):
    deaf = random_network(text_features=16, alignn_layers=1, gcn_layers=1, **{**TOLD, "facts": (), "pbe_head": "none"})
    torch.save({"model": deaf.state_dict(), "config": deaf.config.model_dump()}, files / "deaf.pt")
    done = transfer(files, files / "deaf.pt")
    assert done.status == 1
    assert "to be told a PBE gap" in done.stderr
    assert not (files / "out.jsonl.gz").exists()
    assert transfer(files, checkpoint, "--source", "mf").status == 2
    (files / "none.pt").write_bytes(b"nothing")
    done = transfer(files, files / "none.pt")
    assert done.status == 1
    assert "none.pt" in done.stderr
