"""`hsegap score` as a user runs it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.batch.rows import COLUMNS
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import PredictRequest
from support.commands import COMMAND, csv_rows, environment, json_rows
from support.needs import installed, needed
from support.processes import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.artifact.artifact import Artifact
    from support.commands import Outcome


def test_rows_are_what_the_predictor_says(
    cifs: Path, tmp_path: Path, score: Callable[..., Outcome], artifact: Artifact
) -> None:
    (tmp_path / "texts.csv").write_text("id,description\nGaAs.cif,GaAs is Zincblende structured.\nSi,Silicon.\n")
    arguments = (cifs, "--descriptions", tmp_path / "texts.csv", "--batch-size", 3)
    outcome = score(*arguments, "-o", "o.jsonl", "--atoms", "--workers", 2)
    assert outcome.status == 0, outcome.stderr
    assert outcome.stdout == ""
    rows = json_rows(tmp_path / "o.jsonl")
    assert [row["id"] for row in rows] == [str(path) for path in sorted(cifs.iterdir())]
    assert [row["index"] for row in rows] == list(range(8))
    atoms = {row["id"]: row["atoms"] for row in json_rows(tmp_path / "o.atoms.jsonl")}
    texts = {"GaAs": "GaAs is Zincblende structured.", "Si": "Silicon."}
    with Predictor(artifact) as predictor:
        for row in rows:
            path = Path(row["id"])
            said = predictor.predict_one(PredictRequest(structure=path.read_text(), description=texts.get(path.stem)))
            expected: dict[str, Any] = said.model_dump(mode="json")
            assert set(row) == {"id", "status", *expected} - {"timings_ms", "atoms"}
            assert row["gap_raw_ev"] == pytest.approx(expected["gap_raw_ev"], abs=1e-6)
            for name in ("formula", "n_atoms", "kind", "description", "warnings", "model"):
                assert row[name] == expected[name]
            assert row["interval_ev"] == pytest.approx(expected["interval_ev"], abs=1e-6)
            for got, want in zip(atoms[row["id"]], expected["atoms"], strict=True):
                assert (got["index"], got["element"]) == (want["index"], want["element"])
                assert got["gate"] == pytest.approx(want["gate"], abs=1e-6)
    # One worker gives the same file; what contributions are counted from stands in it only where atoms are asked for.
    assert score(*arguments, "-o", "one.jsonl", "--atoms", "--workers", 1, "--quiet").stderr == ""
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "o.jsonl").read_bytes()
    # And an end has been made of what the run needed.
    assert sorted(path.name for path in tmp_path.iterdir() if "jsonl" in path.name) == [
        "o.atoms.jsonl", "o.jsonl", "o.jsonl.run.json", "one.atoms.jsonl", "one.jsonl", "one.jsonl.run.json",
    ]  # fmt: skip


def test_summary_exit_status_and_record(cifs: Path, tmp_path: Path, score: Callable[..., Outcome]) -> None:
    (cifs / "broken.cif").write_text("data_x\n_cell_length_a 5\n")
    (cifs / "NOTES.txt").write_text("not a structure")
    outcome = score(cifs, "-o", "o.csv", "--top", 3, env={"COLUMNS": "300"})
    assert outcome.status == 1
    title, _, *best = outcome.stdout.rstrip().splitlines()
    assert title.strip() == "the 3 largest gaps of o.csv"
    answered = sorted(
        (row for row in csv_rows(tmp_path / "o.csv") if row["status"] == "ok"), key=lambda row: -float(row["gap_ev"])
    )
    assert [line.split()[:4:3] for line in best[:3]] == [
        [row["id"], f"{float(row['gap_ev']):.2f}"] for row in answered[:3]
    ]
    assert "9 rows in" in outcome.stderr
    assert "8 ok, 1 errors" in outcome.stderr
    assert "gap, eV" in outcome.stderr
    assert "█" in outcome.stderr
    assert "errors    unreadable_structure 1" in outcome.stderr
    assert "NOTES.txt" in outcome.stderr
    rows = csv_rows(tmp_path / "o.csv")
    assert list(rows[0]) == list(COLUMNS)
    (broken,) = [row for row in rows if row["status"] == "error"]
    assert broken["id"].endswith("broken.cif")
    assert broken["error_message"]
    assert broken["error_hint"]
    assert broken["gap_ev"] == ""
    record = json.loads((tmp_path / "o.csv.run.json").read_text())
    assert record["finished"]
    assert record["tally"]["errors"] == {"unreadable_structure": 1}
    assert record["settings"]["inputs"] == [str(cifs)]


def test_the_name_of_a_file_does_not_steer_the_terminal(cifs: Path, score: Callable[..., Outcome]) -> None:
    (cifs / "\x1b[2J\a.txt").write_text("passed over, and told")
    (cifs / "\x1b[31m.cif").write_text("no structure")
    outcome = score(cifs, "-o", "o.csv", "--fail-fast")
    assert outcome.status == 1
    assert "\\x1b[31m.cif" in outcome.stderr
    assert not [character for character in outcome.stderr if not character.isprintable() and character != "\n"]
    outcome = score(cifs, "-o", "o.csv", "--force")
    assert "\\x1b[2J\\x07.txt" in outcome.stderr
    assert not [character for character in outcome.stderr if not character.isprintable() and character != "\n"]


def test_the_outputs_of_an_earlier_run_are_no_inputs(cifs: Path, score: Callable[..., Outcome]) -> None:
    for out in ("gaps.csv", "again.jsonl"):
        outcome = score(".", "-o", out, "--limit", 20, cwd=cifs)
        assert outcome.status == 0, outcome.stderr
        assert "8 ok, 0 errors" in outcome.stderr


def test_a_list_on_standard_input_and_lines_on_standard_output(cifs: Path, score: Callable[..., Outcome]) -> None:
    names = [cifs / "ZnO.cif", cifs / "gone.cif", cifs / "C.cif"]
    outcome = score("-", "-o", "-", stdin="".join(f"{name}\n" for name in names).encode())
    assert outcome.status == 1
    rows = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [row["id"] for row in rows] == list(map(str, names))
    assert [row["status"] for row in rows] == ["ok", "error", "ok"]


def test_everything_at_once_in_one_file(cifs: Path, tmp_path: Path, score: Callable[..., Outcome]) -> None:
    """A file, an archive, a table and a database, scored in their order into Parquet."""
    parquet = needed("pyarrow.parquet")
    from ase.build import bulk
    from ase.db import connect

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(cifs / "MgO.cif", "sub/MgO.cif")
    line = {"id": "from a table", "cif": (cifs / "NaCl.cif").read_text(), "description": "Halite."}
    (tmp_path / "t.jsonl").write_text(json.dumps(line) + "\n")
    with connect(tmp_path / "d.db") as database:
        database.write(bulk("Ge"))
    outcome = score(cifs / "Si.cif", "a.zip", "t.jsonl", "d.db", "-o", "o.parquet")
    assert outcome.status == 0, outcome.stderr
    rows = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    assert [row["id"] for row in rows] == [str(cifs / "Si.cif"), "a.zip!sub/MgO.cif", "from a table", "d.db#1"]
    assert [row["formula"] for row in rows] == ["Si", "MgO", "NaCl", "Ge"]
    assert [row["description_origin"] for row in rows] == ["none", "none", "given", "none"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cifs", "-o", "o.txt"], (2, ".parquet")),
        (["nothing", "-o", "o.csv"], (1, "no file or folder nothing")),
        (["empty", "-o", "o.csv"], (1, "no structure among the inputs")),
        (["cifs", "-o", "-", "--atoms"], (2, "second file")),
        (["cifs", "-o", "-", "--resume"], (2, "resumed")),
        (["-", "-", "-o", "o.csv"], (2, "read once")),
        (["cifs", "-o", "-", "--top", "3"], (2, "--top")),
        (["cifs", "-o", "o.csv", "--artifact", "nowhere"], (1, "no artifact folder")),
        (["cifs", "-o", "o.csv", "--descriptions", "nowhere.csv"], (1, "nowhere.csv")),
        (["cifs", "-o", "o.csv", "--colour"], (2, "--colour")),
        (["cifs"], (2, "--out")),
        (["-o", "o.csv"], (2, "INPUT")),
        (["cifs", "-o", "o.csv", "--workers", "0"], (2, "--workers")),
    ],
)
def test_what_could_not_run_says_why_and_leaves_nothing(
    cifs: Path, tmp_path: Path, score_here: Callable[..., Outcome], arguments: list[str], expected: tuple[int, str]
) -> None:
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    outcome = score_here(*arguments)
    status, said = expected
    assert outcome.status == status
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_stops_at_the_first_failure_when_asked_to(cifs: Path, tmp_path: Path, score: Callable[..., Outcome]) -> None:
    (cifs / "D.cif").write_text("")
    outcome = score(cifs, "-o", "o.csv", "--batch-size", 2, "--workers", 1, "--fail-fast")
    assert outcome.status == 1
    assert "D.cif" in outcome.stderr
    assert len(csv_rows(tmp_path / "o.csv")) < 9
    outcome = score(cifs, "-o", "o.csv", "--batch-size", 2, "--resume")
    assert outcome.status == 1
    assert len(csv_rows(tmp_path / "o.csv")) == 9


def test_a_failure_known_at_once_waits_for_the_rows_before_it(
    cifs: Path, tmp_path: Path, score: Callable[..., Outcome]
) -> None:
    names = [cifs / "GaAs.cif", cifs / "gone.cif", cifs / "ZnO.cif", cifs / "gone too.cif"]
    listed = "".join(f"{name}\n" for name in names).encode()
    for out in ("o.jsonl", "-"):
        outcome = score("-", "-o", out, "--batch-size", 1, "--workers", 1, "--fail-fast", stdin=listed)
        assert outcome.status == 1, outcome.stderr
        assert f"Stopped at {names[1]}: There is no file" in outcome.stderr
        lines = outcome.stdout.splitlines() if out == "-" else (tmp_path / out).read_text().splitlines()
        assert [json.loads(line)["status"] for line in lines][:2] == ["ok", "error"]


def test_descriptions_are_generated_once_and_kept(cifs: Path, tmp_path: Path, score: Callable[..., Outcome]) -> None:
    installed("robocrys")
    outcome = score(cifs / "MgO.cif", "-o", "a.jsonl", "--describe")
    assert outcome.status == 0, outcome.stderr
    (row,) = json_rows(tmp_path / "a.jsonl")
    assert row["description"]["origin"] == "generated"
    assert "MgO" in row["description"]["text"]
    assert (tmp_path / "cache" / "hsegap" / "descriptions-3.sqlite").is_file()
    # A machine without the generator's library can use what another run has kept: nothing is generated anew.
    without = tmp_path / "without"
    without.mkdir()
    (without / "robocrys.py").write_text("raise ImportError('it is not here')")
    again = score(cifs / "MgO.cif", "-o", "b.jsonl", "--describe", "--quiet", env={"PYTHONPATH": str(without)})
    assert again.status == 0, again.stderr
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    other = score(cifs / "Si.cif", "-o", "c.jsonl", "--describe", "--quiet", env={"PYTHONPATH": str(without)})
    assert other.status == 1, "what nobody has kept cannot be described there"


def test_interrupted_it_says_how_to_go_on(cifs: Path, tmp_path: Path, score: Callable[..., Outcome]) -> None:
    names = "".join(f"{path}\n" for path in cifs.iterdir()) * 50
    process = subprocess.Popen(
        [COMMAND, "score", "-", "-o", "o.csv", "--batch-size", "4"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stderr
    process.stdin.write(names.encode())
    process.stdin.flush()
    state = tmp_path / ".o.csv.hsegap" / "state.json"
    assert until(lambda: state.exists() and json.loads(state.read_text())["batches"] > 2)
    process.send_signal(signal.SIGTERM)
    process.stdin.close()
    said = process.stderr.read().decode()
    assert process.wait(timeout=PATIENCE_S) == 128 + signal.SIGTERM
    assert "--resume" in said
    assert "Traceback" not in said
    rows = len(csv_rows(tmp_path / "o.csv"))
    assert rows >= 8
    # Rows are made durable before the state that counts them: stopped between the two,
    # resuming drops and repeats that one batch.
    assert rows - json.loads(state.read_text())["rows"] in (0, 4)


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(cifs: Path, tmp_path: Path) -> None:
    """On a terminal; what a log gets is read in the other tests."""
    controller, terminal = pty.openpty()
    arguments = [COMMAND, "score", cifs, "-o", tmp_path / "o.csv", "--batch-size", "2"]
    process = subprocess.Popen(arguments, stderr=terminal, env=environment(TERM="xterm", COLUMNS="120"))
    os.close(terminal)
    shown = b""
    while True:
        try:
            block = os.read(controller, 4096)
        except OSError:
            break
        if not block:
            break
        shown += block
    assert process.wait() == 0
    text = shown.decode()
    assert "scoring" in text
    assert "/s" in text
    assert "\x1b[" in text
    assert "8 ok, 0 errors" in text
