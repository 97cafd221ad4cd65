"""Rows that have no description get one: which of them, and what is written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hsegap.cli import app
from hsegap.commands.describe_rows import chosen_rows
from hsegap.training.errors import DataError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def row(name: str, **fields: object) -> dict[str, object]:
    return {"id": name, "cif": (EXAMPLES / f"{name}.cif").read_text(), **fields}


ROWS = [
    row("Si", n_sites=2, hse_gap_ev=1.1),
    row("MgO", n_sites=2, hse_gap_ev=0.0),
    row("GaAs", n_sites=2, hse_gap_ev=0.0, description="Gallium arsenide."),
    row("NaCl", n_sites=40, hse_gap_ev=0.0),
]


def written(path: Path, items: list[dict[str, object]]) -> Path:
    with gzip.open(path, "wt") as stream:
        stream.writelines(json.dumps(item) + "\n" for item in items)
    return path


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["describe-rows", *map(str, words)])
    return done.exit_code, done.output


def test_the_rows_asked_for_and_no_others_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "new" / "out.jsonl.gz"
    broken = row("Si") | {"id": "broken", "cif": "data_x\n_cell_length_a 1\n", "n_sites": 1, "hse_gap_ev": 0.0}
    source = written(tmp_path / "rows.jsonl.gz", [*ROWS, broken])
    status, said = run(source, "-o", out, "--zero", "hse_gap_ev", "--max-atoms", 16, "--workers", 1)
    assert status == 0, said
    with gzip.open(out, "rt") as stream:
        found = [json.loads(line) for line in stream]
    assert found[1].pop("description").startswith("MgO is Halite, Rock Salt structured")
    assert found == [*ROWS, broken]
    assert "5 rows, 1 newly described" in said
    assert "1 found no words; the first: broken" in said


def test_the_choice_is_the_same_each_time_and_leaves_described_rows_alone() -> None:
    assert chosen_rows(ROWS, most=None, max_atoms=None, zero=None) == [0, 1, 3]
    assert chosen_rows(ROWS, most=None, max_atoms=None, zero="hse_gap_ev") == [1, 3]
    drawn = chosen_rows(ROWS, most=2, max_atoms=None, zero=None)
    assert len(drawn) == 2
    assert drawn == chosen_rows(ROWS, most=2, max_atoms=None, zero=None)


def test_a_row_that_lacks_what_is_asked_about_is_named() -> None:
    with pytest.raises(DataError, match="'Si' has no field n_sites"):
        chosen_rows([row("Si")], most=None, max_atoms=16, zero=None)
    with pytest.raises(DataError, match="'bare' has no field cif"):
        chosen_rows([{"id": "bare"}], most=None, max_atoms=None, zero=None)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    status, said = run(tmp_path / "none.jsonl.gz", "-o", tmp_path / "out.jsonl.gz")
    assert status == 1
    assert "none.jsonl.gz does not exist" in said
    assert not (tmp_path / "out.jsonl.gz").exists()
