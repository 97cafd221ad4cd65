"""Uploads of the Batch tab: what is taken, what is refused, and that nothing of it stays or gets out."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_ITEMS
from hsegap.prediction.schemas import PredictRequest
from hsegap.ui import batch
from hsegap.ui.uploads import Uploads
from support.ui_samples import POSCAR, SILICON, prediction

if TYPE_CHECKING:
    from pathlib import Path


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


def test_files_and_zips_become_items_in_order(tmp_path: Path) -> None:
    single = tmp_path / "POSCAR_GaAs"
    single.write_text(POSCAR)
    packed = make_zip(
        tmp_path / "many.zip",
        {"a/Si.cif": SILICON, "a/": "", "__MACOSX/a/._Si.cif": "x", ".hidden": "x", "b/x.xyz": "1\n"},
    )
    items = batch.collect([single, packed], Uploads(tmp_path))
    assert [item.name for item in items] == ["POSCAR_GaAs", "a/Si.cif", "b/x.xyz"]
    assert [item.request.format for item in items] == ["poscar", "cif", "xyz"]
    assert all(isinstance(item.request, PredictRequest) for item in items)
    assert single.exists()  # an upload ends by the clock, not because an event named it
    assert packed.exists()


def test_no_path_of_an_archive_touches_the_disk(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    packed = make_zip(
        inside / "evil.zip", {"../../escape.cif": SILICON, "/etc/escape.cif": SILICON, "..\\up.cif": SILICON}
    )
    items = batch.collect([packed], Uploads(tmp_path))
    assert [item.name for item in items] == ["escape.cif", "etc/escape.cif", "up.cif"]
    assert list(tmp_path.rglob("*.cif")) == []


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    zeros = b"0" * (batch.MAX_FILE_BYTES + 1)
    items = batch.collect([make_zip(tmp_path / "one.zip", {"big.cif": zeros, "Si.cif": SILICON})], Uploads(tmp_path))
    assert items[0].request.error.code == "payload_too_large"
    assert isinstance(items[1].request, PredictRequest)
    many = {f"{place}.cif": zeros for place in range(batch.MAX_UNPACKED_BYTES // batch.MAX_FILE_BYTES + 1)}
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([make_zip(tmp_path / "many.zip", many)], Uploads(tmp_path))
    assert caught.value.code == "payload_too_large"
    assert {path.name for path in tmp_path.iterdir()} == {"one.zip", "many.zip"}


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("broken.zip", b"PK\x03\x04 and then nothing", "unreadable_structure"),
        ("damaged.zip", damaged_zip(), "unreadable_structure"),
        ("empty.zip", b"PK\x05\x06" + b"\x00" * 18, "invalid_request"),
    ],
)
def test_a_broken_or_empty_zip_is_named(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([path], Uploads(tmp_path))
    assert caught.value.code == code


def test_too_many_items_are_refused_before_they_are_read(tmp_path: Path) -> None:
    packed = make_zip(tmp_path / "many.zip", {f"{place}.cif": "x" for place in range(MAX_ITEMS + 1)})
    with pytest.raises(batch.BatchError) as caught:
        batch.collect([packed], Uploads(tmp_path))
    assert caught.value.code == "too_many_items"


def test_a_large_file_costs_only_itself(tmp_path: Path) -> None:
    large, small = tmp_path / "large.cif", tmp_path / "small.cif"
    large.write_bytes(b"#" * (batch.MAX_FILE_BYTES + 1))
    small.write_text(SILICON)
    items = batch.collect([large, small], Uploads(tmp_path))
    assert items[0].request.error.code == "payload_too_large"
    assert isinstance(items[1].request, PredictRequest)


def test_the_csv_has_a_line_per_file_and_no_formula_for_a_spreadsheet() -> None:
    rows = [
        batch.row_of("=cmd()", prediction(interval=(3.0, 3.5))),
        batch.row_of("b.cif", Failure.make("degenerate_cell", "Flat.")),
    ]
    read_back = list(csv.DictReader(io.StringIO(batch.rows_csv(rows))))
    assert read_back[0]["file"] == "'=cmd()"
    assert float(read_back[0]["gap_ev"]) == 3.2
    assert float(read_back[0]["interval_low_ev"]) == 3.0
    assert read_back[1]["error"] == "degenerate_cell"
    assert read_back[1]["gap_ev"] == ""


def test_mean_electronegativity_is_paulings() -> None:
    assert batch.mean_electronegativity("NaCl") == pytest.approx((0.93 + 3.16) / 2)
    assert batch.mean_electronegativity("Ar") is None
