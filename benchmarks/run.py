"""How long hsegap takes, stage by stage and end to end, beside the libraries it could have been made of.

    python benchmarks/run.py                  # all stages, a table and the targets; about 20 minutes on two idle cores
    python benchmarks/run.py --quick          # few rounds and crystals: does everything run?
    python benchmarks/run.py --only network   # one stage (may be repeated)
    python benchmarks/run.py --json out.json  # the figures as well

Peers (alignn 2026.8.11 with its DGL and its DGL-free network, jarvis-tools' graph builder, robocrys's default) run in
their own environment under .cache/peers, which the first run installs. Contenders take turns round by round; medians
are printed, and the median of the rounds' ratios. The crystals are those of ../shared/data/hse; cells of 200 atoms and
more are supercells of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root

from benchmarks.measuring import alternate, machine, row, seconds_of  # noqa: E402 - after the path
from benchmarks.outcome import show, targets  # noqa: E402 - as above
from benchmarks.scoring import pss_mb  # noqa: E402 - as above
from benchmarks.stages import Bench, describe, graph, network, peer_seconds, read, text  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator


COMMAND = Path(sys.executable).parent / "hsegap"


def end(bench: Bench) -> Iterator[dict[str, Any]]:
    """From the file to the number, everything loaded.

    The predictor of server and command beside alignn's path at its published size: the gap alone, as alignn answers it,
    then with the maps of the atoms, which alignn has not.
    """
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import Prediction, PredictRequest

    def predicted(predictor: Predictor, path: Path, description: str | None = None, *, maps: bool = False) -> float:
        started = time.perf_counter()
        answer = predictor.predict_one(PredictRequest(structure=path.read_text(), description=description, atoms=maps))
        assert isinstance(answer, Prediction), answer
        return time.perf_counter() - started

    rows = bench.rows()
    long = max((entry["description"] or "" for entry in rows), key=len)[:3000]
    # As `hsegap predict` and an idle server: a large cell and a text get every core, as alignn does.
    with Predictor(Artifact.load(), threads_alone=bench.cores) as predictor:
        for n_atoms in (10, 50, 200):
            case, path, _, _ = bench.sized(n_atoms)
            contenders = {
                "hsegap": lambda p=path: predicted(predictor, p),
                "alignn": lambda p=path: peer_seconds(bench, "end", kind="dgl", path=str(p), threads=bench.cores),
                "alignn without DGL": lambda p=path: peer_seconds(
                    bench, "end", kind="torch", path=str(p), threads=bench.cores
                ),
            }
            yield row("end", case, alternate(contenders, rounds=bench.rounds, warm=2))
        _, path, _, _ = bench.sized(10)
        count = iter(range(10**6))
        taken = alternate(
            {"hsegap": lambda: predicted(predictor, path, f"{next(count)} {long}")}, rounds=bench.rounds, warm=2
        )
        yield row("end", "10 atoms, new text of 3 000 characters", taken)
        taken = alternate({"hsegap": lambda: predicted(predictor, path, long)}, rounds=bench.rounds, warm=2)
        yield row("end", "10 atoms, text met before", taken)
        for case, maps in (("10 atoms, without others between", False), ("10 atoms, with maps", True)):
            taken = alternate(
                {"hsegap": lambda maps=maps: predicted(predictor, path, maps=maps)}, rounds=bench.rounds, warm=2
            )
            yield row("end", case, taken)
    requests = [PredictRequest(structure=entry["cif"], atoms=False) for entry in rows[: 32 if bench.quick else 256]]
    with Predictor(Artifact.load(), threads=bench.cores, workers=bench.cores) as predictor:
        taken = alternate(
            {"hsegap": lambda: seconds_of(lambda: predictor.predict(requests))}, rounds=1 if bench.quick else 3
        )
        yield row("end", f"batch of {len(requests)} real crystals, each", taken, per=len(requests))


def growth(bench: Bench) -> Iterator[dict[str, Any]]:
    """How time grows with the size of the cell."""
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import Prediction, PredictRequest

    with Predictor(Artifact.load()) as predictor:
        for n_atoms in (10, 50, 100, 200, 500, 1000):
            case, path, crystal, _ = bench.sized(n_atoms)
            request = PredictRequest(structure=path.read_text(), atoms=False)
            parts: list[dict[str, float]] = []

            def once(request: PredictRequest = request, parts: list[dict[str, float]] = parts) -> None:
                answer = predictor.predict_one(request)
                assert isinstance(answer, Prediction), answer
                parts.append(answer.timings_ms.model_dump())

            taken = alternate({"hsegap": lambda o=once: seconds_of(o)}, rounds=3)
            middle = {
                name: round(statistics.median(part[name] or 0 for part in parts), 1)
                for name in ("read", "graph", "network")
            }
            yield row("growth", case, taken) | {"note": f"{crystal.n_atoms} atoms; {middle}"}


def cold(bench: Bench) -> Iterator[dict[str, Any]]:
    """A whole process, from the command to its end."""
    command = [COMMAND, "predict", ROOT / "examples" / "GaAs.cif"]

    def once() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    taken = alternate({"hsegap": lambda: seconds_of(once)}, rounds=3 if bench.quick else 7)
    result = row("cold", "hsegap predict", taken)
    yield result | {"s": result["ms"]["hsegap"] / 1e3}


def memory(bench: Bench) -> Iterator[dict[str, Any]]:
    """Proportional set size of the server and its workers, over predictions of different crystals."""
    import socket

    import httpx

    from hsegap.service.launch import server_command, server_environment

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        server_command(host="127.0.0.1", port=port), env=server_environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        rows = bench.rows()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            done = 0
            for goal in (0, 50) if bench.quick else (0, 250, 500, 1000, 1500):
                for number in range(done, goal):
                    client.post("/predict", json={"structure": rows[number % len(rows)]["cif"]}).raise_for_status()
                done = goal
                yield {
                    "stage": "memory",
                    "case": f"after {goal}",
                    "MB": round(pss_mb(server.pid)),
                    "note": "predictions, largest cell 70 atoms",
                }
    finally:
        server.terminate()
        server.wait(timeout=30)


def score(bench: Bench) -> Iterator[dict[str, Any]]:
    """Crystals a second of `hsegap score`, from the first row on."""
    from benchmarks.scoring import score as run
    from benchmarks.scoring import unpack

    n = 100 if bench.quick else 1000
    cifs = unpack(bench.folder, n)
    for workers in (1, 2):
        start = run(bench.folder, cifs, "-o", "start.csv", "--workers", workers, "--limit", 1, every_s=None).seconds
        seconds = run(bench.folder, cifs, "-o", "out.csv", "--workers", workers, every_s=None).seconds
        rate = (n - 1) / (seconds - start)
        note = f"{n} crystals in {seconds:.1f} s, {start:.1f} s of them to the first row"
        yield {"stage": "score", "case": f"{workers} workers", "crystals/s": round(rate, 1), "note": note}


STAGES = {stage.__name__: stage for stage in (read, graph, describe, text, network, end, growth, cold, memory, score)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(STAGES), help="run this stage alone; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few rounds and crystals")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE")
    described = machine()
    print("\n".join(f"{name}: {value}" for name, value in described.items()) + "\n", flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="hsegap-bench-") as place:
        bench = Bench(Path(place), quick=chosen.quick)
        try:
            for name in chosen.only or STAGES:
                for result in STAGES[name](bench):
                    results.append(result)
                    show(result)
        finally:
            bench.close()
            if chosen.json:
                chosen.json.write_text(json.dumps({"machine": described, "results": results}, indent=1))
    targets(results, instructions=described["instructions"])


if __name__ == "__main__":
    main()
