"""Rows with their graphs and text vectors, and batches of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from hsegap.models import GraphBatch, collate
from hsegap.structures import plain_numbers
from hsegap.text.facts import extract_facts
from hsegap.training.graphs import GraphStore, graph_store
from hsegap.training.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hsegap.text import TextEncoder, VectorCache
    from hsegap.training.rows import Row


#: Most atoms of a crystal that counts as small: textbook crystals in their primitive cells.
SMALL = 4


class TrainingBatch(NamedTuple):
    """Inputs and targets of one step.

    Attributes:
        graph: Crystal graphs with training plans.
        tokens: ``[B, L, width]`` float32 (L = 1 unless fine-grained attention reads all tokens).
        mask: ``[B, L]`` int64.
        has_text: ``[B]`` bool.
        target: ``[B]`` float32; 0 where there is none.
        weight: ``[B]`` float32; 0 where there is no target.
        pbe_gap: ``[B]`` float32; 0 where it is not known.
        pbe_known: ``[B]`` bool.
        rows: Positions of the rows in the data set, ``[B]`` int64.
    """

    graph: GraphBatch
    tokens: Tensor
    mask: Tensor
    has_text: Tensor
    target: Tensor
    weight: Tensor
    pbe_gap: Tensor
    pbe_known: Tensor
    rows: Tensor

    def to(self, device: torch.device | str) -> TrainingBatch:
        """Move to a device."""
        return TrainingBatch(self.graph.to(device), *(tensor.to(device) for tensor in self[1:]))


class TextVectors:
    """Text vectors of a list of descriptions, each distinct text held once."""

    def __init__(self, vectors: list[np.ndarray], which: np.ndarray, empty: np.ndarray) -> None:
        self.vectors, self.which, self.empty = vectors, which, empty

    @classmethod
    def encode(
        cls, descriptions: Sequence[str | None], encoder: TextEncoder, *, cache: VectorCache, all_tokens: bool
    ) -> Self:
        """Encode distinct texts once, without the sentences that state facts, as in serving.

        ``which`` is −1 where nothing is left.
        """
        descriptions = [extract_facts(text).text for text in descriptions]
        distinct = list(dict.fromkeys(text for text in descriptions if text is not None))
        position = {text: index for index, text in enumerate(distinct)}
        with Progress("texts", len(distinct)) as progress:
            vectors = encoder.encode_many(
                distinct, pooled=not all_tokens, cache=cache, progress=lambda _done, _total: progress.advance()
            )
        empty = encoder.encode("") if all_tokens else encoder.pooled("")
        vectors = [np.atleast_2d(vector) for vector in vectors]
        which = np.array([-1 if text is None else position[text] for text in descriptions], dtype=np.int64)
        return cls(vectors, which, np.atleast_2d(empty))

    def batch(self, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens ``[B, L, width]``, mask ``[B, L]`` and presence ``[B]``.

        A missing text gets the empty text's vectors.
        """
        parts = [self.vectors[which] if which >= 0 else self.empty for which in self.which[indices]]
        longest = max(len(part) for part in parts)
        tokens = np.zeros((len(parts), longest, self.empty.shape[1]), dtype=np.float32)
        mask = np.zeros((len(parts), longest), dtype=np.int64)
        for row, part in enumerate(parts):
            tokens[row, : len(part)] = part
            mask[row, : len(part)] = 1
        return torch.from_numpy(tokens), torch.from_numpy(mask), torch.from_numpy(self.which[indices] >= 0)


