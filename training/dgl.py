"""DGL beside a current torch: its import, and conversions to and from its graphs."""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.structures import CrystalGraph

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: Names of the atomic numbers in the node data of DGL pipelines, ours first.
ATOMIC_NUMBER_NAMES = ("atomic_number", "atomic_numbers", "Z", "z")
#: CGCNN features, or atomic numbers where they are one wide (jarvis-tools writes either under this name).
FEATURE_NAME = "atom_features"


def import_dgl() -> ModuleType:
    """Import DGL 1.1.3 next to torch 2.13 and setuptools of today.

    DGL reads the version parser from ``setuptools.extern``, which setuptools no longer has; the ``packaging`` package
    that lived there stands in. Nothing is written to disk, and ``DGLBACKEND`` is set only where the user has not.

    Returns:
        The ``dgl`` module.

    Raises:
        ImportError: If the extra ``dgl`` is not installed; the message says how to get it.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")
    try:
        import packaging
        import packaging.version
    except ImportError as error:
        raise ImportError("DGL needs the extra `dgl`: pip install 'hsegap[dgl]'") from error
    # Only where setuptools really lacks it: an old setuptools keeps its own.
    try:
        import setuptools.extern  # noqa: F401  # its presence is the question
    except ImportError:
        sys.modules.setdefault("setuptools.extern", packaging)
        sys.modules.setdefault("setuptools.extern.packaging", packaging)
    try:
        import dgl
    except ImportError as error:
        raise ImportError("DGL needs the extra `dgl`: pip install 'hsegap[dgl]'") from error
    return dgl


def to_dgl(graph: CrystalGraph) -> tuple[Any, Any]:
    """A crystal graph as the pair of DGL graphs that ALIGNN pipelines pass around.

    Args:
        graph: Of one crystal.

    Returns:
        The atom graph (node data ``atomic_number`` ``[N]`` and ``atom_features`` ``[N, 92]``, edge data ``r`` ``[E,
        3]`` in Å) and the line graph (node data ``r``, edge data ``h`` ``[T]``, the cosine of the bond angle). Edges
        keep their order.

    Raises:
        ImportError: Without DGL.
    """
    import torch

    from hsegap.models.elements import element_features

    dgl = import_dgl()
    numbers = np.asarray(graph.atomic_numbers, dtype=np.int64)
    atoms = dgl.graph(_ends(graph.src, graph.dst), num_nodes=len(numbers))
    atoms.ndata["atomic_number"] = torch.from_numpy(numbers)
    atoms.ndata[FEATURE_NAME] = torch.from_numpy(element_features()[numbers])
    r = torch.from_numpy(np.asarray(graph.r, dtype=np.float32))
    atoms.edata["r"] = r
    lines = dgl.graph(_ends(graph.line_src, graph.line_dst), num_nodes=len(graph.src))
    lines.ndata["r"] = r
    one, other = r[lines.edges()[0]], r[lines.edges()[1]]
    lines.edata["h"] = (-(one * other).sum(1) / (one.norm(dim=1) * other.norm(dim=1))).clamp(-1.0, 1.0)
    return atoms, lines


def batch_to_dgl(graphs: Sequence[CrystalGraph]) -> tuple[Any, Any]:
    """Several crystals as one batched atom graph and one batched line graph.

    Raises:
        ImportError: Without DGL.
    """
    dgl = import_dgl()
    pairs = [to_dgl(graph) for graph in graphs]
    return dgl.batch([atoms for atoms, _ in pairs]), dgl.batch([lines for _, lines in pairs])


def from_dgl(atoms: Any, lines: Any = None, *, keep_self_pairs: bool = False) -> CrystalGraph:
    """A DGL pipeline's graph of one crystal as ours.

    Args:
        atoms: Atom graph with edge data ``r`` and, as node data, atomic numbers (:data:`ATOMIC_NUMBER_NAMES`) or
            ``atom_features`` (CGCNN's 92, or one column of atomic numbers). The lanthanides and actinides that share
            their CGCNN features come back as the first of them, which makes no difference to the network.
        lines: Line graph whose nodes are the edges of ``atoms`` in their order; None builds it.
        keep_self_pairs: Where it is built: also pair a bond of an atom with its own image with itself (flavour
            ``symmetric``).

    Returns:
        The graph, its edges sorted by destination.

    Raises:
        ValueError: If data is missing or the two graphs do not belong together.
    """
    if "r" not in atoms.edata:
        raise ValueError(
            f"the atom graph has no edge data 'r' (displacements in Å); it has {sorted(atoms.edata) or 'none'}"
        )
    if lines is not None and lines.num_nodes() != atoms.num_edges():
        raise ValueError(
            f"the line graph has {lines.num_nodes()} nodes, the atom graph {atoms.num_edges()} edges: "
            "they do not belong together"
        )
    if lines is None:
        lines = atoms.line_graph(backtracking=True)
        pairs = np.stack([ends.numpy() for ends in lines.edges()])
        if keep_self_pairs:
            source, target = (ends.numpy() for ends in atoms.edges())
            loops = np.flatnonzero(source == target)  # DGL leaves the pair of an edge with itself out
            pairs = np.concatenate([pairs, np.stack([loops, loops])], axis=1)
    else:
        pairs = np.stack([ends.numpy() for ends in lines.edges()])
    src, dst = (ends.numpy().astype(np.int64) for ends in atoms.edges())
    order = np.lexsort((src, dst))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    line_src, line_dst = position[pairs[0]], position[pairs[1]]
    line_order = np.lexsort((line_src, line_dst))
    return CrystalGraph(
        atomic_numbers=_atomic_numbers(atoms),
        src=src[order],
        dst=dst[order],
        r=atoms.edata["r"].numpy().astype(np.float32)[order],
        line_src=line_src[line_order],
        line_dst=line_dst[line_order],
    )


def unbatch_dgl(atoms: Any, lines: Any = None, *, keep_self_pairs: bool = False) -> list[CrystalGraph]:
    """The crystals of a batched atom graph (and its line graph), one by one.

    Arguments and errors as in :func:`from_dgl`.
    """
    dgl = import_dgl()
    singles = dgl.unbatch(atoms)
    line_singles = [None] * len(singles) if lines is None else dgl.unbatch(lines)
    if len(line_singles) != len(singles):
        raise ValueError(f"{len(singles)} atom graphs, {len(line_singles)} line graphs: they do not belong together")
    return [
        from_dgl(one, other, keep_self_pairs=keep_self_pairs) for one, other in zip(singles, line_singles, strict=True)
    ]


def _ends(src: np.ndarray, dst: np.ndarray) -> tuple[Any, Any]:
    import torch

    return torch.from_numpy(np.asarray(src, dtype=np.int64)), torch.from_numpy(np.asarray(dst, dtype=np.int64))


def _atomic_numbers(atoms: Any) -> np.ndarray:
    for name in ATOMIC_NUMBER_NAMES:
        if name in atoms.ndata:
            return atoms.ndata[name].numpy().reshape(-1).astype(np.int64)
    if FEATURE_NAME not in atoms.ndata:
        raise ValueError(
            f"the atom graph has neither atomic numbers nor '{FEATURE_NAME}'; "
            f"its node data are {sorted(atoms.ndata) or 'none'}"
        )
    features = atoms.ndata[FEATURE_NAME].numpy()
    if features.ndim == 1 or features.shape[1] == 1:
        return features.reshape(-1).astype(np.int64)
    known = _numbers_by_features()
    try:
        return np.array([known[row.astype(np.float32).tobytes()] for row in features], dtype=np.int64)
    except KeyError:
        raise ValueError(
            f"'{FEATURE_NAME}' is {features.shape[1]} wide and not CGCNN's table: atomic numbers cannot be told from it"
        ) from None


@functools.lru_cache(maxsize=1)
def _numbers_by_features() -> dict[bytes, int]:
    from hsegap.models.elements import MAX_ATOMIC_NUMBER, element_features

    table = element_features()
    return {table[number].tobytes(): number for number in range(MAX_ATOMIC_NUMBER, 0, -1) if table[number].any()}
