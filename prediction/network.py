"""The exported network in ONNX Runtime: one crystal graph and its text vectors in, one set of numbers out.

Each crystal runs alone, with one thread unless it is large and nothing else is computed. Measured on 256 crystals of
the validation set, joining them never paid: groups of up to 8 000 line-graph edges cost the same per crystal, larger
ones up to twice as much (they fall out of the processor's cache), and a crystal's last digits then depend on its
neighbours. Alone, they never do. Nor do they depend on the number of threads.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hsegap.structures.batch import collate_arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from onnxruntime import InferenceSession

    from hsegap.artifact.artifact import Artifact
    from hsegap.structures.graph import CrystalGraph


#: Line-graph edges up to which a crystal's scratch memory is kept for the next one (some 30 MB at a width of 192; 50
#: atoms).
MOST_KEPT = 10_000


@dataclass(frozen=True)
class NetworkInput:
    """One crystal, ready for the network.

    Attributes:
        graph: Its crystal graph.
        tokens: Text vectors ``[tokens, width]`` float32; zeros ``[1, width]`` without text.
        has_text: Whether ``tokens`` come from a text.
        facts: What is known beside, by the names in :attr:`Network.facts`, eV.
    """

    graph: CrystalGraph
    tokens: np.ndarray
    has_text: bool
    facts: Mapping[str, float] = field(default_factory=dict)

    @property
    def told(self) -> bool:
        """Whether anything is said about the crystal."""
        return self.has_text or bool(self.facts)


class NetworkResult(NamedTuple):
    """What the network says about one crystal (``atoms`` rows, one column per fusion layer in ascending order).

    The field names are the output names of ``network.onnx``; those with a default are not there in every network.
    """

    gap: float
    gates: np.ndarray
    importance: np.ndarray
    text_share: np.ndarray
    modality_weights: np.ndarray
    graph_embedding: np.ndarray
    gap_without: float | None = None
    embedding_without: np.ndarray | None = None
    pbe_gap: float | None = None
    fused_atoms: np.ndarray | None = None
    text_vector: np.ndarray | None = None
    fused_atoms_without: np.ndarray | None = None
    text_vector_without: np.ndarray | None = None
    structure_atoms: np.ndarray | None = None


#: Outputs with one row per crystal.
_PER_CRYSTAL = {
    "gap",
    "modality_weights",
    "graph_embedding",
    "gap_without",
    "embedding_without",
    "pbe_gap",
    "text_vector",
    "text_vector_without",
}
_NUMBERS = {"gap", "gap_without", "pbe_gap"}
#: Inputs by which a network is told facts.
FACT_INPUTS = ("fact_values", "fact_known")


class Network:
    """The network of one artifact. May be called from several threads, but keeps memory for each of them.

    Call it from few.

    Args:
        artifact: A checked artifact.
        threads_alone: Threads for a large crystal while nothing else is computed. The sums of a small one gain nothing
            from a second thread.
        alone: Tells whether nothing else is computed.

    Raises:
        ValueError: If the file does not have the inputs and outputs it must have.

    Attributes:
        facts: Names of the facts it can be told, in the order of its inputs.
        reads_all_tokens: Whether it reads more of a text than the pooled vector.
    """

    def __init__(
        self, artifact: Artifact, *, threads_alone: int = 1, alone: Callable[[], bool] = lambda: False
    ) -> None:
        import onnxruntime

        # Memory is given back after a large crystal, which would otherwise keep it for ever; doing so each time costs a
        # fifth of the time.
        self._run_options = onnxruntime.RunOptions()
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._path = artifact.path("network.onnx")
        self._session = _session(self._path, threads=1)
        self._threads_alone, self._alone = threads_alone, alone
        self._wide: InferenceSession | None = None
        self._widening = threading.Lock()
        self._inputs = {node.name: node.type for node in self._session.get_inputs()}
        there = {node.name for node in self._session.get_outputs()}
        missing = [name for name in NetworkResult._fields if name not in {*there, *NetworkResult._field_defaults}]
        if missing:
            raise ValueError(f"network.onnx has no output {', '.join(missing)}")
        self._outputs = [name for name in NetworkResult._fields if name in there]
        self.facts: tuple[str, ...] = tuple(artifact.manifest.config.get("facts", ()))
        if self.facts and (absent := [name for name in FACT_INPUTS if name not in self._inputs]):
            raise ValueError(
                f"network.onnx has no input {', '.join(absent)}, though the manifest says that it takes facts"
            )
        self.reads_all_tokens = bool(artifact.manifest.config.get("use_fine_grained_attention", False))

    def run(self, item: NetworkInput) -> NetworkResult:
        """Run one crystal of any size."""
        feeds = collate_arrays([item.graph])._asdict()
        tokens = np.ascontiguousarray(item.tokens, dtype=np.float32)[None]
        feeds.update(tokens=tokens, mask=np.ones(tokens.shape[:2], dtype=np.int64), has_text=np.array([item.has_text]))
        if self.facts:
            known = [[name in item.facts for name in self.facts]]
            feeds["fact_values"] = np.array([[item.facts.get(name, 0.0) for name in self.facts]], dtype=np.float32)
            feeds["fact_known"] = np.array(known, dtype=bool)
        # The exporter drops inputs that a configuration does not use, and a mask may be exported as bool.
        taken = {
            name: value.astype(bool) if self._inputs[name] == "tensor(bool)" else value
            for name, value in feeds.items()
            if name in self._inputs
        }
        large = len(item.graph.line_src) > MOST_KEPT
        session = self._wide_session() if large and self._threads_alone > 1 and self._alone() else self._session
        found = session.run(self._outputs, taken, self._run_options if large else None)
        read = dict(zip(self._outputs, found, strict=True))
        for name in _PER_CRYSTAL & read.keys():
            read[name] = np.asarray(read[name])[0]
        for name in _NUMBERS & read.keys():
            read[name] = float(read[name])
        return NetworkResult(**read)

    def _wide_session(self) -> InferenceSession:
        """The network with several threads, loaded when a large crystal first comes alone; the same numbers."""
        with self._widening:
            if self._wide is None:
                self._wide = _session(self._path, threads=self._threads_alone)
            return self._wide


def _session(path: Path, *, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A spinning thread takes the core of whoever works beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
