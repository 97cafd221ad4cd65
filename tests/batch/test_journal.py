"""What is on disk after each way a run can end, and what a second run makes of it."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from hsegap.batch.batches import Item, batched
from hsegap.batch.problems import ScoringError
from hsegap.batch.rows import row_of
from hsegap.batch.target import target_of
from support.commands import csv_rows, json_rows
from support.journals import SETTINGS, SIZE, N, answer, items, open_journal, run
from support.needs import needed


def outputs(out: Path) -> tuple[bytes, bytes]:
    return out.read_bytes(), out.with_name(f"{out.stem}.atoms{out.suffix}").read_bytes()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_way_to_the_end_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    assert run(whole) == list(range(6))
    expected = outputs(whole)
    for name, first, order in (
        ("a", 2, "in order"),
        ("b", 0, "in order"),
        ("c", 3, "backwards"),
        ("d", 6, "backwards"),
    ):
        out = tmp_path / f"{name}.{suffix}"
        run(out, stop_after=first, order=order)
        again = run(out, resume=True)
        assert len(again) == 6 - first, "nothing that was finished is computed again, not even what waited for its turn"
        assert outputs(out) == expected
        assert sorted(path.name for path in tmp_path.glob(f".{name}.*")) == [], "no state is left"
        assert json.loads((tmp_path / f"{name}.{suffix}.run.json").read_text())["tally"]["ok"] == 19


def test_csv_and_parquet_hold_the_fields_of_the_json(tmp_path: Path) -> None:
    parquet = needed("pyarrow.parquet")
    from hsegap.batch.rows import flat

    for suffix in ("csv", "jsonl", "parquet"):
        run(tmp_path / f"o.{suffix}")
    lines = json_rows(tmp_path / "o.jsonl")
    assert len(lines) == N
    assert not any("timings_ms" in line or "atoms" in line for line in lines)
    table = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    assert table == [flat(line) for line in lines]
    for text, row in zip(csv_rows(tmp_path / "o.csv"), table, strict=True):
        assert list(text) == list(row)
        assert text["id"] == row["id"]
        assert text["gap_ev"] == ("" if row["gap_ev"] is None else repr(row["gap_ev"]))
        assert text["description_text"] == (row["description_text"] or "")
        assert json.loads(text["warnings"]) == row["warnings"]
    atoms = parquet.read_table(tmp_path / "o.atoms.parquet").to_pylist()
    assert len(atoms) == 19
    assert atoms[0] == {
        "id": "c0", "index": 0, "atom": 0, "element": "Si", "x": 0.0, "y": 0.25, "z": 0.333333,
        "gate_layer_2": 0.5, "importance_layer_2": None, "text_share_layer_2": None,
    }  # fmt: skip
    assert [row["atom"] for row in csv_rows(tmp_path / "o.atoms.csv")] == ["0"] * 19
    assert json_rows(tmp_path / "o.atoms.jsonl")[0]["atoms"][0]["gate"] == {"layer_2": 0.5}


def test_bytes_of_a_commit_that_did_not_finish_are_cut_off(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole.csv", tmp_path / "o.csv"
    run(whole)
    run(out, stop_after=3)
    with out.open("ab") as stream:
        stream.write(b'c12,12,ok,half a row, "')
    parked = tmp_path / ".o.csv.hsegap" / "parked"
    (parked / "4.json").write_text('{"number": 4, "rows": [')
    (parked / "5.json.tmp").write_text("x")
    run(out, resume=True)
    assert outputs(out) == outputs(whole)


def run_killed(out: Path, *, at: int, order: str) -> bool:
    """Run in a process that is killed before it changes the disk for the so manyeth time; whether it came to that."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def counting(real: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return call

        try:
            os.fsync, os.unlink, os.rmdir = counting(os.fsync), counting(os.unlink), counting(os.rmdir)
            Path.replace, Path.unlink = counting(Path.replace), counting(Path.unlink)
            run(out, resume=True, order=order)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(("suffix", "order"), [("csv", "in order"), ("parquet", "backwards")])
