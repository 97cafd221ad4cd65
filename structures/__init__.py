"""A file becomes a crystal, a crystal a graph, a crystal a description."""

from structures.batch import GraphArrays, collate_arrays
from structures.crystal import Crystal, Notice
from structures.errors import StructureError
from structures.graph import FLAVOURS, CrystalGraph, build_graph

__all__ = [
    "FLAVOURS",
    "Crystal",
    "CrystalGraph",
    "GraphArrays",
    "Notice",
    "StructureError",
    "build_graph",
    "collate_arrays",
]
