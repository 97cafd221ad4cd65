"""Many crystal graphs as one: the arrays the network takes, in numpy, so that serving needs no torch.

Sums over the neighbours of an atom (and over the bonds meeting a bond in the line graph) are done by gathering
from a table of incoming edges, padded with the index of an all-zero row. ONNX Runtime's ScatterND races on the CPU,
and the table keeps ties and variable degrees exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.structures.graph import CrystalGraph


class GraphArrays(NamedTuple):
    """Arrays of a batch of crystal graphs. The field names are the input names of the exported network.

    ``N`` atoms, ``E`` directed bonds, ``T`` line-graph edges and ``B`` crystals in the batch.

    Attributes:
        atomic_numbers: ``[N]`` int64.
        r: Displacement of each bond from ``src`` to ``dst`` in Å, ``[E, 3]`` float32.
        src: Atom a bond starts from, ``[E]`` int64.
        dst: Atom a bond ends at, ``[E]`` int64.
        line_src: Bond a line-graph edge starts from, ``[T]`` int64.
        line_dst: Bond it ends at, ``[T]`` int64.
        atom_incoming: Bonds that end at each atom, ``[N, largest in-degree]`` int64, padded with ``E``.
        bond_incoming: Line-graph edges that end at each bond, ``[E, largest in-degree]`` int64, padded with ``T``.
        atom_crystal: Crystal of each atom, ``[N]`` int64, ascending.
        crystal_atoms: Atoms of each crystal, ``[B, most atoms]`` int64, padded with ``N``.
    """

    atomic_numbers: np.ndarray
    r: np.ndarray
    src: np.ndarray
    dst: np.ndarray
    line_src: np.ndarray
    line_dst: np.ndarray
    atom_incoming: np.ndarray
    bond_incoming: np.ndarray
    atom_crystal: np.ndarray
    crystal_atoms: np.ndarray


def incoming_table(destination: np.ndarray, n_nodes: int) -> np.ndarray:
    """List, for each node, the edges that end there.

    Args:
        destination: Node each edge ends at, ``[edges]`` int64, in any order.
        n_nodes: Number of nodes.

    Returns:
        ``[n_nodes, largest in-degree]`` int64, edges in ascending order, padded with ``len(destination)``. At least
        one column wide, so that a graph without edges still sums to zero.
    """
    n_edges = len(destination)
    degree = np.bincount(destination, minlength=n_nodes)
    first = np.cumsum(degree) - degree
    column = np.arange(max(int(degree.max(initial=0)), 1))
    table = np.where(column < degree[:, None], first[:, None] + column, n_edges)
    if (destination[1:] < destination[:-1]).any():  # a crystal graph's edges are in order
        table = np.append(np.argsort(destination, kind="stable"), n_edges)[table]
    return table


def collate_arrays(graphs: Sequence[CrystalGraph]) -> GraphArrays:
    """Join crystal graphs into one disjoint graph, in the order given.

    Args:
        graphs: At least one graph.

    Returns:
        The batch's arrays.

    Raises:
        ValueError: If ``graphs`` is empty.
    """
    if not graphs:
        msg = "a batch needs at least one crystal graph"
        raise ValueError(msg)
    n_atoms = np.array([len(graph.atomic_numbers) for graph in graphs], dtype=np.int64)
    n_bonds = np.array([len(graph.src) for graph in graphs], dtype=np.int64)
    atom_offset = np.concatenate([[0], np.cumsum(n_atoms)])
    bond_offset = np.concatenate([[0], np.cumsum(n_bonds)])

    def joined(name: str, offsets: np.ndarray) -> np.ndarray:
        parts = [
            np.asarray(getattr(graph, name), dtype=np.int64) + offset
            for graph, offset in zip(graphs, offsets, strict=False)
        ]
        return np.concatenate(parts)

    dst = joined("dst", atom_offset)
    line_dst = joined("line_dst", bond_offset)
    atom_crystal = np.repeat(np.arange(len(graphs), dtype=np.int64), n_atoms)
    return GraphArrays(
        atomic_numbers=np.concatenate([np.asarray(graph.atomic_numbers, dtype=np.int64) for graph in graphs]),
        r=np.concatenate([np.asarray(graph.r, dtype=np.float32).reshape(-1, 3) for graph in graphs]),
        src=joined("src", atom_offset),
        dst=dst,
        line_src=joined("line_src", bond_offset),
        line_dst=line_dst,
        atom_incoming=incoming_table(dst, int(atom_offset[-1])),
        bond_incoming=incoming_table(line_dst, int(bond_offset[-1])),
        atom_crystal=atom_crystal,
        crystal_atoms=incoming_table(atom_crystal, len(graphs)),
    )
