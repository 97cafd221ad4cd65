"""A file becomes a crystal, a crystal a graph, a crystal a description."""

from structures.batch import GraphArrays, collate_arrays
from structures.crystal import Crystal, Notice
from structures.describe import describe, plain_numbers
from structures.errors import DescriptionError, StructureError
from structures.graph import FLAVOURS, CrystalGraph, build_graph
from structures.read import FORMATS, read

__all__ = [
    "FLAVOURS",
    "FORMATS",
    "Crystal",
    "CrystalGraph",
    "DescriptionError",
    "GraphArrays",
    "Notice",
    "StructureError",
    "build_graph",
    "collate_arrays",
    "describe",
    "plain_numbers",
    "read",
]
