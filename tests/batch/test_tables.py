"""Crystals in tables and databases, whole and broken."""

from __future__ import annotations

import csv
import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from hsegap.batch.problems import ScoringError
from hsegap.batch.sources import InputOptions, Inputs, count_inputs
from hsegap.batch.streams import MAX_LINE_BYTES
from hsegap.batch.tables import TableOptions
from hsegap.structures import read as read_structure
from support.needs import needed

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.batch.batches import Item


def read(path: Path, **columns: str) -> list[Item]:
    return list(Inputs(InputOptions(names=(str(path),), table=TableOptions(**columns)), note=print))


def rows_of(crystals: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"id": name, "cif": text, "description": f"about {name}" if name != "Si" else ""}
        for name, text in crystals.items()
    ]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    kind = path.name.split(".", 1)[1]
    if kind in {"csv", "tsv"}:
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "parquet":
        parquet = needed("pyarrow.parquet")
        import pyarrow as pa

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "jsonl.gz", "parquet"])
def test_every_kind_of_table_gives_the_same_crystals(tmp_path: Path, crystals: dict[str, str], kind: str) -> None:
    path = write(tmp_path / f"t.{kind}", rows_of(crystals))
    items = read(path)
    assert [item.id for item in items] == list(crystals)
    assert [item.structure.replace("\r\n", "\n") for item in items] == list(crystals.values())
    assert {item.format for item in items} == {"cif"}
    assert items[0].description == "about GaAs"
    assert next(item for item in items if item.id == "Si").description is None
    assert count_inputs([str(path)]) == (None if kind in {"csv", "tsv"} else len(crystals))


def test_columns_may_be_named(tmp_path: Path, crystals: dict[str, str]) -> None:
    rows = [{"key": "k1", "geometry": crystals["Si"], "words": "w", "id": "other", "cif": "no", "description": "no"}]
    (item,) = read(write(tmp_path / "t.csv", rows), structure="geometry", id="key", text="words")
    assert (item.id, item.structure, item.description, item.format) == ("k1", crystals["Si"], "w", None)


def test_rows_without_an_identifier_are_called_by_their_number(tmp_path: Path, crystals: dict[str, str]) -> None:
    path = write(
        tmp_path / "t.jsonl",
        [{"cif": crystals["Si"]}, {"id": "x", "cif": crystals["Si"]}, {"id": None, "cif": crystals["Si"]}],
    )
    assert [item.id for item in read(path)] == [f"{path}#1", "x", f"{path}#3"]


def test_a_structure_may_be_an_object_of_json(tmp_path: Path) -> None:
    jarvis = {
        "lattice_mat": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        "coords": [[0, 0, 0]],
        "elements": ["Po"],
        "cartesian": False,
    }
    (item,) = read(write(tmp_path / "t.jsonl", [{"jid": "JVASP-1", "atoms": jarvis}]))
    assert item.id == "JVASP-1"
    assert read_structure(item.structure, format=item.format).formula == "Po"


def test_a_bad_line_costs_only_itself(tmp_path: Path, crystals: dict[str, str]) -> None:
    good = json.dumps({"id": "a", "cif": crystals["Si"]})
    path = tmp_path / "t.jsonl"
    path.write_text(f'{good}\n{{"id": \n[1, 2]\n\n{{"id": "n"}}\n{good}\n')
    items = read(path)
    assert [item.problem is None for item in items] == [True, False, False, False, True]
    assert "not JSON" in items[1].problem.message
    assert "not a JSON object" in items[2].problem.message
    assert "no structure" in items[3].problem.message
    assert "--column" in items[3].problem.hint
    assert items[4].id == "a#2"


def test_a_table_cut_short_gives_what_came_before(tmp_path: Path, crystals: dict[str, str]) -> None:
    many = [{"id": f"{name}{number}", "cif": text} for number in range(200) for name, text in crystals.items()]
    path = write(tmp_path / "t.jsonl.gz", many)
    path.write_bytes(path.read_bytes()[:-2000])
    items = read(path)
    assert 0 < len(items) < len(many)
    assert all(item.problem is None for item in items[:-1])
    assert "cannot be read beyond row" in items[-1].problem.message


def test_a_quote_that_never_closes_does_not_swallow_memory(
    tmp_path: Path, crystals: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsegap.batch.streams.MAX_LINE_BYTES", 50_000)
    path = tmp_path / "t.csv"
    path.write_text('id,cif\na,"' + crystals["Si"].replace('"', '""') + '"\nb,"' + "x\n" * 200_000)
    items = read(path)
    assert items[0].problem is None
    assert len(items) == 2
    assert "field larger than" in items[1].problem.message


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_packed_table_of_one_endless_line_does_not_swallow_memory(
    tmp_path: Path, crystals: dict[str, str], suffix: str
) -> None:
    rows = rows_of({"Si": crystals["Si"]})
    whole = write(tmp_path / f"t.{suffix}", rows).read_bytes()
    path = tmp_path / f"packed.{suffix}.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(whole)
        for _ in range(200):
            stream.write(b"x" * 2**20)
    tracemalloc.start()
    items = read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [item.problem is None for item in items] == [True, False]
    assert "a line is longer than" in items[1].problem.message
    assert peak < 6 * MAX_LINE_BYTES


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_a_table_may_end_in_three_ways(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f'\ufeffid,cif{end}a,"data_x{end}loop_"{end}b,data_y{end}'.encode())
    assert [(item.id, item.structure) for item in read(path)] == [("a", f"data_x{end}loop_"), ("b", "data_y")]


@pytest.mark.parametrize("name", ["t.parquet", "t.db", "t.jsonl.gz"])
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x1f\x8bthis is nothing of the kind" * 40)
    before = path.read_bytes()
    (item,) = read(path)
    assert item.problem.code == "unreadable_input"
    assert path.read_bytes() == before, "it was not made a database"


def test_an_ase_database_keeps_every_digit(tmp_path: Path) -> None:
    ase_db = needed("ase.db")
    from ase import Atoms
    from ase.build import bulk, molecule

    path = tmp_path / "t.db"
    silicon = bulk("Si", "diamond", a=5.4310123456789)
    with ase_db.connect(path) as database:
        database.write(silicon, description="silicon it is")
        database.write(molecule("H2O"))
        database.write(Atoms("NaCl", cell=[4, 4, 4], positions=[[0, 0, 0], [2, 2, 2]], pbc=True))
    items = read(path)
    assert [item.id for item in items] == [f"{path}#1", f"{path}#2", f"{path}#3"]
    assert items[0].description == "silicon it is"
    assert "not periodic" in items[1].problem.message
    crystal = read_structure(items[0].structure, format=items[0].format)
    assert abs(crystal.lattice - silicon.cell.array).max() == 0
    assert count_inputs([str(path)]) == 3


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(ScoringError) as caught:
        read(tmp_path / "t.parquet")
    assert caught.value.code == "extra_missing"
    assert "hsegap[batch]" in caught.value.hint