class CrystalDataset:
    """Rows that have a graph, ready to be batched.

    Attributes:
        rows: The usable rows.
        failures: (id, reason) of rows without a graph.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        store: GraphStore,
        texts: TextVectors,
        *,
        max_line_edges: int = 0,
        line_graph: bool = True,
    ) -> None:
        left_out = dict(store.failures)
        if max_line_edges:
            left_out |= {
                int(index): f"more than {max_line_edges} line-graph edges"
                for index in np.flatnonzero(store.sizes() > max_line_edges)
            }
        usable = np.array([index for index in range(len(rows)) if index not in left_out], dtype=np.int64)
        self.failures = [(rows[index].id, reason) for index, reason in left_out.items()]
        self.rows = [rows[index] for index in usable]
        self._store, self._texts, self._usable, self._line_graph = store, texts, usable, line_graph
        self.targets = np.array([row.target for row in self.rows], dtype=np.float32)
        self.weights = np.array([row.weight for row in self.rows], dtype=np.float32)
        self.weights[np.isnan(self.targets)] = 0.0
        self.pbe_gaps = np.array(
            [np.nan if row.pbe_gap is None else row.pbe_gap for row in self.rows], dtype=np.float32
        )
        self.sizes = store.sizes()[usable]
        self.n_atoms = store.sizes("atoms")[usable]

    @classmethod
    def prepare(
        cls,
        rows: Sequence[Row],
        encoder: TextEncoder,
        *,
        vectors: VectorCache,
        cache_dir: str,
        flavour: str,
        cutoff: float,
        max_neighbors: int,
        all_tokens: bool,
        label: str,
        rewrite: Callable[[str], str] | None = None,
        max_line_edges: int = 0,
        read_texts: bool = True,
        line_graph: bool = True,
    ) -> Self:
        """Build or find graphs and text vectors; ``rewrite`` changes descriptions first (stop words)."""
        store = graph_store(
            rows,
            cache_dir=cache_dir,
            flavour=flavour,
            cutoff=cutoff,
            max_neighbors=max_neighbors,
            label=f"{label} graphs",
        )
        descriptions = [plain_numbers(row.description) if read_texts and row.description else None for row in rows]
        if rewrite is not None:
            descriptions = [text if text is None else rewrite(text) for text in descriptions]
        return cls(
            rows,
            store,
            TextVectors.encode(descriptions, encoder, cache=vectors, all_tokens=all_tokens),
            max_line_edges=max_line_edges,
            line_graph=line_graph,
        )

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: np.ndarray) -> TrainingBatch:
        """Collate the rows at ``indices``."""
        positions = self._usable[indices]
        tokens, mask, has_text = self._texts.batch(positions)
        graphs = [self._store[int(index)] for index in positions]
        if not self._line_graph:
            graphs = [graph.without_line_graph() for graph in graphs]
        return TrainingBatch(
            graph=collate(graphs, for_training=True),
            tokens=tokens,
            mask=mask,
            has_text=has_text,
            target=torch.from_numpy(np.nan_to_num(self.targets[indices])),
            weight=torch.from_numpy(self.weights[indices]),
            pbe_gap=torch.from_numpy(np.nan_to_num(self.pbe_gaps[indices])),
            pbe_known=torch.from_numpy(~np.isnan(self.pbe_gaps[indices])),
            rows=torch.from_numpy(np.asarray(indices, dtype=np.int64)),
        )

    def hidden_texts(self, tokens: Tensor, mask: Tensor, hide: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Replace the texts of the crystals where ``hide`` ``[B]`` by the empty text; the new presence comes third."""
        empty = torch.from_numpy(self._texts.empty).to(tokens)
        length = min(tokens.shape[1], len(empty))
        blank = torch.zeros_like(tokens[0])
        blank[:length] = empty[:length]
        present = (torch.arange(tokens.shape[1], device=mask.device) < length).to(mask.dtype)
        return torch.where(hide[:, None, None], blank, tokens), torch.where(hide[:, None], present, mask), ~hide

    def known(self) -> np.ndarray:
        """Positions of the rows whose target is no estimate."""
        return np.flatnonzero([not row.estimated and not np.isnan(row.target) for row in self.rows])

    def draws(self, *, repeat: int = 1, repeat_small: int = 1, repeat_elements: int = 1) -> np.ndarray:
        """Positions of the rows as often as an epoch draws them.

        Args:
            repeat: Times a row whose target is no estimate is drawn.
            repeat_small: Times such a row of at most :data:`SMALL` atoms is drawn, on top of that.
            repeat_elements: Times any row of a pure element is drawn, on top of both.
        """
        times = np.ones(len(self.rows), dtype=np.int64)
        labelled = (self.weights > 0) & ~np.array([row.estimated for row in self.rows])
        times[labelled] *= repeat
        times[labelled & (self.n_atoms <= SMALL)] *= repeat_small
        if repeat_elements > 1:
            numbers = (self.atomic_numbers(position) for position in range(len(self)))
            times[[bool((atoms == atoms[0]).all()) for atoms in numbers]] *= repeat_elements
        return np.repeat(np.arange(len(self.rows)), times)

    def atomic_numbers(self, position: int) -> np.ndarray:
        """Atomic numbers of the row at ``position``, ``[atoms]``."""
        return self._store[int(self._usable[position])].atomic_numbers

    def elements(self, positions: np.ndarray) -> set[int]:
        """Atomic numbers that occur in the rows at ``positions``."""
        return {int(z) for index in self._usable[positions] for z in np.unique(self._store[int(index)].atomic_numbers)}

    def batches(self, plan: Sequence[np.ndarray], *, workers: int = 0) -> Iterator[TrainingBatch]:
        """Collate the batches of ``plan`` in order, ahead of time where there are workers."""
        loader = DataLoader(_Plan(self, plan), batch_size=None, shuffle=False, num_workers=workers)  # type: ignore[arg-type,var-annotated]
        yield from loader


class _Plan:
    """A list of batches as a map-style data set."""

    def __init__(self, dataset: CrystalDataset, plan: Sequence[np.ndarray]) -> None:
        self.dataset, self.plan = dataset, plan

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> TrainingBatch:
        return self.dataset.batch(self.plan[index])


def epoch_plan(sizes: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Deal an epoch's rows into batches of about equal work.

    Crystals are sorted by the number of line-graph edges (with noise) and dealt like cards, so that every batch gets
    small and large ones: steps take the same time and memory, and batch statistics see the whole range of sizes.

    Args:
        sizes: Line-graph edges of each row.
        batch_size: Rows per batch; the last batches may hold one less, none holds a single row.
        seed: Of the run.
        epoch: Of the run; another order for each.

    Returns:
        Row indices of each batch.
    """
    random = np.random.default_rng((seed, epoch))
    n_batches = max(1, round(len(sizes) / batch_size))
    noisy = np.log(np.maximum(sizes, 1)) + random.normal(0.0, 0.2, len(sizes))
    order = np.argsort(noisy, kind="stable")
    seats = np.concatenate([random.permutation(n_batches) for _ in range(-(-len(order) // n_batches))])[: len(order)]
    batches = [order[seats == batch] for batch in range(n_batches)]
    return [batches[index] for index in random.permutation(n_batches) if len(batches[index])]


def in_order(n_rows: int, batch_size: int) -> list[np.ndarray]:
    """Batches in the rows' own order, for evaluation."""
    return [np.arange(start, min(start + batch_size, n_rows)) for start in range(0, n_rows, batch_size)]
