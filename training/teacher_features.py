"""``hsegap teacher``: what an interatomic potential knows of each atom is written down once.

Training learns from it.

CHGNet (Deng et al., Nature Machine Intelligence 5, 1031 (2023); modified BSD licence) gives every atom a vector and
a magnetic moment. Its package brings its weights. It declares a library that overwrites one of BentoML's, so it
lives in an environment of its own: see docs/training.md.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.structures.errors import StructureError
from hsegap.structures.read import read
from hsegap.training.data import json_lines
from hsegap.training.errors import DataError
from hsegap.training.progress import Progress
from hsegap.training.state import remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hsegap.structures.crystal import Crystal

#: Crystals in a file of features: what a run that is killed has to do again.
CHUNK = 256


def write_features(files: Sequence[Path], folder: Path, *, max_atoms: int = 60, batch_size: int = 16) -> int:
    """Write the features of all crystals that ``folder`` has none of yet.

    Each ``NNNNN.npz`` holds ``ids [n]``, ``first [n + 1]`` (where a crystal's atoms begin), ``numbers [atoms]``,
    ``features [atoms, 64]`` float16 and ``moments [atoms]`` float16 in Bohr magnetons.

    Args:
        files: Rows with ``id`` and ``cif``: ``.jsonl`` or ``.jsonl.gz``.
        folder: Made if it is not there. Safe to kill: the next run goes on.
        max_atoms: Larger crystals are left out.
        batch_size: Crystals that the potential sees at once.

    Returns:
        Number of crystals written.

    Raises:
        DataError: If a file cannot be read or CHGNet is not installed.
    """
    model = _chgnet()
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    done = _done(folder)
    rows: dict[str, str] = {}
    for path in files:
        for _, row in json_lines(path):
            if row["id"] not in done and row.get("n_sites", 0) <= max_atoms:
                rows.setdefault(str(row["id"]), row["cif"])
    names, written, number = list(rows), 0, len(list(folder.glob("[0-9]*.npz")))
    with Progress("teacher", len(names)) as progress:
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            written += _write(folder / f"{number:05}.npz", {name: rows[name] for name in part}, model, batch_size)
            number += 1
            progress.advance(len(part))
    return written


def _chgnet() -> Any:
    try:
        from chgnet.model import CHGNet
    except ImportError as error:
        raise DataError(
            f"the teacher is not installed ({error}): make an environment of its own for it, as docs/training.md says"
        ) from error
    return CHGNet.load(use_device="cpu", verbose=False)


def _done(folder: Path) -> set[str]:
    done: set[str] = set()
    for path in folder.glob("[0-9]*.npz"):
        with np.load(path) as content:
            done.update(map(str, content["ids"]))
    return done


def _write(path: Path, rows: dict[str, str], model: Any, batch_size: int) -> int:
    crystals: dict[str, Crystal] = {}
    for name, cif in rows.items():
        try:
            crystals[name] = read(cif, format="cif")
        except StructureError:
            continue  # training lists what it cannot read
    # Alike sizes together: the potential pads nothing, but a batch takes the memory of its largest.
    order = sorted(crystals, key=lambda name: crystals[name].n_atoms)
    found: dict[str, dict[str, np.ndarray]] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        found |= dict(zip(part, _features(model, [crystals[name] for name in part]), strict=True))
    kept = [name for name in order if found[name]]
    sizes = [crystals[name].n_atoms for name in kept]
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        ids=np.array(kept),
        first=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        numbers=_joined([np.asarray(crystals[name].atomic_numbers, dtype=np.int16) for name in kept]),
        features=_joined([found[name]["atom_fea"].astype(np.float16) for name in kept]),
        moments=_joined([found[name]["m"].reshape(-1).astype(np.float16) for name in kept]),
    )
    temporary.rename(path)
    return len(kept)


def _features(model: Any, crystals: list[Crystal]) -> list[dict[str, np.ndarray]]:
    """Of each crystal its atoms' vectors ``[n, 64]`` and moments; nothing where the potential finds isolated atoms."""
    graphs, places = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, crystal in enumerate(crystals):
            try:
                graph = model.graph_converter(crystal.to_pymatgen())
            except ValueError:
                continue
            if graph is not None:
                graphs.append(graph)
                places.append(place)
        results = (
            model.predict_graph(graphs, task="em", return_atom_feas=True, batch_size=len(graphs)) if graphs else []
        )
    answers: list[dict[str, np.ndarray]] = [{} for _ in crystals]
    for place, result in zip(places, [results] if isinstance(results, dict) else results, strict=True):
        answers[place] = result
    return answers


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0)
