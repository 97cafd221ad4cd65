"""What a Python session holds a crystal in becomes the text of a structure.

Paths, texts, and the objects of other libraries.

Objects travel as JSON, which keeps every digit; nothing of their libraries is imported here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.errors import HsegapError
from hsegap.prediction.schemas import PredictRequest
from hsegap.structures.database_ids import explain_id
from hsegap.structures.occupancy import partial_kinds
from hsegap.structures.parsed import disordered
from hsegap.structures.read import MAX_BYTES

if TYPE_CHECKING:
    from hsegap.formats import StructureFormat

#: Classes that hold a crystal, by the first part of their module and their name; subclasses are found by them too.
_PYMATGEN, _ASE, _JARVIS = ("pymatgen", "IStructure"), ("ase", "Atoms"), ("jarvis", "Atoms")
_MOLECULE = ("pymatgen", "IMolecule")
_OURS = ("hsegap", "Crystal")
TAKEN = "a path, the text of a file, or a Structure of pymatgen, Atoms of ASE, Atoms of JARVIS"


class Source(NamedTuple):
    """A crystal as text.

    Attributes:
        text: Of the structure.
        format: Its format; None recognises it.
        name: Path it was read from; None for what has none.
    """

    text: str
    format: StructureFormat | None = None
    name: str | None = None


def is_one(value: Any) -> bool:
    """Whether a value stands for one crystal, and not for several. Structures and Atoms are sequences of sites, too."""
    kinds = _kinds(value)
    return isinstance(value, str | os.PathLike | dict | PredictRequest) or bool(
        kinds & {_PYMATGEN, _ASE, _JARVIS, _MOLECULE, _OURS}
    )


def source_of(value: Any) -> Source:
    """The text of a crystal.

    Args:
        value: A path, a text, an object or its dictionary. A string of one line is a path.

    Raises:
        HsegapError: For what holds no crystal: ``unreadable_structure``, ``disordered_structure``,
            ``payload_too_large`` or ``invalid_request``.
    """
    kinds = _kinds(value)
    if isinstance(value, str | os.PathLike):
        return _of_words(value)
    if _PYMATGEN in kinds:
        return Source(_sites_json(value.lattice.matrix, value.lattice.pbc, map(_pymatgen_site, value)), "pymatgen")
    if _ASE in kinds:
        # ASE shows one element for each site of a disordered crystal, and keeps the others elsewhere.
        if partial := partial_kinds(value.info.get("occupancy")):
            raise disordered([f"kind {name} of info['occupancy'] holds {held}" for name, held in partial.items()])
        sites = zip(value.get_chemical_symbols(), value.positions.tolist(), strict=True)
        return Source(
            _sites_json(value.cell.array, value.pbc, ({"species": _species(one), "xyz": at} for one, at in sites)),
            "pymatgen",
        )
    if _JARVIS in kinds:
        return Source(_json(value.to_dict()), "jarvis")
    if _OURS in kinds:
        placed = zip(value.symbols, value.frac_coords.tolist(), strict=True)
        return Source(
            _sites_json(value.lattice, [True], ({"species": _species(one), "abc": at} for one, at in placed)),
            "pymatgen",
        )
    if _MOLECULE in kinds:
        raise HsegapError("unreadable_structure", "A Molecule has no cell: it is no crystal.", "Give a Structure.")
    if isinstance(value, dict):
        return Source(_json(value))
    raise HsegapError(
        "invalid_request", f"A crystal is {TAKEN}; this is a {type(value).__module__}.{type(value).__qualname__}.", ""
    )


def _kinds(value: Any) -> set[tuple[str, str]]:
    """The classes of a value, by the first part of their module and their name."""
    return {(kind.__module__.split(".")[0], kind.__name__) for kind in type(value).__mro__}


def _of_words(value: str | os.PathLike[str]) -> Source:
    """A path's file, or the text itself."""
    if isinstance(value, str) and (len(value.strip().splitlines()) != 1 or value.lstrip().startswith("{")):
        return Source(value)
    name = os.fspath(value)
    try:
        with Path(name).open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and (told := explain_id(name)):
            raise HsegapError(*told) from None
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{name[:200]} could not be read: {reason}."
        raise HsegapError(
            "unreadable_structure", message, "Check the path, or give the text of a structure file."
        ) from None
    if len(raw) > MAX_BYTES:
        message = f"{Path(name).name} is longer than {MAX_BYTES} bytes."
        raise HsegapError("payload_too_large", message, "Give one structure per file, in its primitive cell.")
    return Source(raw.decode("utf-8-sig", errors="replace"), name=name)


def _sites_json(lattice: Any, pbc: Any, sites: Any) -> str:
    """A structure as pymatgen writes it in JSON."""
    cell = {"matrix": [[float(part) for part in row] for row in lattice], "pbc": [bool(axis) for axis in pbc]}
    return _json({"lattice": cell, "sites": list(sites)})


def _pymatgen_site(site: Any) -> dict[str, Any]:
    # Neither oxidation states nor site properties matter, and these may hold anything.
    species = [
        {"element": getattr(one, "symbol", str(one)), "occu": float(share)} for one, share in site.species.items()
    ]
    return {"species": species, "abc": [float(part) for part in site.frac_coords]}


def _species(symbol: str) -> list[dict[str, Any]]:
    return [{"element": symbol, "occu": 1}]


def _json(value: Any) -> str:
    """JSON of an object's dictionary; arrays in it become lists, and what JSON has no word for its name."""
    return json.dumps(value, default=lambda part: part.tolist() if hasattr(part, "tolist") else str(part))
