"""Graphs that a DGL pipeline has saved, as structures to train on (``--use_preprocessed``).

A folder holds either ``graphs.bin`` with the atom graphs of many crystals and ``graphs.json`` with their ids (what
:func:`save_graphs` writes), or one ``ID.bin`` per crystal with its atom graph and, optionally, its line graph.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hsegap.training.errors import DataError
from hsegap.training.rows import SavedGraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hsegap.structures import CrystalGraph
    from hsegap.training.rows import Row

MANY, INDEX = "graphs.bin", "graphs.json"


@dataclass(frozen=True)
class SavedGraphs:
    """The saved graphs of a folder by crystal id.

    Attributes:
        folder: Where they are.
        settings: ``flavour``, ``cutoff`` and ``max_neighbors`` they were built with; empty where the folder doesn't
            say.
    """

    folder: Path
    by_id: dict[str, SavedGraph]
    settings: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, *, flavour: str) -> Self:
        """List a folder; no graph is read.

        Args:
            folder: The folder.
            flavour: Of the network; graphs that say they are of another one are refused.

        Raises:
            DataError: If it holds no graphs, or those of another flavour.
        """
        settings: dict[str, Any] = {}
        if (folder / MANY).is_file():
            try:
                settings = json.loads((folder / INDEX).read_text(encoding="utf-8"))
                ids = [str(name) for name in settings.pop("ids")]
            except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
                raise DataError(
                    f"{folder / MANY} needs {INDEX} beside it, with the ids of its graphs in order: {error!r}"
                ) from error
            files = {name: SavedGraph(folder / MANY, index, keep_self_pairs=False) for index, name in enumerate(ids)}
        else:
            files = {path.stem: SavedGraph(path, None, keep_self_pairs=False) for path in sorted(folder.glob("*.bin"))}
        if not files:
            raise DataError(
                f"there are no saved graphs in {folder}: expected {MANY} with {INDEX}, or one ID.bin per crystal"
            )
        told = settings.get("flavour")
        if told is not None and told != flavour:
            raise DataError(f"the graphs in {folder} are of the flavour {told}; train with --graph_flavour {told}")
        keep = flavour == "symmetric"
        return cls(folder, {name: replace(graph, keep_self_pairs=keep) for name, graph in files.items()}, settings)

    def give(self, rows: list[Row], skipped: list[tuple[str, str]]) -> list[Row]:
        """The rows with their saved graphs in place of structure files; those without one go to ``skipped``."""
        kept = []
        for row in rows:
            graph = self.by_id.get(row.id)
            if graph is None:
                skipped.append((row.id, f"no saved graph in {self.folder}"))
            else:
                kept.append(replace(row, structure=graph))
        return kept


def saved_folder(base: str | Path, dataset: str, property_folder: str) -> Path:
    """Where below ``--preprocessed_dir`` the graphs of a property are.

    In a folder of its name, or in the folder itself.

    Raises:
        DataError: If there is no such folder.
    """
    base = Path(base)
    if not base.is_dir():
        raise DataError(f"--preprocessed_dir {base} does not exist")
    for folder in (base / dataset / property_folder, base / property_folder, base):
        if (folder / MANY).is_file() or any(folder.glob("*.bin")):
            return folder
    raise DataError(
        f"there are no saved graphs (*.bin) in {base}, {base / property_folder} or {base / dataset / property_folder}"
    )


def save_graphs(
    folder: str | Path,
    graphs: Mapping[str, CrystalGraph],
    *,
    flavour: str,
    cutoff: float = 8.0,
    max_neighbors: int = 12,
) -> Path:
    """Save atom graphs with ``dgl.save_graphs`` and their ids beside them.

    Line graphs follow from them and are not saved.

    Args:
        folder: To write to.
        graphs: By crystal id.
        flavour: They were built with, as the other settings.
        cutoff: As above.
        max_neighbors: As above.

    Returns:
        The folder, for ``--preprocessed_dir``.

    Raises:
        ImportError: Without DGL.
    """
    from hsegap.training.dgl import import_dgl, to_dgl
    from hsegap.training.state import write_json

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    import_dgl().save_graphs(str(folder / MANY), [to_dgl(graph)[0] for graph in graphs.values()])
    write_json(
        {"flavour": flavour, "cutoff": cutoff, "max_neighbors": max_neighbors, "ids": list(graphs)}, folder / INDEX
    )
    return folder
