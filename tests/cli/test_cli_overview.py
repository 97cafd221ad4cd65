"""`hsegap predict` of many structures: where they come from, the table, sorting, bounds, CSV, exit statuses."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hsegap.batch.rows import COLUMNS
from hsegap.commands.overview import Sort, chosen

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("GaAs", "MgO", "Cu", "Si")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four crystals, one of them in a folder inside, and a note."""
    made = tmp_path / "crystals"
    (made / "inner").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(EXAMPLES / f"{name}.cif", made / ("inner" if name == "Si" else "."))
    (made / "NOTES.txt").write_text("bought on Monday")
    return made


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gaps(outcome: Outcome) -> dict[str, float]:
    return {Path(entry["id"]).stem: entry["gap_ev"] for entry in outcome.json if "error" not in entry}


def table(outcome: Outcome) -> list[list[str]]:
    """Rows of the table, split at blanks."""
    return [line.split() for line in outcome.stdout.splitlines()[1:] if ".cif" in line]


def test_a_folder_is_a_table_with_one_row_each(here: Callable[..., Outcome], folder: Path) -> None:
    outcome = here("predict", folder)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout.split()[:2] == ["file", "formula"]
    known = gaps(here("predict", folder, "--json"))
    assert set(known) == set(NAMES)
    rows = table(outcome)
    assert [Path(row[0]).stem for row in rows] == ["Cu", "GaAs", "MgO", "Si"], "by name, folders among them"
    for path, formula, atoms, gap, interval, kind, *_ in rows:
        assert formula == Path(path).stem
        assert int(atoms) in {4, 8}
        assert float(gap) == pytest.approx(known[formula], abs=0.005)
        assert interval.count("–") == 1
        assert kind in {"metal", "semiconductor", "insulator"}
    assert "NOTES.txt" in outcome.stderr, "what is passed over is told"


