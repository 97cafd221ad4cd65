"""A file becomes a crystal, a crystal a graph, a crystal a description."""

from hsegap.formats import FORMATS
from hsegap.structures.batch import GraphArrays, collate_arrays
from hsegap.structures.crystal import Crystal, Notice
from hsegap.structures.describe import describe, plain_numbers
from hsegap.structures.errors import DescriptionError, StructureError
from hsegap.structures.graph import FLAVOURS, CrystalGraph, build_graph
from hsegap.structures.read import read
from hsegap.structures.summary import Summary, summary_of, to_cif

__all__ = [
    "FLAVOURS",
    "FORMATS",
    "Crystal",
    "CrystalGraph",
    "DescriptionError",
    "GraphArrays",
    "Notice",
    "StructureError",
    "Summary",
    "build_graph",
    "collate_arrays",
    "describe",
    "plain_numbers",
    "read",
    "summary_of",
    "to_cif",
]
