"""What the processor allows: the network's products and bytes over the machine's rates, beside what is reached.

    python benchmarks/limits.py               # a minute on an idle machine
    python benchmarks/limits.py --nodes 12    # with the dearest operations of each size

ONNX Runtime's profile names every operation with the shapes of its inputs and outputs. Floating-point operations are
those of matrix products (two for each multiply-add); bytes are everything that every operation reads and writes, as if
nothing were kept in the processor's registers between two of them. The rates are measured here, with one thread:
products of the network's own shape by numpy, and copies that fit into the second-level cache or do not.

The limit is the time of the products alone. "Products and moves" is what operations one after the other cost at best;
only joining operations gets below it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root

import numpy as np  # noqa: E402 - after the path

from benchmarks.measuring import machine  # noqa: E402 - as above
from benchmarks.stages import Bench  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onnxruntime import InferenceSession

PRODUCTS = {"MatMul", "FusedMatMul", "Gemm", "FusedGemm", "MatMulInteger", "MatMulIntegerToFloat"}
#: Operations that only give a tensor another shape.
FREE = {"Reshape", "Squeeze", "Unsqueeze", "Identity", "Shape", "Constant"}
SIZES = {"float": 4, "int64": 8, "int32": 4, "bool": 1, "int8": 1, "uint8": 1, "float16": 2, "double": 8}
ROUNDS = 15


class Work(NamedTuple):
    """What one run of a network does.

    Attributes:
        flop: Floating-point operations of its matrix products.
        moved: Bytes that its operations read and write.
        seconds: Median time of a run.
        dearest: Seconds by kind of operation, in the profiled runs.
    """

    flop: float
    moved: float
    seconds: float
    dearest: Counter[str]


def _elements(shapes: Sequence[dict[str, list[int]]]) -> list[tuple[int, int]]:
    """Number of elements and bytes of each tensor."""
    counted = []
    for tensor in shapes:
        for kind, shape in tensor.items():
            number = int(np.prod(shape, dtype=np.int64)) if shape else 1
            counted.append((number, number * SIZES.get(kind, 4)))
    return counted


def node_work(arguments: dict[str, Any]) -> tuple[float, float]:
    """Floating-point operations and bytes of one operation, from its entry in the profile."""
    if arguments["op_name"] in FREE:
        return 0.0, 0.0
    inputs, outputs = _elements(arguments["input_type_shape"]), _elements(arguments["output_type_shape"])
    moved = float(sum(size for _, size in [*inputs, *outputs]))
    if arguments["op_name"] not in PRODUCTS:
        return 0.0, moved
    # [m, k] times [k, n] is [m, n]: the three sizes say what k is, whichever way the factors lie.
    first, second, result = inputs[0][0], inputs[1][0], outputs[0][0]
    inner = (first * second / max(result, 1)) ** 0.5
    return 2.0 * result * inner, moved


def _session(path: Path, **entries: Any) -> InferenceSession:
    """A session of one thread; ``entries`` are attributes of its options."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Weights that ONNX Runtime has packed for itself are no inputs any more: where shapes are read they are left alone.
    options.add_session_config_entry("session.disable_prepacking", str(int(not entries.pop("packed", True))))
    for name, value in entries.items():
        setattr(options, name, value)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _operations(path: Path, run: Callable[[InferenceSession], Any], *, packed: bool) -> list[dict[str, Any]]:
    """Entries of the profile, one for each operation of each run."""
    with tempfile.TemporaryDirectory() as folder:
        watched = _session(
            path, packed=packed, enable_profiling=True, profile_file_prefix=str(Path(folder) / "profile")
        )
        for _ in range(ROUNDS):
            run(watched)
        events = json.loads(Path(watched.end_profiling()).read_text())
    return [event for event in events if event.get("cat") == "Node" and "input_type_shape" in event.get("args", {})]


def profiled(path: Path, run: Callable[[InferenceSession], Any]) -> Work:
    """Run a network with a profile and without.

    Args:
        path: The ONNX file.
        run: Runs a session once.
    """
    work = [node_work(event["args"]) for event in _operations(path, run, packed=False)]
    flop, moved = (sum(part) / ROUNDS for part in zip(*work, strict=True))
    dearest: Counter[str] = Counter()
    for event in _operations(path, run, packed=True):
        dearest[event["args"]["op_name"]] += event["dur"] / 1e6 / ROUNDS
    plain = _session(path)
    run(plain)
    return Work(flop, moved, _median(lambda: run(plain)), dearest)


