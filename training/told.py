"""Gaps estimated by a network that is told the cheap one; :mod:`hsegap.training.transfer` does it by trees.

A network trained on both gaps knows the structure, too, and errs by less than the trees once it is told the PBE gap.
What it says of crystals that have only that gap is learned from by its successor, which answers without being told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.models.checkpoint import CheckpointError, read_checkpoint
from hsegap.training.data import json_lines
from hsegap.training.dataset import CrystalDataset, TextVectors
from hsegap.training.errors import DataError
from hsegap.training.graphs import graph_store
from hsegap.training.metrics import predict
from hsegap.training.progress import Progress
from hsegap.training.rows import Row
from hsegap.training.transfer import Transfer, choose, write_estimates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hsegap.models import CrystalTextNetwork

#: The gaps that a network can be told, and that it then answers.
CHEAP, WANTED = "pbe_gap_ev", "hse_gap_ev"


def transfer_told(
    files: Sequence[Path],
    out: Path,
    *,
    network: Path,
    known: Sequence[Path] = (),
    measure: Sequence[Path] = (),
    max_atoms: int | None = None,
    one_metal_in: int = 1,
    cache_dir: str | Path = ".cache",
) -> Transfer:
    """Write rows with the HSE gaps that a network answers when it is told their PBE gaps.

    Args:
        files: Rows with ``cif`` and ``pbe_gap_ev``.
        out: As for :func:`hsegap.training.transfer.transfer`, and so are ``measure``, ``max_atoms``, ``one_metal_in``.
        network: Checkpoint of a network that can be told the PBE gap.
        known: Rows with both gaps, whose ids are left out: their gaps need no estimate.
        measure: Rows with both gaps that the network was not trained on.
        cache_dir: Folder of graphs, shared with training.

    Raises:
        DataError: If a file is missing or damaged, or the network cannot be told a PBE gap.
    """
    try:
        taught = read_checkpoint(network).network.eval()
    except CheckpointError as error:
        raise DataError(f"--network {network}: {error}") from error
    if CHEAP not in taught.config.facts or taught.config.no_text != "learned":
        raise DataError(f"--network {network}: this network was not trained here to be told a PBE gap")
    told = {str(item.get("id")) for path in known for _, item in json_lines(path)}
    chosen = choose(files, cheap=CHEAP, max_atoms=max_atoms, one_metal_in=one_metal_in)
    items = [item for item in chosen.items if str(item.get("id")) not in told]
    gaps = answers_told(taught, items, cache_dir=cache_dir)
    readable = [(item, gap) for item, gap in zip(items, gaps, strict=True) if not math.isnan(gap)]
    write_estimates(out, [item for item, _ in readable], np.array([gap for _, gap in readable]), wanted=WANTED)
    tests = [
        item for path in measure for _, item in json_lines(path) if None not in (item.get(CHEAP), item.get(WANTED))
    ]
    errors = np.abs(answers_told(taught, tests, cache_dir=cache_dir) - [item[WANTED] for item in tests])
    return Transfer(
        written=len(readable),
        learnt=len(told),
        without_gap=chosen.without_gap,
        too_large=chosen.too_large,
        thinned=chosen.thinned,
        invented=0,
        mae=float(np.nanmean(errors)) if tests else None,
        mae_of_cheap=float(np.mean([abs(item[CHEAP] - item[WANTED]) for item in tests])) if tests else None,
        measured=len(tests),
    )


def answers_told(network: CrystalTextNetwork, items: Sequence[dict[str, Any]], *, cache_dir: str | Path) -> np.ndarray:
    """What a network answers when it is told the PBE gaps: ``[rows]`` in eV, none below zero.

    Not a number where the structure cannot be read.
    """
    gaps = np.full(len(items), math.nan)
    if not items:
        return gaps
    rows = [
        Row(str(position), item["cif"], math.nan, None, weight=0.0, pbe_gap=float(item[CHEAP]))
        for position, item in enumerate(items)
    ]
    config = network.config
    store = graph_store(
        rows,
        cache_dir=cache_dir,
        flavour=config.graph_flavour,
        cutoff=config.cutoff,
        max_neighbors=config.max_neighbors,
    )
    # No text is told: the network reads its own vector for a missing one, whatever stands in the place of the tokens.
    texts = TextVectors([], np.full(len(rows), -1), np.zeros((1, config.text_features), dtype=np.float32))
    dataset = CrystalDataset(rows, store, texts)
    with Progress("estimates", len(dataset)) as progress:
        found = predict(network, dataset, with_facts=True, advance=progress.advance).gap
    gaps[[int(row.id) for row in dataset.rows]] = np.maximum(found, 0.0)
    return gaps
