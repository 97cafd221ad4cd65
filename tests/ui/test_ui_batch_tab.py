"""The Batch and Model tabs in a real browser: what is dropped is answered, sorted, filtered, opened and taken away."""

from __future__ import annotations

import csv
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from hsegap.batch.rows import COLUMNS
from support.ui_samples import BROKEN, DESCRIPTION, PEROVSKITE, POSCAR, ROCK_SALT, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A zip with a broken member, a table with texts and a known gap, and a file without a suffix."""
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("inside/Si.cif", SILICON)
        archive.writestr("inside/partial.cif", BROKEN["partial.cif"][0])
        archive.writestr("inside/notes.txt", "x")
    with (tmp_path / "table.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "cif", "description", "pbe_gap_ev"])
        writer.writerow(["perovskite", PEROVSKITE, DESCRIPTION, "1.8"])
        writer.writerow(["salt", ROCK_SALT, "", ""])
    (tmp_path / "POSCAR").write_text(POSCAR)
    return [tmp_path / name for name in ("two.zip", "table.csv", "POSCAR")]


def column(found: Visit, name: str) -> list[str]:
    """The cells of a column of the results, by its head."""
    heads = found.page.locator("#hs-batch thead th").all_inner_texts()
    place = next(place for place, head in enumerate(heads) if head.rstrip(" ↑↓") == name)
    return found.page.locator(f"#hs-batch tbody tr td:nth-child({place + 1})").all_inner_texts()


def test_files_archives_and_tables_are_answered_sorted_filtered_and_taken_away(
    visit: Open, client: httpx.Client, files: list[Path], tmp_path: Path
) -> None:
    found = visit()
    found.batch(files)
    status = found.page.inner_text("#hs-batch-status")
    assert status.startswith("4 predicted, 1 failed")
    assert "1 files in two.zip" in status
    assert column(found, "File") == ["two.zip!inside/Si.cif", "perovskite", "salt", "POSCAR"]
    assert "disordered_structure" in found.page.inner_text("#hs-batch .hs-failures")
    gaps = [float(value) for value in column(found, "Gap (eV)")]
    assert gaps[0] == pytest.approx(client.post("/predict", json={"structure": SILICON}).json()["gap_ev"], abs=0.006)
    assert column(found, "Description")[1].startswith("SrTiO3 is Cubic")
    assert "stated gap" in column(found, "Warnings")[1] or column(found, "PBE gap used")[1] == "1.80"
    assert "_" not in " ".join(column(found, "Warnings")), "warnings in words"

    found.page.get_by_role("button", name="Gap (eV)").click()
    assert [float(value) for value in column(found, "Gap (eV)")] == sorted(gaps)
    middle = (sorted(gaps)[1] + sorted(gaps)[2]) / 2
    for typed, names in {
        f">{middle:.3f}": {
            name for name, gap in zip(("Si", "SrTiO3", "NaCl", "GaAs"), gaps, strict=True) if gap > middle
        },
        f"O & <{gaps[1] + 1:.2f}": {"SrTiO3"},
        f"O & > {gaps[1] + 1:.2f}": set(),
        "Si": {"Si"},
        "gaas": {"GaAs"},
        "warned": {
            row
            for row, warned in zip(column(found, "Formula"), column(found, "Warnings"), strict=True)
            if warned != "–"
        },
    }.items():
        found.page.fill("#hs-batch [data-role=filter]", typed)
        assert set(column(found, "Formula")) == names, typed
        assert found.page.inner_text("#hs-batch [data-role=said]") == f"Rows that fit: {len(names)}"
    found.page.fill("#hs-batch [data-role=filter]", "")
    saved = {}
    for what in ("json", "csv"):
        with found.page.expect_download() as download:
            found.page.click(f"#hs-batch [data-role={what}]")
        saved[what] = tmp_path / f"saved.{what}"
        download.value.save_as(saved[what])
    items = json.loads(saved["json"].read_text())["items"]
    assert [item.get("formula") or item["error"]["code"] for item in items] == [
        "Si", "disordered_structure", "SrTiO3", "NaCl", "GaAs",
    ]  # fmt: skip
    reader = csv.DictReader(saved["csv"].open())
    assert [row["id"] for row in reader] == [item["id"] for item in items]
    assert reader.fieldnames == list(COLUMNS), "the columns of `hsegap score`"
    found.page.wait_for_selector("#hs-batch [data-role=scatter] .main-svg")


def test_on_a_phone_gap_and_kind_are_seen_and_a_row_opens_in_predict(visit: Open, files: list[Path]) -> None:
    found = visit(width=360, height=740)
    found.batch(files[1:])
    for place, name in enumerate(("Gap (eV)", "Kind")):
        head = found.page.locator("#hs-batch thead th").nth(place)
        assert head.inner_text() == name
        box = head.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    row = found.page.locator("#hs-batch tbody tr").first
    gap = float(row.locator("td").first.inner_text())
    row.press("Enter")
    found.answered()
    assert found.page.locator("#hs-tabs [role=tab]").first.get_attribute("aria-selected") == "true"
    assert found.fields() == [PEROVSKITE, DESCRIPTION]
    assert "perovskite" in found.page.inner_text("#hs-source [data-role=said]")
    assert found.gap() == pytest.approx(gap, abs=0.006)
    found.page.go_back()
    found.page.wait_for_selector("#hs-batch tbody tr")


def test_a_batch_without_files_is_named(visit: Open) -> None:
    found = visit()
    found.tab("batch")
    found.page.click("#hs-batch-go")
    assert "invalid_request" in found.page.wait_for_selector("#hs-batch-status [role=alert]").inner_text()


def test_the_model_tab_says_what_answers(visit: Open, client: httpx.Client) -> None:
    found = visit()
    found.tab("model")
    info = client.get("/model").json()
    text = found.page.inner_text("#hs-model")
    assert info["version"] in text
    assert found.page.locator("#hs-model dd").count() == 5
    assert ".jsonl" not in found.page.inner_text("#hs-model"), "no row named after a file"
    assert found.page.locator("#hs-model-folds details[open]").count() == 0
    found.page.evaluate(
        "() => document.querySelectorAll('#hs-model-folds details').forEach((one) => { one.open = true; })"
    )
    assert info["sha256"] in found.page.inner_text("#hs-model-folds")
    assert ".jsonl" not in found.page.inner_text("#hs-model-folds table.hs-measured >> nth=0")
    link = found.page.locator("#hs-model-folds a").evaluate("(link) => link.href")
    assert client.get(link).json()["openapi"]
