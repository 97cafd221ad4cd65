"""What `hsegap score` takes: rate and memory by number of workers, memory over many inputs, repeated kills, and the cost of the journal.

python benchmarks/scoring.py workers   1 000 real crystals with 1 and 2 workers, and on Ray: rate, peak memory
python benchmarks/scoring.py memory    100 000 small crystals: memory of all processes over time
python benchmarks/scoring.py kills     1 000 real crystals, killed five times at random moments and resumed
python benchmarks/scoring.py writer    rows a second that one journal makes durable, the bound of one run on a large cluster

The real crystals are the first of ../shared/data/hse/train.jsonl.gz; memory is the proportional set size (PSS) summed over the run's
processes, so that pages which workers share count once.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "hse" / "train.jsonl.gz"
COMMAND = Path(sys.executable).parent / "hsegap"
#: Where ``memory`` writes what it has seen, from ``--samples``.
samples: Path | None = None
SMALL = ("GaAs", "MgO", "NaCl", "Si", "ZnO", "Ge", "C", "CaF2")


def unpack(folder: Path, n: int) -> Path:
    """The first real crystals as CIF files, and their descriptions as a table."""
    cifs = folder / "cifs"
    cifs.mkdir()
    with gzip.open(DATA, "rt") as rows, (folder / "texts.jsonl").open("w") as texts:
        for row in map(json.loads, itertools.islice(rows, n)):
            (cifs / f"{row['id']}.cif").write_text(row["cif"])
            if row["description"]:
                texts.write(json.dumps({"id": f"{row['id']}.cif", "description": row["description"]}) + "\n")
    return cifs


def tree(pid: int) -> set[int]:
    """A process and everything below it."""
    try:
        children = {int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()}
    except OSError:
        return set()
    return {pid}.union(*map(tree, children))


def pss_mb(pid: int) -> float:
    """Memory of a process tree, MB; pages shared by several processes counted once."""
    total = 0
    for process in tree(pid):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def score(folder: Path, *arguments: object, every_s: float = 0.5) -> tuple[float, list[tuple[float, float]]]:
    """Run the command; returns seconds and memory over time."""
    started = time.perf_counter()
    process = subprocess.Popen([COMMAND, "score", *map(str, arguments), "--force", "--quiet"], cwd=folder, start_new_session=True)
    memory = []
    while process.poll() is None:
        memory.append((time.perf_counter() - started, pss_mb(process.pid)))
        time.sleep(every_s)
    if process.returncode not in {0, 2}:
        sys.exit(f"hsegap score ended with {process.returncode}")
    return time.perf_counter() - started, memory


def workers(folder: Path, n: int) -> None:
    """Rate and peak memory by number of workers, without and with texts."""
    cifs = unpack(folder, n)
    outputs = set()
    for name, more in (("without text", ()), ("with text", ("--descriptions", "texts.jsonl"))):
        for count in (1, 2):
            # The second half of a run, from its own clock: starting takes seconds whatever the number of inputs.
            seconds, memory = score(folder, cifs, "-o", "o.csv", "--workers", count, *more)
            start, _ = score(folder, cifs, "-o", "s.csv", "--workers", count, "--limit", 1, *more)
            rate = (n - 1) / (seconds - start)
            peak = max(used for _, used in memory)
            print(
                f"{name:12}  {count} workers  {seconds:6.1f} s ({start:.1f} s to the first row)  {rate:6.1f} rows/s  peak {peak:5.0f} MB",
                flush=True,
            )
            outputs.add((name, (folder / "o.csv").read_bytes()))
    print("1 and 2 workers gave the same file" if len(outputs) == 2 else "1 AND 2 WORKERS GAVE DIFFERENT FILES")
    seconds, _ = score(folder, cifs, "-o", "r.csv", "--workers", 2, "--engine", "ray")
    start, _ = score(folder, cifs, "-o", "s.csv", "--workers", 2, "--engine", "ray", "--limit", 1)
    print(f"without text  2 actors   {seconds:6.1f} s ({start:.1f} s to the first row)  {(n - 1) / (seconds - start):6.1f} rows/s  (Ray)")
    same = ("without text", (folder / "r.csv").read_bytes()) in outputs
    print("Ray gave the same file" if same else "RAY GAVE ANOTHER FILE")


def memory(folder: Path, n: int) -> None:
    """Memory over many inputs, a folder with as many files: it must not grow with them."""
    texts = [(ROOT / "examples" / f"{name}.cif").read_text() for name in SMALL]
    many = folder / "many"
    many.mkdir()
    for number in range(n):
        (many / f"c{number:06}.cif").write_text(texts[number % len(texts)])
    seconds, used = score(folder, "many", "-o", "o.csv", "--workers", 2, every_s=2.0)
    with (folder / "o.csv").open(newline="") as stream:
        statuses = [row["status"] for row in csv.DictReader(stream)]
    print(f"{len(statuses):,} rows, {statuses.count('ok'):,} ok, in {seconds:.0f} s, {n / seconds:.1f} rows/s")
    for share in range(10):
        part = [mb for at, mb in used if share * seconds / 10 <= at < (share + 1) * seconds / 10]
        if part:
            print(f"{10 * share:3d}–{10 * share + 10:3d} %  mean {sum(part) / len(part):6.1f} MB  peak {max(part):6.1f} MB")
    # A straight line through what was seen after the start: how much the whole run would have grown by.
    later = [(at, mb) for at, mb in used if at > 0.05 * seconds]
    mean_at, mean_mb = (sum(column) / len(later) for column in zip(*later, strict=True))
    slope = sum((at - mean_at) * (mb - mean_mb) for at, mb in later) / sum((at - mean_at) ** 2 for at, _ in later)
    print(f"trend {slope * seconds:+.1f} MB over the whole run")
    if samples is not None:
        samples.write_text("seconds,pss_mb\n" + "".join(f"{at:.1f},{mb:.1f}\n" for at, mb in used))


def kills(folder: Path, n: int) -> None:
    """Killed at random moments and resumed: the same file, and how much was done twice."""
    cifs = unpack(folder, n)
    whole, _ = score(folder, cifs, "-o", "whole.csv", "--workers", 2)
    dice = random.Random(2026)
    spent = 0.0
    for attempt in range(5):
        started = time.perf_counter()
        process = subprocess.Popen([COMMAND, "score", cifs, "-o", "o.csv", "--workers", "2", "--resume", "--quiet"], cwd=folder)
        moment = dice.uniform(0.1, 0.35) * whole
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        spent += time.perf_counter() - started
        state = folder / ".o.csv.hsegap" / "state.json"
        rows = json.loads(state.read_text())["rows"] if state.exists() else n
        print(f"attempt {attempt + 1}: killed after {moment:.1f} s, {rows} rows durable", flush=True)
    started = time.perf_counter()
    status = subprocess.run(
        [COMMAND, "score", cifs, "-o", "o.csv", "--workers", "2", "--resume", "--quiet"], cwd=folder, check=False
    ).returncode
    spent += time.perf_counter() - started
    same = (folder / "o.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    verdict = "identical" if same else "DIFFERENT"
    print(f"resumed to the end (status {status}); {verdict} file; {spent:.1f} s in all, {whole:.1f} s uninterrupted")


def writer(folder: Path, n: int) -> None:
    """How fast rows are made durable, batch after batch, without anybody computing them."""
    sys.path.insert(0, str(ROOT))
    from scoring.batches import Scored
    from scoring.journal import Journal
    from scoring.target import target_of

    one = folder / "one.jsonl"
    score(folder, ROOT / "examples" / "GaAs.cif", "-o", one.name)
    row = json.loads(one.read_text())
    for suffix in ("csv", "jsonl", "parquet"):
        journal = Journal.open(target_of(str(folder / f"w.{suffix}")), settings={}, layers=None, resume=False, force=True)
        started = time.perf_counter()
        for number in range(n // 64):
            journal.commit(Scored(number, "", [{**row, "index": 64 * number + place} for place in range(64)]))
        journal.finish()
        seconds = time.perf_counter() - started
        journal.close()
        print(
            f"{suffix:8} {n // 64 * 64 / seconds:8.0f} rows/s, {(folder / f'w.{suffix}').stat().st_size / (n // 64 * 64):.0f} bytes a row"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["workers", "memory", "kills", "writer"])
    parser.add_argument("-n", type=int, help="crystals")
    parser.add_argument("--samples", type=Path, help="for memory: CSV file of what was seen")
    chosen = parser.parse_args()
    samples = chosen.samples
    os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", RAY_USAGE_STATS_ENABLED="0")
    default = {"workers": 1000, "memory": 100_000, "kills": 1000, "writer": 20_000}
    with tempfile.TemporaryDirectory(prefix="hsegap-bench-") as place:
        globals()[chosen.what](Path(place), chosen.n or default[chosen.what])
