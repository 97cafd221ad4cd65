"""The formats that a structure can be read from, by the names that users give them."""

from __future__ import annotations

from typing import Literal, get_args

StructureFormat = Literal["cif", "poscar", "xyz", "pymatgen", "jarvis"]
FORMATS: tuple[StructureFormat, ...] = get_args(StructureFormat)
