"""The exported network in ONNX Runtime: crystal graphs and text vectors in, one set of numbers per crystal out.

One thread per run: the sums of small graphs gain nothing from two, and a spinning thread takes the core of whoever works beside it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from structures.batch import collate_arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnxruntime import InferenceSession

    from export.artifact import Artifact
    from structures.graph import CrystalGraph

#: Most rows of the table of incoming line-graph edges in one run: what a run holds in memory grows with it.
MAX_TABLE_ROWS = 48_000
#: Most tokens times crystals in one run, where the network reads all tokens.
MAX_TOKENS = 4_096


class NetworkInput(NamedTuple):
    """One crystal, ready for the network.

    Attributes:
        graph: Its crystal graph.
        tokens: Text vectors ``[tokens, width]`` float32; zeros ``[1, width]`` without text.
        has_text: Whether ``tokens`` come from a text.
    """

    graph: CrystalGraph
    tokens: np.ndarray
    has_text: bool


class NetworkResult(NamedTuple):
    """What the network says about one crystal (``atoms`` rows, one column per fusion layer in ascending order)."""

    gap: float
    gates: np.ndarray
    importance: np.ndarray
    text_share: np.ndarray
    modality_weights: np.ndarray
    graph_embedding: np.ndarray


def plan_batches(sizes: Sequence[tuple[int, int]], *, max_batch: int) -> list[list[int]]:
    """Group crystals of like size, so that little is padded and a run's memory stays bounded.

    Args:
        sizes: Tokens and rows of the largest table of each crystal.
        max_batch: Most crystals in a group.

    Returns:
        Groups of indices; together they hold each index once. A crystal above the bounds gets a group of its own.
    """
    groups: list[list[int]] = []
    rows = 0
    for index in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        n_tokens, n_rows = sizes[index]
        # Ascending order: the newest crystal sets the padded length of all.
        full = not groups or len(groups[-1]) >= max_batch or rows + n_rows > MAX_TABLE_ROWS
        if full or (len(groups[-1]) + 1) * n_tokens > max(MAX_TOKENS, n_tokens):
            groups.append([])
            rows = 0
        groups[-1].append(index)
        rows += n_rows
    return groups


class Network:
    """The network of one artifact. May be called from several threads; one run at a time keeps memory bounded.

    Args:
        artifact: A checked artifact.
        threads: Threads inside one run.
    """

    def __init__(self, artifact: Artifact, *, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._run_options = onnxruntime.RunOptions()
        # Give memory back after each run: one crystal of a thousand atoms would otherwise stay in the arena for ever.
        self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._session: InferenceSession = onnxruntime.InferenceSession(
            artifact.path("network.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {node.name: node.type for node in self._session.get_inputs()}
        self._outputs = [node.name for node in self._session.get_outputs()]
        missing = set(NetworkResult._fields) - set(self._outputs)
        if missing:
            raise ValueError(f"network.onnx has no output {', '.join(sorted(missing))}")
        self.all_tokens = bool(artifact.manifest.config.get("use_fine_grained_attention", False))
        self._lock = threading.Lock()

    def run(self, inputs: Sequence[NetworkInput], *, max_batch: int) -> list[NetworkResult]:
        """Run crystals of any sizes.

        Args:
            inputs: At least one crystal.
            max_batch: Most crystals in one run.

        Returns:
            One result per crystal, in the order given, the same as each would get alone.
        """
        results: list[NetworkResult | None] = [None] * len(inputs)
        sizes = [(len(item.tokens), len(item.graph.line_src)) for item in inputs]
        for group in plan_batches(sizes, max_batch=max_batch):
            for index, result in zip(group, self._run_group([inputs[index] for index in group]), strict=True):
                results[index] = result
        return [result for result in results if result is not None]

    def _run_group(self, group: Sequence[NetworkInput]) -> list[NetworkResult]:
        feeds = collate_arrays([item.graph for item in group])._asdict()
        longest = max(len(item.tokens) for item in group)
        tokens = np.zeros((len(group), longest, group[0].tokens.shape[1]), dtype=np.float32)
        mask = np.zeros((len(group), longest), dtype=np.int64)
        for row, item in enumerate(group):
            tokens[row, : len(item.tokens)] = item.tokens
            mask[row, : len(item.tokens)] = 1
        feeds.update(tokens=tokens, mask=mask, has_text=np.array([item.has_text for item in group]))
        # The exporter drops inputs that a configuration does not use, and a mask may be exported as bool.
        taken = {
            name: value.astype(bool) if self._inputs[name] == "tensor(bool)" else value
            for name, value in feeds.items()
            if name in self._inputs
        }
        with self._lock:
            answer = self._session.run(list(NetworkResult._fields), taken, self._run_options)
        gap, gates, importance, text_share, weights, embedding = (np.asarray(part) for part in answer)
        ends = np.cumsum([len(item.graph.atomic_numbers) for item in group])[:-1]
        maps = zip(*(np.split(part, ends) for part in (gates, importance, text_share)), strict=True)
        return [
            NetworkResult(float(gap[row]), gate, atom_importance, share, weights[row], embedding[row])
            for row, (gate, atom_importance, share) in enumerate(maps)
        ]
