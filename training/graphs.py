"""Crystal graphs of a data set, built once and kept on disk by content and settings."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hsegap.processors import usable_processors
from hsegap.structures import CrystalGraph, StructureError, build_graph, read
from hsegap.training.progress import Progress
from hsegap.training.rows import SavedGraph

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hsegap.training.rows import Row

#: Part of the key: raise it when graph building changes what it builds.
BUILDER_VERSION = 1
#: Rows from which starting processes to build their graphs pays.
WORTH_PROCESSES = 200
_COUNTS = {
    "atomic_numbers": "atoms",
    "src": "bonds",
    "dst": "bonds",
    "r": "bonds",
    "line_src": "lines",
    "line_dst": "lines",
}


class GraphStore:
    """Graphs of a list of rows as flat arrays on disk, mapped into memory and shared between processes.

    Attributes:
        failures: Position of each row that has no graph, and why.
    """

    def __init__(self, folder: Path) -> None:
        self._arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _COUNTS}
        self._first = {kind: np.load(folder / f"first_{kind}.npy") for kind in ("atoms", "bonds", "lines")}
        self.failures: dict[int, str] = {
            int(key): value for key, value in json.loads((folder / "failures.json").read_text()).items()
        }

    def __len__(self) -> int:
        return len(self._first["atoms"]) - 1

    def __getitem__(self, index: int) -> CrystalGraph:
        parts = {}
        for name, kind in _COUNTS.items():
            start, stop = self._first[kind][index : index + 2]
            part = np.asarray(self._arrays[name][start:stop])
            parts[name] = part if name == "r" else part.astype(np.int64)
        return CrystalGraph(**parts)

    def sizes(self, kind: str = "lines") -> np.ndarray:
        """Number of ``atoms``, ``bonds`` or ``lines`` (line-graph edges) of each row, ``[rows]``."""
        return np.diff(self._first[kind])


def graph_store(
    rows: Sequence[Row],
    *,
    cache_dir: str | Path,
    flavour: str,
    cutoff: float,
    max_neighbors: int,
    label: str = "graphs",
) -> GraphStore:
    """Build the graphs of ``rows``, or find them on disk.

    The key covers every structure's content and the settings; a half-written store is never found, because it appears
    under its name only when whole.
    """
    digest = hashlib.sha256(json.dumps([BUILDER_VERSION, flavour, cutoff, max_neighbors]).encode())
    for row in rows:
        digest.update(_content(row.structure))
        digest.update(b"\0")
    folder = Path(cache_dir) / "graphs" / digest.hexdigest()[:24]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            _build(rows, temporary, flavour=flavour, cutoff=cutoff, max_neighbors=max_neighbors, label=label)
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.is_dir():  # another process built the same store meanwhile
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return GraphStore(folder)


def _content(structure: str | Path | SavedGraph) -> bytes:
    if isinstance(structure, SavedGraph):
        return structure.content()
    return structure.read_bytes() if isinstance(structure, Path) else structure.encode()


def _one(structure: str | Path | SavedGraph, *, flavour: str, cutoff: float, max_neighbors: int) -> CrystalGraph | str:
    if isinstance(structure, SavedGraph):
        try:
            return structure.read()
        except (ValueError, OSError) as error:
            return str(error)
    try:
        return build_graph(read(structure), cutoff=cutoff, max_neighbors=max_neighbors, flavour=flavour)
    except (StructureError, OSError) as error:
        return str(error)


def _build(rows: Sequence[Row], folder: Path, *, flavour: str, cutoff: float, max_neighbors: int, label: str) -> None:
    job = partial(_one, flavour=flavour, cutoff=cutoff, max_neighbors=max_neighbors)
    counts: dict[str, list[int]] = {"atoms": [0], "bonds": [0], "lines": [0]}
    failures: dict[int, str] = {}
    files = {name: (folder / f"{name}.raw").open("wb") for name in _COUNTS}
    with contextlib.ExitStack() as stack, Progress(label, len(rows)) as progress:
        structures = [row.structure for row in rows]
        graphs: Iterable[CrystalGraph | str] = map(job, structures)
        if len(rows) >= WORTH_PROCESSES:
            # Spawned, not forked: this process may hold the text encoder, and a fork of ONNX Runtime's threads ends in
            # a deadlock as soon as the copy is collected.
            context = multiprocessing.get_context("spawn")
            pool = stack.enter_context(ProcessPoolExecutor(max_workers=usable_processors(), mp_context=context))
            graphs = pool.map(job, structures, chunksize=16)
        for position, graph in enumerate(graphs):
            if isinstance(graph, str):
                failures[position] = graph
            else:
                for name, file in files.items():
                    file.write(
                        np.ascontiguousarray(
                            getattr(graph, name), dtype=np.float32 if name == "r" else np.int32
                        ).tobytes()
                    )
            sizes = (
                (0, 0, 0)
                if isinstance(graph, str)
                else (len(graph.atomic_numbers), len(graph.src), len(graph.line_src))
            )
            for kind, size in zip(counts, sizes, strict=True):
                counts[kind].append(size)
            progress.advance()
    for name, file in files.items():
        file.close()
        raw = np.fromfile(folder / f"{name}.raw", dtype=np.float32 if name == "r" else np.int32)
        np.save(folder / f"{name}.npy", raw.reshape(-1, 3) if name == "r" else raw)
        (folder / f"{name}.raw").unlink()
    for kind, sizes_of in counts.items():
        np.save(folder / f"first_{kind}.npy", np.cumsum(sizes_of))
    (folder / "failures.json").write_text(json.dumps(failures))
