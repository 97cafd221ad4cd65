"""Memory does not grow with the number of inputs; benchmarks/scoring.py does the same with a hundred thousand."""

from __future__ import annotations

import json
import subprocess
import time
import tracemalloc
from typing import TYPE_CHECKING

from hsegap.batch.batches import Scored, batched
from hsegap.batch.journal import Journal
from hsegap.batch.rows import row_of
from hsegap.batch.sources import InputOptions, Inputs
from hsegap.batch.target import target_of
from support.commands import COMMAND, environment, json_rows
from support.processes import descendants, memory_kb

if TYPE_CHECKING:
    from pathlib import Path


def write_table(path: Path, crystals: dict[str, str], n: int) -> None:
    texts = list(crystals.values())
    with path.open("w") as stream:
        for number in range(n):
            stream.write(json.dumps({"id": f"c{number}", "cif": texts[number % len(texts)]}) + "\n")


def test_reading_and_writing_need_no_more_memory_for_more_rows(tmp_path: Path, crystals: dict[str, str]) -> None:
    """The run's own process, without workers: their rows are made up, everything else is real."""
    write_table(tmp_path / "many.jsonl", crystals, 12_000)
    (tmp_path / "texts.csv").write_text(
        "id,description\n" + "".join(f"c{number},{'words ' * 40}\n" for number in range(12_000))
    )
    peaks = []
    for limit in (1000, 12_000):
        reading = InputOptions(names=(str(tmp_path / "many.jsonl"),), descriptions=tmp_path / "texts.csv", limit=limit)
        journal = Journal.open(target_of(str(tmp_path / "o.csv")), settings={}, layers=None, resume=False, force=True)
        answer = {"error": {"code": "c", "message": "m", "hint": "h"}}
        tracemalloc.start()
        for batch in journal.remaining(batched(Inputs(reading, note=print), size=256)):
            rows = [row_of(item, answer, index=batch.start + place) for place, item in enumerate(batch.items)]
            journal.commit(Scored(batch.number, batch.digest, rows))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert journal.state.tally.rows == limit
        journal.finish()
        journal.close()
    assert peaks[1] < 1.1 * peaks[0] + 100_000


def test_all_processes_together_stay_as_large_as_they_were(tmp_path: Path, crystals: dict[str, str]) -> None:
    n = 600
    write_table(tmp_path / "many.jsonl", crystals, n)
    command = [COMMAND, "score", "many.jsonl", "-o", "o.jsonl", "--workers", "2", "--batch-size", "16", "--quiet"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment())
    out = tmp_path / "o.jsonl"
    seen: list[tuple[int, float]] = []
    while process.poll() is None:
        size = out.stat().st_size if out.exists() else 0
        total = 0.0
        for pid in (process.pid, *descendants(process.pid)):
            try:
                total += memory_kb(pid)["Pss"] / 1024
            except (OSError, ValueError, IndexError, KeyError):
                continue
        seen.append((size, total))
        time.sleep(0.1)
    assert process.returncode == 0
    assert len(json_rows(out)) == n
    final = out.stat().st_size
    # From the first quarter on, when every worker has loaded what it needs.
    early = [total for size, total in seen if 0.25 * final <= size < 0.5 * final]
    late = [total for size, total in seen if 0.75 * final <= size < final]
    assert early
    assert late
    assert max(late) < 1.1 * max(early) + 10