def test_killed_before_each_change_of_the_disk(tmp_path: Path, suffix: str, order: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    run(whole)
    at = 1
    while run_killed(tmp_path / f"o{at}.{suffix}", at=at, order=order):
        run(tmp_path / f"o{at}.{suffix}", resume=True)
        assert outputs(tmp_path / f"o{at}.{suffix}") == outputs(whole), f"killed at change {at}"
        at += 1 if at < 9 else 11
    assert at > 25


def test_a_second_run_on_the_same_output_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    journal = open_journal(out)
    (tmp_path / "link.csv").symlink_to(out)
    for name in (out, tmp_path / "link.csv"):
        with pytest.raises(ScoringError) as caught:
            open_journal(name, resume=True)
        assert caught.value.code == "locked"
    journal.close()
    open_journal(out, resume=True).close()


def test_nothing_is_replaced_by_accident(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    out.write_text("somebody's own table\n")
    for resume in (False, True):
        with pytest.raises(ScoringError) as caught:
            open_journal(out, resume=resume)
        assert caught.value.code == "output_exists"
    assert out.read_text() == "somebody's own table\n"
    assert [path.name for path in tmp_path.iterdir()] == ["o.csv"]
    run(out, force=True)
    with pytest.raises(ScoringError) as caught:
        open_journal(out)
    assert "finished" in caught.value.message
    (tmp_path / "empty.csv").touch()
    run(tmp_path / "empty.csv")


def test_a_finished_run_may_be_resumed_and_stays_as_it_is(tmp_path: Path) -> None:
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"o.{suffix}"
        run(out)
        before = outputs(out)
        assert run(out, resume=True) == []
        assert outputs(out) == before


def test_changed_settings_are_named_and_refused_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    run(out, stop_after=2)
    with pytest.raises(ScoringError) as caught:
        open_journal(out, resume=True, settings={**SETTINGS, "artifact": "another"})
    assert caught.value.code == "settings_changed"
    assert "artifact: null before, another now" in caught.value.message
    open_journal(out, resume=True, force=True, settings={**SETTINGS, "artifact": "another"}).close()


@pytest.mark.parametrize("inputs", [items(changed=3), items()[1:], items(n=5)], ids=["changed", "removed", "cut"])
def test_changed_inputs_are_refused_unless_forced(tmp_path: Path, inputs: list[Item]) -> None:
    out = tmp_path / "o.csv"
    run(out, stop_after=2)
    journal = open_journal(out, resume=True)
    with pytest.raises(ScoringError) as caught:
        list(journal.remaining(batched(inputs, size=SIZE)))
    assert caught.value.code == "inputs_changed"
    list(journal.remaining(batched(inputs, size=SIZE), force=True))
    journal.close()


def test_an_output_shorter_than_the_run_left_it_is_noticed(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    run(out, stop_after=2)
    out.write_bytes(out.read_bytes()[:100])
    with pytest.raises(ScoringError) as caught:
        open_journal(out, resume=True)
    assert caught.value.code == "output_changed"


def test_force_starts_over(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    run(out, stop_after=2)
    assert run(out, force=True) == list(range(6))


def test_a_full_disk_is_told_and_nothing_written_before_is_lost(tmp_path: Path) -> None:
    """The kernel's limit on file sizes stands for the disk: writing fails in the same place."""
    whole, out = tmp_path / "whole.csv", tmp_path / "o.csv"
    run(whole)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
    try:
        with pytest.raises(ScoringError) as caught:
            run(out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "disk_full"
    assert "--resume" in caught.value.hint
    run(out, resume=True)
    assert outputs(out) == outputs(whole)


@pytest.mark.parametrize(("name", "said"), [("o.txt", ".parquet"), ("nowhere/o.csv", "no folder"), (".", "format")])
def test_outputs_that_cannot_be(tmp_path: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScoringError) as caught:
        target_of(name)
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_state_of_another_program_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    run(out, stop_after=2)
    state = tmp_path / ".o.csv.hsegap" / "state.json"
    for text in ("{", json.dumps({**json.loads(state.read_text()), "schema": 99})):
        state.write_text(text)
        with pytest.raises(ScoringError) as caught:
            open_journal(out, resume=True)
        assert caught.value.code == "state"


def test_numbers_differ_from_run_to_run_in_no_digit_that_is_written() -> None:
    shaky = {
        **answer(0),
        "gap_ev": 1.0000000298,
        "gap_raw_ev": -1e-9,
        "modality_weights": {"graph": float("nan"), "text": 1.0},
    }
    row = row_of(Item("x"), shaky, index=0)
    assert row["gap_ev"] == 1.0
    assert str(row["gap_raw_ev"]) == "0.0"
    assert row["modality_weights"] == {"graph": None, "text": 1.0}


def test_an_unwritable_folder_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / ".o.csv.hsegap").write_text("a file where the state's folder has to be")
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(ScoringError) as caught:
        open_journal(tmp_path / "o.csv")
    tmp_path.chmod(0o700)
    assert caught.value.code == "output"
