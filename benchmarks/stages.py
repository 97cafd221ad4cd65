"""The stages of a prediction one by one, each beside the libraries that do the same."""

from __future__ import annotations

import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measuring import Peer, alternate, row, seconds_of
from hsegap.processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hsegap.structures import Crystal

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "hse"


class Bench:
    """Crystals, folders and lengths of one run."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self.rounds = 3 if quick else 9
        self.cores = usable_processors()
        self._peer: Peer | None = None

    @property
    def peer(self) -> Peer:
        """The peers' process, started when first asked."""
        self._peer = self._peer or Peer(threads=self.cores)
        return self._peer

    def close(self) -> None:
        """End the peers' process."""
        if self._peer is not None:
            self._peer.close()

    def rows(self, *, of: str = "test") -> list[dict[str, Any]]:
        """Crystals of the data set's part."""
        with gzip.open(DATA / f"{of}.jsonl.gz", "rt") as stream:
            return [json.loads(line) for line in stream]

    def sized(self, n_atoms: int) -> tuple[str, Path, Crystal, Path]:
        """A crystal of about so many atoms: its name, CIF file, itself, and its arrays for the peers."""
        from hsegap.export.parity import supercell
        from hsegap.structures import read

        given = min(self.rows(), key=lambda entry: abs(entry["n_sites"] - min(n_atoms, 50)))
        crystal = read(given["cif"])
        path = self.folder / f"{n_atoms}.cif"
        path.write_text(given["cif"])
        if n_atoms > 50:
            repeats = {100: (2, 1, 1), 200: (2, 2, 1), 500: (5, 2, 1), 1000: (5, 2, 2)}[n_atoms]
            crystal = supercell(crystal, repeats)
            path.write_text(str(crystal.to_pymatgen().to(fmt="cif")))
        arrays = self.folder / f"{n_atoms}.npz"
        np.savez(arrays, lattice=crystal.lattice, frac_coords=crystal.frac_coords, symbols=np.array(crystal.symbols))
        return f"{n_atoms} atoms", path, crystal, arrays


def peer_seconds(bench: Bench, do: str, **job: Any) -> float:
    return bench.peer.ask(do, **job)[0]


def read(bench: Bench) -> Iterator[dict[str, Any]]:
    """A CIF file becomes a crystal."""
    from hsegap.structures import read as ours

    for n_atoms in (10, 50, 200):
        case, path, _, _ = bench.sized(n_atoms)
        contenders = {
            "hsegap": lambda p=path: seconds_of(lambda: ours(p)),
            "jarvis-tools": lambda p=path: peer_seconds(bench, "read", path=str(p)),
        }
        yield row("read", case, alternate(contenders, rounds=bench.rounds))
    files = [entry["cif"] for entry in bench.rows()[: 32 if bench.quick else 256]]
    taken = alternate(
        {"hsegap": lambda: seconds_of(lambda: [ours(text) for text in files])}, rounds=1 if bench.quick else 3
    )
    yield row("read", "256 real crystals, each", taken, per=len(files))


def graph(bench: Bench) -> Iterator[dict[str, Any]]:
    """A crystal becomes a crystal graph and its line graph."""
    from hsegap.structures import build_graph
    from hsegap.structures import read as read_one

    for n_atoms in (10, 50, 200):
        case, _, crystal, arrays = bench.sized(n_atoms)
        contenders = {
            "hsegap": lambda c=crystal: seconds_of(lambda: build_graph(c)),
            "jarvis-tools": lambda a=arrays: peer_seconds(bench, "graph", builder="jarvis", path=str(a), numbers=""),
            "alignn": lambda a=arrays: peer_seconds(bench, "graph", builder="alignn", path=str(a), numbers=""),
        }
        yield row("graph", case, alternate(contenders, rounds=bench.rounds))
    crystals = [read_one(entry["cif"]) for entry in bench.rows()[: 32 if bench.quick else 256]]
    taken = alternate(
        {"hsegap": lambda: seconds_of(lambda: [build_graph(one) for one in crystals])}, rounds=1 if bench.quick else 3
    )
    yield row("graph", "256 real crystals, each", taken, per=len(crystals))