def test_patterns_archives_and_packed_files(here: Callable[..., Outcome], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "Cu.cif.gz").write_bytes(gzip.compress((folder / "Cu.cif").read_bytes()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(folder / "MgO.cif", "MgO.cif")
    outcome = here("predict", f"{folder}/**/*i.cif", tmp_path / "Cu.cif.gz", tmp_path / "a.zip", "--json", "--no-atoms")
    assert outcome.status == 0, outcome.stdout
    assert [entry["id"] for entry in outcome.json] == [
        f"{folder}/inner/Si.cif",
        f"{tmp_path}/Cu.cif.gz",
        f"{tmp_path}/a.zip!MgO.cif",
    ]
    assert [entry["index"] for entry in outcome.json] == [0, 1, 2]


def test_a_row_of_a_table_brings_its_text_along(here: Callable[..., Outcome], folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "crystals.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(
            [["id", "cif", "description"], ["mine", (folder / "MgO.cif").read_text(), "MgO is Halite structured."]]
        )
    [given] = here("predict", path, "--json", "--no-atoms").json
    assert (given["id"], given["description"]["text"]) == ("mine", "MgO is Halite structured.")
    [other] = here("predict", path, "--json", "--no-atoms", "--text", "Halite.").json
    assert other["description"]["text"] == "Halite."


def test_a_known_pbe_gap_is_passed_on(here: Callable[..., Outcome]) -> None:
    outcome = here("predict", EXAMPLES / "MgO.cif", "--pbe-gap", "4.5", "--json", "--no-atoms")
    assert outcome.status == 0
    [fact] = outcome.json[0]["facts"]
    assert (fact["name"], fact["value"], fact["origin"]) == ("pbe_gap_ev", 4.5, "request")


def test_sorting_and_bounds(here: Callable[..., Outcome], folder: Path) -> None:
    (folder / "broken.cif").write_text("")
    known = gaps(here("predict", folder, "--json"))
    outcome = here("predict", folder, "--sort", "gap", "--descending", "--json")
    assert outcome.status == 1
    shown = [Path(entry["id"]).stem for entry in outcome.json]
    assert shown == [*sorted(known, key=lambda name: -known[name]), "broken"], "the largest first, errors last"
    low, high = sorted(known.values())[1:3]
    outcome = here("predict", folder, "--min-gap", low, "--max-gap", high)
    assert outcome.status == 1
    assert {Path(row[0]).stem for row in table(outcome)[:3]} == {
        name for name, gap in known.items() if low <= gap <= high
    } | {"broken"}
    assert "2 of 5 have gaps outside the bounds" in outcome.stderr
    assert "unreadable_structure" in outcome.stdout, "the error is told below the table"


def test_every_order_is_one_of_the_answers() -> None:
    def entry(name: str, formula: str, n_atoms: int, gap: float, width: float) -> dict:
        rest = {"interval_ev": [gap, gap + width], "kind": "metal", "warnings": []}
        return {"id": name, "formula": formula, "n_atoms": n_atoms, "gap_ev": gap, **rest}

    failed = {"id": "0", "error": {"code": "internal", "message": "", "hint": ""}}
    entries = [failed, entry("c", "A", 3, 1.0, 0.3), entry("a", "B", 1, 3.0, 0.2), entry("b", "C", 2, 2.0, 0.1)]
    orders = {Sort.gap: "cba", Sort.width: "bac", Sort.formula: "cab", Sort.atoms: "abc", Sort.file: "abc"}
    assert set(orders) == set(Sort)
    for sort, order in orders.items():
        assert [found["id"] for found in chosen(entries, sort=sort)] == [*order, "0"]
    assert chosen(entries) == entries


def test_csv_has_the_columns_of_score(here: Callable[..., Outcome], folder: Path) -> None:
    outcome = here("predict", folder / "GaAs.cif", folder / "gone.cif", "--csv")
    assert outcome.status == 1
    reader = csv.DictReader(io.StringIO(outcome.stdout))
    answered, failed = reader
    assert reader.fieldnames == list(COLUMNS)
    assert (answered["status"], answered["formula"], answered["index"]) == ("ok", "GaAs", "0")
    assert float(answered["interval_ev_low"]) < float(answered["gap_ev"]) < float(answered["interval_ev_high"])
    assert (failed["status"], failed["error_code"], failed["index"]) == ("error", "unreadable_structure", "1")


def test_names_have_room_on_a_narrow_terminal(
    here: Callable[..., Outcome], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    outcome = here("predict", "crystals", columns=80)
    assert all(len(line) <= 80 for line in outcome.stdout.splitlines())
    assert {row[0] for row in table(outcome)} == {
        "crystals/Cu.cif",
        "crystals/GaAs.cif",
        "crystals/MgO.cif",
        "crystals/inner/Si.cif",
    }


@pytest.mark.parametrize(
    ("name", "database", "way"),
    [
        ("mp-149", "the Materials Project", "https://materialsproject.org/materials/mp-149"),
        ("JVASP-1002", "JARVIS-DFT", 'get_jid_data(jid="JVASP-1002"'),
        ("1526655", "the Crystallography Open Database", "https://www.crystallography.net/cod/1526655.cif"),
        ("icsd-51688", "the ICSD", "CIF"),
    ],
)
def test_an_identifier_is_no_file_and_the_way_to_its_file_is_told(
    name: str, database: str, way: str, here: Callable[..., Outcome], beside: Path
) -> None:
    outcome = here("predict", name, "--json")
    assert outcome.status == 1
    [entry] = outcome.json
    assert entry["id"] == name
    assert f"{name} is an identifier of {database}" in entry["error"]["message"]
    assert "network" in entry["error"]["message"]
    assert way in entry["error"]["hint"]
    shutil.copy(EXAMPLES / "Si.cif", beside / name)
    assert here("predict", name, "--json").status == 0, "a file of that name is a file"


def test_an_empty_folder_says_what_is_looked_for(here: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = here("predict", tmp_path, "--json")
    assert outcome.status == 1
    assert "There is no structure in" in outcome.json[0]["error"]["message"]
    outcome = here("predict", tmp_path / "*.cif", "--json")
    assert outcome.status == 1
    assert "No file matches" in outcome.json[0]["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--json", "--csv"], "--csv"),
        (["--sort", "colour"], "colour"),
        (["--min-gap", "2", "--max-gap", "1"], "--min-gap"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(arguments: list[str], named: str, here: Callable[..., Outcome]) -> None:
    outcome = here("predict", EXAMPLES / "Si.cif", *arguments)
    assert outcome.status == 2
    assert named in outcome.stderr
    assert outcome.stdout == ""
