"""What `hsegap score` takes.

Rate and memory by number of workers, memory over many inputs, repeated kills, and the cost of the journal.

python benchmarks/scoring.py workers   1 000 real crystals with 1 and 2 workers, and on Ray: rate, peak memory
python benchmarks/scoring.py parts     processor time of reading, graph and network
python benchmarks/scoring.py memory    100 000 small crystals: memory of all processes over time
python benchmarks/scoring.py kills     1 000 real crystals, killed five times at random moments and resumed
python benchmarks/scoring.py writer    rows a second that one journal makes durable, the bound of one run on a large
cluster

The real crystals are the first of ../shared/data/hse/train.jsonl.gz; memory is the proportional set size (PSS) summed
over the run's processes, so that pages which workers share count once.
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
from dataclasses import dataclass
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
        children = {
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        }
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


@dataclass(frozen=True)
class Run:
    """What one run of the command took.

    Attributes:
        seconds: From start to end.
        driver_s: Processor time of the run's own process, that of its workers not counted.
        memory: Seconds since the start, and memory of all processes in MB.
    """

    seconds: float
    driver_s: float
    memory: list[tuple[float, float]]


def score(folder: Path, *arguments: object, every_s: float | None = 0.5) -> Run:
    """Run the command.

    Args:
        folder: Where.
        arguments: Of `hsegap score`.
        every_s: How often its memory is looked at, which takes a tenth of two cores; None where only time counts.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [COMMAND, "score", *map(str, arguments), "--force", "--quiet"], cwd=folder, start_new_session=True
    )
    memory = []
    while True:
        pid, status, usage = os.wait4(process.pid, 0 if every_s is None else os.WNOHANG)
        if pid or every_s is None:
            break
        memory.append((time.perf_counter() - started, pss_mb(process.pid)))
        time.sleep(every_s)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 2}:
        sys.exit(f"hsegap score ended with {process.returncode}")
    return Run(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, memory)


def compare(folder: Path, name: str, n: int, *arguments: object) -> None:
    """Run over all inputs and over one, and print what each further one took.

    Starting takes seconds whatever their number.
    """
    whole = score(folder, *arguments, every_s=0.25)
    start = score(
        folder, *(argument if argument != "o.csv" else "s.csv" for argument in arguments), "--limit", 1, every_s=0.05
    )
    rate = (n - 1) / (whole.seconds - start.seconds)
    driver = 1e3 * (whole.driver_s - start.driver_s) / (n - 1)
    print(
        f"{name:24} {whole.seconds:5.1f} s ({start.seconds:.1f} s to the first row)  {rate:6.1f} rows/s  "
        f"peak {max(used for _, used in whole.memory):4.0f} MB  driver {driver:.2f} ms a row",
        flush=True,
    )


def workers(folder: Path, n: int) -> None:
    """Rate and peak memory by number of workers, without and with texts, and on Ray."""
    cifs = unpack(folder, n)
    outputs = set()
    for name, more in (("without text", ()), ("with text", ("--descriptions", "texts.jsonl"))):
        for count in (1, 2):
            compare(folder, f"{name}, {count} workers", n, cifs, "-o", "o.csv", "--workers", count, *more)
            outputs.add((name, (folder / "o.csv").read_bytes()))
    print("1 and 2 workers gave the same file" if len(outputs) == 2 else "1 AND 2 WORKERS GAVE DIFFERENT FILES")
    compare(folder, "without text, 2 actors", n, cifs, "-o", "o.csv", "--workers", 2, "--engine", "ray")
    same = ("without text", (folder / "o.csv").read_bytes()) in outputs
    print("Ray gave the same file" if same else "RAY GAVE ANOTHER FILE")