def describe(bench: Bench) -> Iterator[dict[str, Any]]:
    """A crystal becomes robocrystallographer's description; the words are compared as well."""
    from hsegap.structures import describe as ours
    from hsegap.structures import plain_numbers
    from hsegap.structures import read as read_one

    chosen = [entry for entry in bench.rows(of="train") if entry["description"] and 2 <= entry["n_sites"] <= 20]
    totals: dict[str, list[float]] = {"hsegap": [], "robocrys": []}
    ours(read_one(chosen[0]["cif"]))  # imports and tables
    for number in range(2 if bench.quick else 8):
        entry = chosen[1 + number * (len(chosen) // 9)]
        path = bench.folder / f"describe-{number}.cif"
        path.write_text(entry["cif"])
        said: dict[str, str] = {}

        def theirs(path: Path = path, said: dict[str, str] = said) -> float:
            seconds, said["robocrys"] = bench.peer.ask("describe", path=str(path))
            return seconds

        def mine(text: str = entry["cif"], said: dict[str, str] = said) -> float:
            started = time.perf_counter()
            said["hsegap"] = ours(read_one(text))
            return time.perf_counter() - started

        taken = alternate({"hsegap": mine, "robocrys": theirs}, rounds=1, warm=int(number == 0))
        for name, seconds in taken.items():
            totals[name] += seconds
        result = row("describe", f"{entry['formula']}, {entry['n_sites']} atoms", taken)
        yield result | {
            "note": "same words" if plain_numbers(said.get("robocrys", "")) == said["hsegap"] else "OTHER WORDS"
        }
    if totals["robocrys"]:
        yield row("describe", "all", totals)


def text(bench: Bench) -> Iterator[dict[str, Any]]:
    """A description becomes vectors: the artifact's encoder, one thread."""
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor

    with Predictor(Artifact.load()) as predictor:
        encoder = predictor.encoder()
        long = max((entry["description"] or "" for entry in bench.rows()), key=len)
        for case, share in (("short", 0.03), ("longest", 1.0)):
            base = long[: int(len(long) * share)]
            count = iter(range(10**6))
            taken = alternate(
                {"hsegap": lambda b=base, c=count: seconds_of(lambda: encoder.encode(f"{next(c)} {b}"))},
                rounds=bench.rounds,
            )
            yield row("text", f"new, {case}", taken) | {"note": f"{len(encoder.encode(base))} tokens"}
        yield row(
            "text",
            "met before",
            alternate({"hsegap": lambda: seconds_of(lambda: encoder.encode(long))}, rounds=bench.rounds),
        )


def save_batch(path: Path, graphs: Sequence[Any]) -> str:
    """Joined graphs with their element features, for the peers."""
    from hsegap.models.elements import element_features
    from hsegap.structures import collate_arrays

    joined = collate_arrays(graphs)
    np.savez(
        path,
        features=element_features()[joined.atomic_numbers],
        n_atoms=[len(one.atomic_numbers) for one in graphs],
        n_bonds=[len(one.src) for one in graphs],
        **{name: getattr(joined, name) for name in ("r", "src", "dst", "line_src", "line_dst")},
    )
    return str(path)


def network(bench: Bench) -> Iterator[dict[str, Any]]:
    """A crystal graph becomes numbers: ALIGNN's own architecture with the same weights, then the shipped network."""
    yield from _alignn(bench)
    yield from _shipped(bench)


def _alignn(bench: Bench) -> Iterator[dict[str, Any]]:
    import torch

    from hsegap.export.onnx import export_onnx
    from hsegap.models import CrystalTextNetwork, FusionConfig
    from hsegap.prediction.network import Network, NetworkInput
    from hsegap.structures import build_graph
    from hsegap.structures import read as read_one

    torch.manual_seed(0)
    plain = CrystalTextNetwork(FusionConfig(use_text=False, hidden_features=256, alignn_layers=4, gcn_layers=4)).eval()
    weights = bench.folder / "weights.npz"
    np.savez(weights, **{name: value.numpy() for name, value in plain.state_dict().items()})
    export_onnx(plain, bench.folder / "network.onnx")
    same: Any = SimpleNamespace(path=lambda name: bench.folder / name, manifest=SimpleNamespace(config={}))
    ours = Network(same)
    nothing = np.zeros((1, plain.config.text_features), dtype=np.float32)
    tens = [entry for of in ("test", "val", "train") for entry in bench.rows(of=of) if 9 <= entry["n_sites"] <= 11][:32]
    graphs = [build_graph(read_one(entry["cif"])) for entry in tens]
    for size in (1, 32):
        some = graphs[:size]
        path = save_batch(bench.folder / f"batch-{size}.npz", some)
        said: dict[str, Any] = {}

        def mine(some: list[Any] = some, said: dict[str, Any] = said) -> float:
            def whole() -> None:
                with ThreadPoolExecutor(min(bench.cores, len(some))) as threads:
                    said["hsegap"] = list(
                        threads.map(lambda one: ours.run(NetworkInput(one, nothing, has_text=False)).gap, some)
                    )

            return seconds_of(whole)

        def theirs(kind: str, *, path: str = path, said: dict[str, Any] = said) -> float:
            seconds, said[kind] = bench.peer.ask(
                "network", kind=kind, path=path, threads=bench.cores, weights=str(weights) if kind == "dgl" else ""
            )
            return seconds

        contenders = {
            "hsegap": mine,
            "alignn": lambda t=theirs: t("dgl"),
            "alignn without DGL": lambda t=theirs: t("torch"),
        }
        taken = alternate(contenders, rounds=bench.rounds if size == 1 else max(1, bench.rounds // 3))
        apart = np.abs(np.array(said["hsegap"]) - said["dgl"]).max() if "dgl" in said else np.nan
        yield row("network", f"batch {size}", taken) | {
            "note": f"256 wide, 4 + 4 layers; answers differ by {apart:.0e}"
        }


def _shipped(bench: Bench) -> Iterator[dict[str, Any]]:
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.network import Network, NetworkInput
    from hsegap.structures import build_graph

    shipped = Artifact.load()
    net, manifest = Network(shipped), shipped.manifest
    width = np.zeros((1, manifest.text_encoder.width), dtype=np.float32)
    options = {
        "flavour": manifest.graph.flavour,
        "cutoff": manifest.graph.cutoff,
        "max_neighbors": manifest.graph.max_neighbors,
    }
    for n_atoms in (10, 50, 200):
        case, _, crystal, _ = bench.sized(n_atoms)
        item = NetworkInput(build_graph(crystal, **options), width, has_text=False)
        taken = alternate({"hsegap": lambda i=item: seconds_of(lambda: net.run(i))}, rounds=bench.rounds, warm=3)
        yield row("network", f"shipped, {case}", taken) | {"note": f"{len(item.graph.line_src)} bond pairs"}
