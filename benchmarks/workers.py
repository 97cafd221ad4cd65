"""Which worker processes for what.

The server's (`predict_iter`), the scorer's pool, and pebble's, on the same crystals.

    python benchmarks/workers.py                 # rates and processor time; about two minutes on two idle cores
    python benchmarks/workers.py --rounds 1 --count 64

Each contender runs in a process of its own, once over one crystal and once over all; the difference is what is printed,
so that starting counts nowhere. pebble (`pip install pebble`) is left out where it is not installed. The crystals are
those of ../shared/data/hse.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "hse" / "test.jsonl.gz"

if TYPE_CHECKING:
    from collections.abc import Iterator


def structures(count: int) -> Iterator[str]:
    """Texts of the first crystals."""
    with gzip.open(DATA, "rt") as stream:
        for line in itertools.islice(stream, count):
            yield json.loads(line)["cif"]


def processor_time_of_children() -> float:
    """Seconds that all processes below this one have used so far."""
    parent, used, tick = {}, {}, os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        number = int(path.parent.name)
        parent[number], used[number] = int(fields[1]), (int(fields[11]) + int(fields[12])) / tick
    below = {os.getpid()}
    while more := {number for number, of in parent.items() if of in below} - below:
        below |= more
    return sum(used[number] for number in below - {os.getpid()})


def by_predictor(texts: list[str], workers: int) -> tuple[list[float], float]:
    """`Predictor.predict_iter`: reading processes, the network in threads of this one."""
    from hsegap.artifact import Artifact
    from hsegap.prediction import Predictor, PredictRequest

    with Predictor(Artifact.load(), workers=workers, threads=workers) as predictor:
        requests = (PredictRequest(structure=text, atoms=False) for text in texts)
        gaps = [getattr(answer, "gap_ev", -1.0) for answer in predictor.predict_iter(requests)]
        return gaps, processor_time_of_children()


def by_pool(texts: list[str], workers: int) -> tuple[list[float], float]:
    """The scorer's pool: whole crystals in processes forked from one that has the network."""
    from hsegap.artifact import Artifact
    from hsegap.batch.batches import Item, batched
    from hsegap.batch.pool import Pool, PoolOptions

    items = (Item(str(number), structure=text) for number, text in enumerate(texts))
    with Pool(Artifact.load(), PoolOptions(workers=workers, texts=False)) as pool:
        scored = sorted(pool.run(batched(items, size=16)), key=lambda batch: batch.number)
        return [row.get("gap_ev", -1.0) for batch in scored for row in batch.rows], processor_time_of_children()


_held: dict[str, Any] = {}


def _prepare_pebble(memory_bytes: int) -> None:
    import numpy as np

    from hsegap.artifact import Artifact
    from hsegap.prediction.network import Network

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    artifact = Artifact.load()
    graph = artifact.manifest.graph
    _held["graph"] = {"flavour": graph.flavour, "cutoff": graph.cutoff, "max_neighbors": graph.max_neighbors}
    _held.update(
        network=Network(artifact), nothing=np.zeros((1, artifact.manifest.text_encoder.width), dtype=np.float32)
    )


def _pebble_job(text: str) -> float:
    from hsegap.prediction.network import NetworkInput
    from hsegap.structures import build_graph, read

    return float(
        max(
            0.0,
            _held["network"]
            .run(NetworkInput(build_graph(read(text), **_held["graph"]), _held["nothing"], has_text=False))
            .gap,
        )
    )


def by_pebble(texts: list[str], workers: int) -> tuple[list[float], float]:
    """The pool of pebble with a memory limit set in its workers and a deadline for each crystal.

    Reading and network in one process.
    """
    import multiprocessing

    from pebble import ProcessPool

    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=workers, initializer=_prepare_pebble, initargs=(6 * 2**30,), context=context) as pool:
        asked = [pool.schedule(_pebble_job, args=(text,), timeout=20) for text in texts]
        gaps = [-1.0 if answer.exception() else answer.result() for answer in asked]
        return gaps, processor_time_of_children()


CONTENDERS = {"predict_iter": by_predictor, "the scorer's pool": by_pool, "pebble": by_pebble}


def one(name: str, count: int, workers: int) -> None:
    """Run one contender here and print what it took."""
    texts = list(structures(count))
    clock = time.perf_counter()
    gaps, children = CONTENDERS[name](texts, workers)
    print(
        json.dumps(
            {"seconds": time.perf_counter() - clock, "own": time.process_time(), "children": children, "sum": sum(gaps)}
        )
    )


def ask(name: str, count: int, workers: int) -> dict[str, float] | None:
    """The same in a process of its own; None if it cannot run."""
    command = [sys.executable, __file__, "--one", name, "--count", str(count), "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--one", choices=CONTENDERS)
    given = parser.parse_args()
    if given.one:
        one(given.one, given.count, given.workers)
        return
    cases = [(name, workers) for name in CONTENDERS for workers in (1, 2)]
    taken: dict[tuple[str, int], list[dict[str, float]]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case in cases:
            whole, start = ask(case[0], given.count, case[1]), ask(case[0], 1, case[1])
            if whole and start:
                taken[case].append({part: whole[part] - start[part] for part in ("seconds", "own", "children")})
    print("contender           workers   crystals/s   processor ms a crystal: driver + workers")
    for (name, workers), found in taken.items():
        if found:
            middle = {part: statistics.median(row[part] for row in found) for part in found[0]}
            each = {part: 1e3 * middle[part] / (given.count - 1) for part in ("own", "children")}
            rate = (given.count - 1) / middle["seconds"]
            print(f"{name:20}{workers:7}{rate:13.1f}   {each['own']:6.2f} + {each['children']:.2f}", flush=True)


if __name__ == "__main__":
    sys.path[0] = str(ROOT)  # as the other benchmarks
    main()
