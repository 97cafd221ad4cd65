"""Uploads of the Batch tab: what is taken, what is refused, and that nothing of it stays or gets out."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from hsegap.batch.batches import Item
from hsegap.batch.rows import COLUMNS
from hsegap.batch.sources import InputOptions, Inputs
from hsegap.errors import Problem
from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_ITEMS
from hsegap.ui import batch
from hsegap.ui.uploads import Uploads
from support.ui_samples import POSCAR, SILICON, prediction

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.prediction.schemas import Prediction


def make_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def damaged_zip() -> bytes:
    """A zip whose directory is whole and whose compressed bytes are not."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", SILICON * 20)
    content = bytearray(stream.getvalue())
    content[40:60] = b"\xff" * 20
    return bytes(content)


@pytest.mark.parametrize("where", ["outside", "link"])
def test_what_is_no_upload_is_neither_read_nor_deleted(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    victim = tmp_path / "victim.cif"
    victim.write_text(SILICON)
    (folder / "link.cif").symlink_to(victim)
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([folder / "link.cif" if where == "link" else victim], Uploads(folder))
    assert caught.value.code == "invalid_request"
    assert victim.read_text() == SILICON
    assert (folder / "link.cif").is_symlink()


def test_files_archives_and_tables_become_items_named_as_by_the_scorer(tmp_path: Path) -> None:
    single = tmp_path / "POSCAR_GaAs"
    single.write_text(POSCAR)
    packed = make_zip(
        tmp_path / "many.zip",
        {"a/Si.cif": SILICON, "a/": "", "__MACOSX/a/._Si.cif": "x", ".hidden": "x", "b/x.xyz": "1\n", "notes.txt": "x"},
    )
    table = tmp_path / "table.csv"
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["material_id", "cif", "description", "pbe_gap_ev"])
        writer.writerow(["first", SILICON, "Silicon.", "0.6"])
        writer.writerow(["first", SILICON, "", "much"])
    (tmp_path / "gaps.db").write_bytes(b"x")
    names = [single, packed, table, tmp_path / "gaps.db"]
    items, passed = batch.collect(names, Uploads(tmp_path))
    scored = list(Inputs(InputOptions(names=tuple(map(str, names[:3]))), note=lambda _: None))
    folder = f"{tmp_path}/"
    assert [item.id for item in items[:-1]] == [item.id.removeprefix(folder) for item in scored]
    assert [item.structure for item in items[:-1]] == [item.structure for item in scored]
    assert [item.id for item in items[-3:]] == ["first", "first#2", "gaps.db"]
    assert (items[-3].description, items[-3].pbe_gap_ev) == ("Silicon.", 0.6)
    assert items[-2].problem.code == "gap_out_of_range"
    assert "hsegap score" in items[-1].problem.message
    assert passed == {"many.zip": 3}
    assert all(path.exists() for path in names)  # an upload ends by the clock, not because an event named it


def test_no_path_of_an_archive_touches_the_disk(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    packed = make_zip(
        inside / "evil.zip", {"../../escape.cif": SILICON, "/etc/escape.cif": SILICON, "..\\up.cif": SILICON}
    )
    items, _ = batch.collect([packed], Uploads(tmp_path))
    assert [item.problem.code for item in items] == ["unsafe_archive"] * 3
    assert list(tmp_path.rglob("*.cif")) == []


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MAX_UNPACKED", 3_000_000)
    zeros = b"0" * 1_000_000
    for name, members in {"many.zip": 5, "few.zip": 2}.items():
        packed = make_zip(tmp_path / name, {f"{place}.cif": zeros for place in range(members)})
        assert packed.stat().st_size < 10_000
        codes = [item.problem.code if item.problem else "" for item in batch.collect([packed], Uploads(tmp_path)).items]
        assert codes == (["", "", "", "unsafe_archive"] if members == 5 else ["", ""])
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([tmp_path / "few.zip", tmp_path / "few.zip"], Uploads(tmp_path))
    assert caught.value.code == "payload_too_large"


def test_a_broken_archive_costs_itself_and_an_empty_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    (tmp_path / "damaged.zip").write_bytes(damaged_zip())
    (tmp_path / "Si.cif").write_text(SILICON)
    names = [tmp_path / name for name in ("broken.zip", "damaged.zip", "Si.cif")]
    items, _ = batch.collect(names, Uploads(tmp_path))
    assert [item.problem and item.problem.code for item in items] == ["unreadable_input", "unreadable_structure", None]
    (tmp_path / "empty.zip").write_bytes(b"PK\x05\x06" + b"\x00" * 18)
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([tmp_path / "empty.zip"], Uploads(tmp_path))
    assert caught.value.code == "invalid_request"


def test_too_many_items_are_refused(tmp_path: Path) -> None:
    packed = make_zip(tmp_path / "many.zip", {f"{place}.cif": "x" for place in range(MAX_ITEMS + 1)})
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([packed], Uploads(tmp_path))
    assert caught.value.code == "too_many_items"


def answered(item: Item, answer: Prediction | Failure) -> batch.Answered:
    return batch.Answered(item, answer.model_dump(mode="json"))


def test_the_csv_is_that_of_the_scorer_and_holds_no_formula_for_a_spreadsheet() -> None:
    found = batch.Results(3)
    found.add(answered(Item("=cmd()", structure=SILICON, description="A"), prediction(interval=(3.0, 3.5))))
    found.add(answered(Item("b.cif", structure="x"), Failure.make("degenerate_cell", "Flat.")))
    found.add(
        batch.Answered(
            Item("c", problem=Problem("unsafe_archive", "No.", "Yes.")),
            Problem("unsafe_archive", "No.", "Yes.").entry(),
        )
    )
    value = found.value()
    reader = csv.DictReader(io.StringIO(value["csv"]))
    read_back = list(reader)
    assert reader.fieldnames == list(COLUMNS)
    assert read_back[0]["id"] == "'=cmd()"
    assert float(read_back[0]["gap_ev"]) == 3.2
    assert float(read_back[0]["interval_ev_low"]) == 3.0
    assert [row["error_code"] for row in read_back] == ["", "degenerate_cell", "unsafe_archive"]
    assert read_back[1]["gap_ev"] == ""
    # The table shows the same names; the kind is withheld where the crystal is unlike the training set.
    assert set(value["rows"][0]) - {"electronegativity"} <= set(COLUMNS)
    assert value["rows"][0]["kind"] == "unsure"
    assert [entry and entry["structure"] for entry in value["inputs"]] == [SILICON, "x", None]
    assert [entry.get("formula") or entry["error"]["index"] for entry in value["answers"]] == ["TiO2", 1, 2]
    assert (found.failed, found.left_s()) == (2, 0.0)


def test_mean_electronegativity_is_paulings() -> None:
    assert batch.mean_electronegativity("NaCl") == pytest.approx((0.93 + 3.16) / 2)
    assert batch.mean_electronegativity("Ar") is None
