"""A column of PBE gaps in tables, and what `hsegap score` makes of it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.batch.batches import Item, chain
from hsegap.batch.sources import InputOptions, Inputs
from hsegap.batch.tables import TableOptions
from support.needs import needed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.commands import Outcome


def read(path: Path, *, without_known: bool = False, **columns: str) -> list[Item]:
    options = InputOptions(names=(str(path),), table=TableOptions(**columns), without_known=without_known)
    return list(Inputs(options, note=print))


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        parquet = needed("pyarrow.parquet")
        import pyarrow as pa

        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_column_is_read_from_every_kind_of_table(tmp_path: Path, crystals: dict[str, str], kind: str) -> None:
    gaps = [0.61, 0.0, None, 4.0]
    rows = [{"id": f"r{index}", "cif": crystals["Si"], "pbe_gap_ev": gap} for index, gap in enumerate(gaps)]
    path = write(tmp_path / f"t.{kind}", rows)
    assert [item.pbe_gap_ev for item in read(path)] == gaps
    assert [item.pbe_gap_ev for item in read(path, without_known=True)] == [None] * 4


def test_the_column_may_have_another_name(tmp_path: Path, crystals: dict[str, str]) -> None:
    path = write(tmp_path / "t.csv", [{"id": "a", "cif": crystals["Si"], "mp_gap": "0.61", "pbe_gap_ev": "9"}])
    assert [item.pbe_gap_ev for item in read(path, pbe="mp_gap")] == [0.61]


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "-", "N/A", " "])
def test_an_empty_cell_is_no_gap(tmp_path: Path, crystals: dict[str, str], cell: str) -> None:
    path = write(tmp_path / "t.csv", [{"id": "a", "cif": crystals["Si"], "pbe_gap_ev": cell}])
    (item,) = read(path)
    assert (item.problem, item.pbe_gap_ev) == (None, None)


@pytest.mark.parametrize("cell", ["wide", "1,17", True, [1.0]])
def test_a_cell_that_is_no_number_costs_its_row(tmp_path: Path, crystals: dict[str, str], cell: object) -> None:
    path = write(tmp_path / "t.jsonl", [{"id": "a", "cif": crystals["Si"], "pbe_gap_ev": cell}])
    (item,) = read(path)
    assert item.problem is not None
    assert item.problem.code == "gap_out_of_range"
    assert "pbe_gap_ev" in item.problem.message


def test_a_database_has_the_column_among_its_keys(tmp_path: Path) -> None:
    database = needed("ase.db")
    from ase.build import bulk

    with database.connect(tmp_path / "t.db") as connection:
        connection.write(bulk("Si"), pbe_gap_ev=0.61)
        connection.write(bulk("Ge"))
    assert [item.pbe_gap_ev for item in read(tmp_path / "t.db")] == [0.61, None]


def test_another_gap_is_another_input() -> None:
    items = [Item("a", structure="x", pbe_gap_ev=gap) for gap in (None, 0.0, 0.61)]
    assert len({chain("", [item]) for item in items}) == 3


def test_rows_say_what_was_known_and_by_how_much_it_moved_them(
    tmp_path: Path, crystals: dict[str, str], score: Callable[..., Outcome], told_artifact: Path
) -> None:
    rows = [
        {"id": "told", "cif": crystals["NaCl"], "pbe_gap_ev": 5.1, "description": ""},
        {"id": "alone", "cif": crystals["NaCl"], "pbe_gap_ev": "", "description": ""},
        {"id": "text", "cif": crystals["NaCl"], "pbe_gap_ev": "", "description": "PBE gap: 5.1 eV"},
        {"id": "wrong", "cif": crystals["NaCl"], "pbe_gap_ev": "-2", "description": ""},
    ]
    table = write(tmp_path / "t.csv", rows)
    outcome = score(table, "-o", tmp_path / "out.csv", "--artifact", told_artifact, "--workers", "1")
    assert outcome.status == 1, outcome.stderr
    with (tmp_path / "out.csv").open(newline="") as stream:
        told, alone, text, wrong = csv.DictReader(stream)
    assert (told["pbe_gap_ev"], alone["pbe_gap_ev"], text["pbe_gap_ev"]) == ("5.1", "", "5.1")
    assert told["gap_raw_ev"] == text["gap_raw_ev"] != alone["gap_raw_ev"]
    assert float(told["pbe_gap_effect_ev"]) == pytest.approx(
        float(told["gap_raw_ev"]) - float(alone["gap_raw_ev"]), abs=2e-5
    )
    assert float(told["gap_without_text_ev"]) == pytest.approx(float(alone["gap_ev"]), abs=2e-5)
    assert told["pbe_gap_estimate_ev"] == alone["pbe_gap_estimate_ev"] != ""
    assert (wrong["status"], wrong["error_code"]) == ("error", "gap_out_of_range")
    assert "pbe_gap_ev" in wrong["error_message"]
    bare = score(
        table,
        "-o",
        tmp_path / "bare.csv",
        "--artifact",
        told_artifact,
        "--workers",
        "1",
        "--without-known",
        "--without-text",
    )
    assert bare.status == 0, bare.stderr
    with (tmp_path / "bare.csv").open(newline="") as stream:
        assert {row["gap_raw_ev"] for row in csv.DictReader(stream)} == {alone["gap_raw_ev"]}
