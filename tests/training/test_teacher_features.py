"""``hsegap teacher``: files of features, a run that goes on, and what is said where the teacher is not installed."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hsegap.cli import app
from hsegap.training import teacher_features
from hsegap.training.teacher_features import write_features
from support.crystals import GAAS_CIF
from support.service_samples import NACL, cif


class Potential:
    """Stands for CHGNet, which needs an environment of its own: the same three calls,
    vectors made of atomic numbers.
    """

    def __init__(self):
        self.seen = 0

    def graph_converter(self, structure):
        if "Xe" in {site.specie.symbol for site in structure}:
            raise ValueError("isolated atoms")
        return structure

    def predict_graph(self, graphs, *, task, return_atom_feas, batch_size):
        assert (task, return_atom_feas, batch_size) == ("em", True, len(graphs))
        self.seen += len(graphs)
        numbers = [np.array([site.specie.Z for site in graph], dtype=float) for graph in graphs]
        answers = [{"atom_fea": np.repeat(n[:, None], 64, axis=1), "m": n[:, None] / 10} for n in numbers]
        return answers[0] if len(answers) == 1 else answers


@pytest.fixture
def rows(tmp_path):
    content = [
        {"id": "salt", "n_sites": 8, "cif": NACL},
        {"id": "arsenide", "n_sites": 8, "cif": GAAS_CIF},
        {"id": "broken", "n_sites": 1, "cif": "data_nothing"},
        {"id": "large", "n_sites": 61, "cif": GAAS_CIF},
        {"id": "lonely", "n_sites": 4, "cif": cif([("Xe", 0, 0, 0)])},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in content))
    return path


def test_what_is_written(rows, tmp_path, monkeypatch):
    potential = Potential()
    monkeypatch.setattr(teacher_features, "_chgnet", lambda: potential)
    assert write_features([rows], tmp_path / "out") == 2
    with np.load(tmp_path / "out" / "00000.npz") as content:
        assert sorted(content["ids"]) == ["arsenide", "salt"]
        first = content["first"]
        assert first[-1] == len(content["numbers"]) == len(content["features"]) == len(content["moments"])
        for name, one, other in zip(content["ids"], first, first[1:], strict=False):
            numbers = content["numbers"][one:other]
            assert set(numbers) == ({11, 17} if name == "salt" else {31, 33})
            assert (content["features"][one:other] == numbers[:, None]).all()
    assert potential.seen == 2
    # What has its features is not asked for again.
    assert write_features([rows], tmp_path / "out") == 0
    assert potential.seen == 2


@pytest.mark.skipif(importlib.util.find_spec("chgnet") is not None, reason="CHGNet is installed here")
def test_without_the_teacher(rows, tmp_path):
    result = CliRunner().invoke(app, ["teacher", str(rows), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "environment of its own" in result.output
    assert not (tmp_path / "out").exists()
