"""A file becomes a crystal, a crystal a graph, a crystal a description."""

from structures.batch import GraphArrays, collate_arrays
from structures.crystal import Crystal, Notice
from structures.errors import StructureError
from structures.graph import FLAVOURS, CrystalGraph, build_graph
from structures.read import FORMATS, read

__all__ = [
    "FLAVOURS",
    "FORMATS",
    "Crystal",
    "CrystalGraph",
    "GraphArrays",
    "Notice",
    "StructureError",
    "build_graph",
    "collate_arrays",
    "read",
]