def parts(folder: Path, n: int) -> None:
    """Processor time of each part of a worker's job, in one process and without the way between two."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.network import Network, NetworkInput
    from hsegap.structures import build_graph, read

    artifact = Artifact.load()
    network, tokens = Network(artifact), np.zeros((1, artifact.manifest.text_encoder.width), dtype=np.float32)
    spent = dict.fromkeys(("reading", "graph", "network"), 0.0)
    for number, path in enumerate([ROOT / "examples" / "GaAs.cif", *sorted(unpack(folder, n).iterdir())]):
        clock = [time.process_time()]
        crystal = read(path.read_text())
        clock.append(time.process_time())
        graph = build_graph(crystal)
        clock.append(time.process_time())
        network.run(NetworkInput(graph, tokens, has_text=False))
        clock.append(time.process_time())
        for part, begin, end in zip(spent, clock, clock[1:], strict=False):
            spent[part] += end - begin if number else 0.0  # imports are paid by the first
    print(", ".join(f"{part} {1e3 * seconds / n:.2f} ms" for part, seconds in spent.items()))


def memory(folder: Path, n: int) -> None:
    """Memory over many inputs, a folder with as many files: it must not grow with them."""
    texts = [(ROOT / "examples" / f"{name}.cif").read_text() for name in SMALL]
    many = folder / "many"
    many.mkdir()
    for number in range(n):
        (many / f"c{number:06}.cif").write_text(texts[number % len(texts)])
    run = score(folder, "many", "-o", "o.csv", "--workers", 2, every_s=2.0)
    seconds, used = run.seconds, run.memory
    with (folder / "o.csv").open(newline="") as stream:
        statuses = [row["status"] for row in csv.DictReader(stream)]
    print(f"{len(statuses):,} rows, {statuses.count('ok'):,} ok, in {seconds:.0f} s, {n / seconds:.1f} rows/s")
    for share in range(10):
        part = [mb for at, mb in used if share * seconds / 10 <= at < (share + 1) * seconds / 10]
        if part:
            print(
                f"{10 * share:3d}–{10 * share + 10:3d} %  mean {sum(part) / len(part):6.1f} MB  peak "
                f"{max(part):6.1f} MB"
            )
    # A straight line through what was seen after the start: how much the whole run would have grown by.
    later = [(at, mb) for at, mb in used if at > 0.05 * seconds]
    mean_at, mean_mb = (sum(column) / len(later) for column in zip(*later, strict=True))
    slope = sum((at - mean_at) * (mb - mean_mb) for at, mb in later) / sum((at - mean_at) ** 2 for at, _ in later)
    print(f"trend {slope * seconds:+.1f} MB over the whole run")
    if samples is not None:
        samples.write_text("seconds,pss_mb\n" + "".join(f"{at:.1f},{mb:.1f}\n" for at, mb in used))
        draw(samples, samples.with_suffix(".png"), f"{n:,} crystals, two workers")


def draw(samples: Path, picture: Path, title: str) -> None:
    """Draw memory over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with samples.open(newline="") as stream:
        used = [(float(row["seconds"]) / 60, float(row["pss_mb"])) for row in csv.DictReader(stream)]
    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    axes.plot(*zip(*used, strict=True), color="#2563a8", linewidth=1)
    axes.set(xlabel="minutes", ylabel="MB (PSS, all processes)", title=title, ylim=(0, None), xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=130, metadata={"Software": None})


def kills(folder: Path, n: int) -> None:
    """Killed at random moments and resumed: the same file, and how much was done twice."""
    cifs = unpack(folder, n)
    whole = score(folder, cifs, "-o", "whole.csv", "--workers", 2).seconds
    dice = random.Random(2026)
    spent = 0.0
    for attempt in range(5):
        started = time.perf_counter()
        process = subprocess.Popen(
            [COMMAND, "score", cifs, "-o", "o.csv", "--workers", "2", "--resume", "--quiet"], cwd=folder
        )
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
    """How fast rows of real crystals are made durable, batch after batch, and how large they are."""
    sys.path.insert(0, str(ROOT))
    from hsegap.batch.batches import Scored
    from hsegap.batch.journal import Journal
    from hsegap.batch.target import target_of

    score(folder, unpack(folder, 1000), "-o", "real.jsonl")
    rows = [json.loads(line) for line in (folder / "real.jsonl").read_text().splitlines()]

    def write(out: Path, count: int) -> float:
        journal = Journal.open(target_of(str(out)), settings={}, layers=None, resume=False, force=True)
        started = time.perf_counter()
        for number, first in enumerate(range(0, count, 64)):
            journal.commit(
                Scored(number, "", [rows[place % len(rows)] for place in range(first, min(first + 64, count))])
            )
        journal.finish()
        journal.close()
        return count / (time.perf_counter() - started)

    for suffix in ("csv", "jsonl", "parquet"):
        rate = write(folder / f"w.{suffix}", n)
        write(folder / f"s.{suffix}", len(rows))
        print(f"{suffix:8} {rate:8.0f} rows/s, {(folder / f's.{suffix}').stat().st_size / len(rows):.0f} bytes a row")
    for suffix in ("csv", "jsonl", "parquet"):
        score(folder, "cifs", "-o", f"a.{suffix}", "--atoms")
        print(
            f"{suffix:8} with --atoms {(folder / f'a.atoms.{suffix}').stat().st_size / len(rows):.0f} bytes a "
            "crystal more"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["workers", "parts", "memory", "kills", "writer"])
    parser.add_argument("-n", type=int, help="crystals")
    parser.add_argument(
        "--samples", type=Path, help="for memory: CSV file of what was seen; a picture with suffix .png goes beside it"
    )
    chosen = parser.parse_args()
    samples = chosen.samples
    os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", RAY_USAGE_STATS_ENABLED="0")
    default = {"workers": 1000, "parts": 1000, "memory": 100_000, "kills": 1000, "writer": 20_000}
    with tempfile.TemporaryDirectory(prefix="hsegap-bench-") as place:
        globals()[chosen.what](Path(place), chosen.n or default[chosen.what])
