"""What the network's settings were chosen by: threads, crystals per batch, and weights as 8-bit integers.

    python benchmarks/choices.py                        # the shipped artifact; about two minutes
    python benchmarks/choices.py --artifact FOLDER

The crystals are those of ../shared/data/hse/test.jsonl.gz; a cell of 200 atoms is a supercell of one of them.
Contenders take turns.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root

import numpy as np  # noqa: E402 - after the path

from benchmarks.measuring import alternate, machine, seconds_of  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.artifact.artifact import Artifact
    from hsegap.structures import CrystalGraph

DATA = ROOT.parent / "shared" / "data" / "hse" / "test.jsonl.gz"
ROUNDS = 15


class Runner:
    """A network file in ONNX Runtime, fed with crystals joined to a batch, without text and facts."""

    def __init__(self, path: Path | str, *, threads: int = 1, width: int, facts: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._inputs = {node.name: node.type for node in self._session.get_inputs()}
        self._width, self._facts = width, facts

    def gaps(self, graphs: Sequence[CrystalGraph]) -> np.ndarray:
        """Gaps, eV, ``[crystals]``."""
        from hsegap.structures import collate_arrays

        count = len(graphs)
        feeds: dict[str, np.ndarray] = collate_arrays(list(graphs))._asdict()
        feeds |= {
            "tokens": np.zeros((count, 1, self._width), dtype=np.float32),
            "mask": np.ones((count, 1), dtype=np.int64),
            "has_text": np.zeros(count, dtype=bool),
            "fact_values": np.zeros((count, self._facts), dtype=np.float32),
            "fact_known": np.zeros((count, self._facts), dtype=bool),
        }
        taken = {
            name: feeds[name].astype(bool) if kind == "tensor(bool)" else feeds[name]
            for name, kind in self._inputs.items()
            if name in feeds
        }
        return np.asarray(self._session.run(["gap"], taken)[0])


def crystals(artifact: Artifact) -> tuple[dict[int, CrystalGraph], list[CrystalGraph], np.ndarray]:
    """Graphs of 10, 50 and 200 atoms; those of 200 real crystals; and the latter's gaps, eV."""
    from hsegap.export.parity import supercell
    from hsegap.structures import build_graph, read

    with gzip.open(DATA, "rt") as stream:
        rows = [json.loads(line) for line in stream]
    setting: dict[str, Any] = artifact.manifest.graph.model_dump(include={"flavour", "cutoff", "max_neighbors"})

    def near(n_atoms: int) -> Any:
        return read(min(rows, key=lambda entry: abs(entry["n_sites"] - n_atoms))["cif"])

    sized = {10: near(10), 50: near(50), 200: supercell(near(50), (2, 2, 1))}
    real = [build_graph(read(entry["cif"]), **setting) for entry in rows[:200]]
    return (
        {n_atoms: build_graph(crystal, **setting) for n_atoms, crystal in sized.items()},
        real,
        np.array([entry["hse_gap_ev"] for entry in rows[:200]]),
    )


def threads(one: Runner, two: Runner, sized: dict[int, CrystalGraph]) -> None:
    """Print how long crystals of each size take with one thread and with two."""
    print("\nthreads")
    for n_atoms, graph in sized.items():
        taken = alternate(
            {
                "one": lambda g=graph: seconds_of(lambda: one.gaps([g])),
                "two": lambda g=graph: seconds_of(lambda: two.gaps([g])),
            },
            rounds=ROUNDS,
            warm=3,
        )
        ratio = statistics.median(a / b for a, b in zip(taken["one"], taken["two"], strict=True))
        print(
            f"  {n_atoms:3} atoms: one {1e3 * statistics.median(taken['one']):6.1f} ms, two threads {ratio:.2f}× as "
            "fast"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--artifact", default=None, help="artifact folder; the shipped one if left out")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from hsegap.artifact.artifact import Artifact

    artifact = Artifact.load(parser.parse_args().artifact)
    path = artifact.path("network.onnx")
    reads: dict[str, int] = {
        "width": artifact.manifest.text_encoder.width,
        "facts": len(artifact.manifest.config.get("facts", ())),
    }
    sized, real, known = crystals(artifact)
    print(json.dumps(machine()))
    one = Runner(path, **reads)
    threads(one, Runner(path, threads=2, **reads), sized)
    print("\ncrystals joined to one batch, one thread")

    def batches(size: int) -> float:
        return seconds_of(lambda: [one.gaps(real[first : first + size]) for first in range(0, len(real), size)])

    taken = alternate({str(size): lambda s=size: batches(s) for size in (1, 2, 4, 8, 32)}, rounds=3)
    for size, seconds in taken.items():
        print(f"  {size:>2}: {1e3 * statistics.median(seconds) / len(real):.2f} ms a crystal")
    print("\nweights as 8-bit integers, sums scaled as they come (ONNX Runtime's dynamic quantisation)")
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        quantize_dynamic(
            path, small, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"]
        )
        eight = Runner(small, **reads)
        given, gaps = np.concatenate([one.gaps([g]) for g in real]), np.concatenate([eight.gaps([g]) for g in real])
        taken = alternate(
            {
                name: lambda r=runner: seconds_of(lambda: [r.gaps([g]) for g in real])
                for name, runner in (("one", one), ("int8", eight))
            },
            rounds=3,
        )
        ratio = statistics.median(a / b for a, b in zip(taken["one"], taken["int8"], strict=True))
        print(f"  {ratio:.2f}× as fast, file {small.stat().st_size / Path(path).stat().st_size:.2f} of the size")
        change = np.abs(gaps - given)
        print(f"  gaps move by {change.mean():.4f} eV on average, {change.max():.3f} at most")
        print(
            f"  mean absolute error {np.abs(gaps - known).mean():.4f} eV, with float32 "
            f"{np.abs(given - known).mean():.4f} eV"
        )


if __name__ == "__main__":
    main()