def _median(action: Callable[[], Any], rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def product_rate(rows: int, width: int) -> float:
    """Floating-point operations a second of ``[rows, width] @ [width, width]``, one thread."""
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(0)
    left, right = (random.standard_normal(shape, dtype=np.float32) for shape in ((rows, width), (width, width)))
    out = np.empty((rows, width), dtype=np.float32)
    with threadpool_limits(1):
        np.matmul(left, right, out=out)
        return 2.0 * rows * width * width / min(_median(lambda: np.matmul(left, right, out=out), 9) for _ in range(5))


def copy_rate(size: int) -> float:
    """Bytes read and written a second by copies of so many bytes, one thread."""
    source = np.zeros(size // 4, dtype=np.float32)
    target = np.empty_like(source)
    repeats = max(1, (1 << 26) // size)

    def copy() -> None:
        for _ in range(repeats):
            np.copyto(target, source)

    copy()
    return 2.0 * size * repeats / _median(copy, 9)


def network_work(bench: Bench, n_atoms: int) -> tuple[Work, int]:
    """The shipped network on a crystal of about so many atoms, nothing told; and its bond pairs."""
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.network import Network, NetworkInput
    from hsegap.structures import build_graph

    artifact = Artifact.load()
    _, _, crystal, _ = bench.sized(n_atoms)
    settings = artifact.manifest.graph
    graph = build_graph(crystal, flavour=settings.flavour, cutoff=settings.cutoff, max_neighbors=settings.max_neighbors)
    network = Network(artifact)
    blank = np.zeros((1, artifact.manifest.text_encoder.width), dtype=np.float32)

    def run(session: InferenceSession) -> None:
        network._session = session  # noqa: SLF001 - the same inputs, with a profile
        network.run(NetworkInput(graph, blank, has_text=False))

    return profiled(artifact.path("network.onnx"), run), len(graph.line_src)


def text_work(n_tokens: int) -> Work:
    """The shipped text encoder on a text of so many tokens."""
    from hsegap.artifact.artifact import Artifact

    path = Artifact.load().path("text_encoder.onnx")
    feeds = {
        "input_ids": np.full((1, n_tokens), 2000, dtype=np.int64),
        "attention_mask": np.ones((1, n_tokens), dtype=np.int64),
        "token_type_ids": np.zeros((1, n_tokens), dtype=np.int64),
    }

    def run(session: InferenceSession) -> None:
        session.run(None, {node.name: feeds[node.name] for node in session.get_inputs()})

    return profiled(path, run)


def line_of(name: str, work: Work, *, products: float, copies: float) -> str:
    """One row of the table."""
    limit, moves = work.flop / products, work.moved / copies
    cells = (
        f"{work.flop / 1e6:.0f}",
        f"{work.moved / 1e6:.0f}",
        f"{1e3 * limit:.1f}",
        f"{1e3 * (limit + moves):.1f}",
        f"{1e3 * work.seconds:.1f}",
        f"{work.seconds / limit:.1f}×",
    )
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Measure the rates, then every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=0, metavar="N", help="name the N dearest kinds of operation")
    given = parser.parse_args()
    from hsegap.artifact.artifact import Artifact

    config = Artifact.load().manifest.config
    products, small = product_rate(1792, config["hidden_features"]), product_rate(1792, config["line_features"])
    near, far = copy_rate(1 << 19), copy_rate(1 << 27)
    print(machine())
    print(
        f"products {products / 1e9:.0f} GFLOP/s at {config['hidden_features']} wide, {small / 1e9:.0f} at "
        f"{config['line_features']} wide; copies {near / 1e9:.0f} GB/s in the cache, {far / 1e9:.0f} GB/s in memory\n"
    )
    print("| one thread | MFLOP | MB moved | products, ms | products and moves, ms | reached, ms | over the products |")
    print("|---|---|---|---|---|---|---|")
    found: dict[str, Work] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder=Path(folder), quick=True)
        for n_atoms in (10, 50, 200):
            work, pairs = network_work(bench, n_atoms)
            found[f"network, {n_atoms} atoms, {pairs} bond pairs"] = work
    tokens = Artifact.load().manifest.text_encoder.max_tokens
    found[f"new text, {tokens} tokens"] = text_work(tokens)
    for name, work in found.items():
        print(line_of(name, work, products=products, copies=near if work.moved < 1 << 26 else far))
    for name, work in found.items() if given.nodes else ():
        kinds = ", ".join(f"{kind} {1e3 * seconds:.2f}" for kind, seconds in work.dearest.most_common(given.nodes))
        print(f"\n{name}, ms: {kinds}")


if __name__ == "__main__":
    main()
