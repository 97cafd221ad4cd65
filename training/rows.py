"""What the training learns from, one crystal at a time."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.structures import CrystalGraph


@dataclass(frozen=True)
class SavedGraph:
    """One graph in a file.

    Attributes:
        path: The file.
        index: Place in it; None where the file is this crystal's own.
        keep_self_pairs: Whether a line graph that is not saved pairs a bond with itself.
    """

    path: Path
    index: int | None
    keep_self_pairs: bool

    def content(self) -> bytes:
        """What the graph depends on, for the name it is cached under."""
        return json.dumps([_file_hash(self.path), self.index, self.keep_self_pairs]).encode()

    def read(self) -> CrystalGraph:
        """The graph.

        Raises:
            ValueError: If the file holds something else.
            ImportError: Without DGL.
        """
        from hsegap.training.dgl import from_dgl, import_dgl

        dgl = import_dgl()
        try:
            graphs, _ = dgl.load_graphs(str(self.path), None if self.index is None else [self.index])
        except dgl.DGLError as error:
            raise ValueError(f"{self.path} is not a file of DGL graphs: {str(error).splitlines()[-1]}") from error
        if self.index is None and len(graphs) > 2:
            raise ValueError(
                f"{self.path} holds {len(graphs)} graphs; expected an atom graph and at most its line graph"
            )
        return from_dgl(*graphs, keep_self_pairs=self.keep_self_pairs)


@functools.lru_cache(maxsize=4096)
def _file_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Row:
    """One crystal to learn from.

    Attributes:
        id: Its name in the data set.
        structure: Text of the structure file, the path of one, or a saved graph in its place.
        target: Number to learn (eV for gaps); not a number where only the PBE gap is known.
        pbe_gap: PBE gap in eV, or None.
        description: Text, or None.
        weight: Weight in the loss.
        estimated: Whether the target is an estimate (``hsegap transfer``): such a crystal is learned from, and not
            known.
    """

    id: str
    structure: str | Path | SavedGraph
    target: float
    description: str | None
    weight: float = 1.0
    estimated: bool = False
    pbe_gap: float | None = None
