"""What server and worker processes say to each other: jobs, answers and refusals, as JSON plus named numeric arrays.

No pickle: what comes out of a parser of strangers' files is data only.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from hsegap.structures.graph import CrystalGraph

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Frame: bytes of the JSON header, bytes of the arrays, then both.
PREFIX = struct.Struct("<QQ")
GRAPH_ARRAYS = tuple(field.name for field in fields(CrystalGraph))


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> bytes:
    """Pack one message: JSON plus named numeric arrays."""
    blocks = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    layout = [[name, block.dtype.str, list(block.shape)] for name, block in blocks.items()]
    head = json.dumps({**header, "arrays": layout}).encode()
    body = b"".join(block.tobytes() for block in blocks.values())
    return PREFIX.pack(len(head), len(body)) + head + body


def unpack(head: bytes, body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Undo :func:`pack`, given the two parts of a frame.

    Raises:
        ValueError: If the parts do not fit together.
    """
    header: dict[str, Any] = json.loads(head)
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for name, dtype_name, shape in header.pop("arrays"):
        dtype = np.dtype(dtype_name)
        if dtype.kind not in "iuf":
            raise ValueError(f"array {name} of kind {dtype.kind}")
        count = math.prod(shape)
        arrays[name] = np.frombuffer(body, dtype=dtype, count=count, offset=offset).reshape(shape)
        offset += count * dtype.itemsize
    return header, arrays


@dataclass(frozen=True)
class Job:
    """What a worker is asked.

    Attributes:
        job: Read the structure and build its graph, or describe it.
        structure: Text of the structure file.
        format: Its format; None recognises it.
        graph: Keywords of :func:`hsegap.structures.build_graph`.
        max_atoms: Most atoms of the cell.
        max_edges: Most edges of graph and line graph.
        strains: Build the graph with the lattice stretched by these shares, too.
    """

    job: Literal["read", "describe"]
    structure: str
    format: str | None
    graph: dict[str, Any]
    max_atoms: int
    max_edges: int
    strains: tuple[float, ...] = ()

    def frame(self) -> bytes:
        """As it travels."""
        return pack(vars(self))


@dataclass(frozen=True)
class ReadAnswer:
    """A structure read and its graph built.

    Attributes:
        formula: Reduced formula.
        symbols: Element of each atom.
        warnings: What was repaired, (code, message).
        read_ms: Milliseconds of reading.
        graph_ms: Milliseconds of building the graph.
        graph: The crystal graph.
        frac_coords: ``[atoms, 3]``.
        lattice: Vectors as rows, Å.
        strained: Graphs with the lattice stretched, as the job asks.
    """

    formula: str
    symbols: list[str]
    warnings: list[tuple[str, str]]
    read_ms: float
    graph_ms: float
    graph: CrystalGraph
    frac_coords: np.ndarray
    lattice: np.ndarray
    strained: tuple[CrystalGraph, ...] = ()

    def frame(self) -> bytes:
        """As it travels."""
        arrays = {**vars(self.graph), "frac_coords": self.frac_coords, "lattice": self.lattice}
        for place, graph in enumerate(self.strained):
            arrays |= {f"strained_{place}_{name}": array for name, array in vars(graph).items()}
        left = {"graph", "strained", *arrays}
        return pack({name: value for name, value in vars(self).items() if name not in left}, arrays)

    @classmethod
    def of(cls, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Undo :meth:`frame`.

        Raises:
            KeyError: If a part is missing.
            TypeError: If there is one too many.
        """
        graph = CrystalGraph(**{name: arrays[name] for name in GRAPH_ARRAYS})
        n_strained = sum(
            name.startswith("strained_") and name.endswith("_src") and "line" not in name for name in arrays
        )
        strained = tuple(
            CrystalGraph(**{name: arrays[f"strained_{place}_{name}"] for name in GRAPH_ARRAYS})
            for place in range(n_strained)
        )
        frac_coords, lattice = arrays["frac_coords"], arrays["lattice"]
        return cls(**header, graph=graph, strained=strained, frac_coords=frac_coords, lattice=lattice)


@dataclass(frozen=True)
class DescribeAnswer:
    """A structure described.

    Attributes:
        text: The description.
        formula: Reduced formula.
        n_atoms: Atoms in the cell.
        warnings: What was repaired, (code, message).
        read_ms: Milliseconds of reading.
        describe_ms: Milliseconds of describing.
    """

    text: str
    formula: str
    n_atoms: int
    warnings: list[tuple[str, str]]
    read_ms: float
    describe_ms: float

    def frame(self) -> bytes:
        """As it travels."""
        return pack(vars(self))


@dataclass(frozen=True)
class Refusal:
    """Why there is no answer.

    Attributes:
        code: One of the error codes.
        message: What is wrong.
        hint: What to do next; empty takes the code's own.
        traceback: For the log, where the code is ``internal``.
        unfit: Whether another process should take the next job: one that ran out of memory may hold half-initialised
            libraries.
    """

    code: str
    message: str
    hint: str = ""
    traceback: str = ""
    unfit: bool = False

    def frame(self) -> bytes:
        """As it travels."""
        return pack({"refused": vars(self)})

    @classmethod
    def of(cls, header: dict[str, Any]) -> Self | None:
        """The refusal that a header carries; None if it is an answer."""
        return cls(**header["refused"]) if "refused" in header else None
