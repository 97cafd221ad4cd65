"""pymatgen and JARVIS structures written as JSON.

Both are read field by field. pymatgen's own ``from_dict`` decodes site properties with a decoder that imports whatever
module the file names, which a stranger's file must not be given.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.structures.cell import lattice_from_parameters
from hsegap.structures.checks import check_atom_count, check_lattice
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.occupancy import OCCUPANCY_TOLERANCE
from hsegap.structures.parsed import Parsed, disordered, fractional, numeric, unreadable
from hsegap.structures.plausible import INSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What rounding explains between two ways to say one thing: of a length or angle the relative difference, and Å.
STALE, FARTHEST_STALE = 1e-3, 0.05
_SIDES = ("a", "b", "c", "alpha", "beta", "gamma")


def load_json(text: str) -> dict[str, Any]:
    """Parse JSON text that has to hold one object.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    hint = "Write the file again, for example with Structure.to_json() or jarvis Atoms.to_dict()."
    try:
        data = json.loads(text, object_pairs_hook=_object)
    except StructureError:
        raise
    except (ValueError, RecursionError) as error:
        raise unreadable(f"The file is not valid JSON: {str(error)[:120]}.", hint) from error
    if not isinstance(data, dict):
        raise unreadable("The JSON holds no structure object.", hint)
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the file; Python's own would take the last of two values without a word.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        first = dict(reversed(pairs))
        key = next((key for key, value in made.items() if first[key] != value), None)
        if key is not None:
            raise unreadable(f"The JSON gives `{key[:40]}` twice in one object.", "Remove the one that is wrong.")
    return made


def find_format(data: dict[str, Any]) -> str | None:
    """Say which of the JSON formats an object has: ``pymatgen``, ``jarvis`` or None.

    Raises:
        StructureError: ``unreadable_structure`` for an object that holds one of each.
    """
    own = "sites" in data and "lattice" in data
    inner = _inner(data, "structure")
    if own and "sites" in inner and any(inner.get(key) != data[key] for key in ("sites", "lattice")):
        raise unreadable("The JSON holds two pymatgen structures.", "Send the one that is meant.")
    pymatgen = own or "sites" in inner
    jarvis = "lattice_mat" in data or "lattice_mat" in _inner(data, "atoms")
    if pymatgen and jarvis:
        message = "The JSON holds a pymatgen structure and JARVIS atoms."
        raise unreadable(message, "Send the one that is meant, or name its format.")
    if pymatgen or jarvis:
        return "pymatgen" if pymatgen else "jarvis"
    return None


def _inner(data: dict[str, Any], key: str) -> dict[str, Any]:
    inner = data.get(key)
    return inner if isinstance(inner, dict) else {}


def parse_pymatgen(text: str, *, max_atoms: int | None) -> Parsed:
    """Read ``Structure.as_dict()`` as JSON, bare or as the ``structure`` of a larger object.

    Args:
        text: The JSON text.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    data = load_json(text)
    if "sites" not in data and "sites" in _inner(data, "structure"):
        data = _inner(data, "structure")
    sites = data.get("sites")
    cell = data.get("lattice")
    hint = "A pymatgen structure has `lattice` and `sites`: write it with Structure.to_json()."
    if not isinstance(sites, list) or not all(isinstance(site, dict) for site in sites):
        raise unreadable("The JSON has no list of sites.", hint)
    if not isinstance(cell, dict):
        if "lattice" not in data and sites and all("xyz" in site for site in sites):
            raise unreadable("The JSON is a molecule: it has no lattice.", "Send a periodic structure with its cell.")
        raise unreadable("The JSON has no lattice.", hint)
    check_atom_count(len(sites), max_atoms)
    lattice = _pymatgen_lattice(cell)
    check_lattice(lattice, n_atoms=len(sites))
    notices = _stale_parts([cell.get(name) for name in _SIDES] if "matrix" in cell else [], lattice)
    symbols = _pymatgen_symbols(sites, notices)
    if all("abc" in site for site in sites):
        frac_coords = (
            numeric([site["abc"] for site in sites], (-1, 3), "The list of fractional coordinates")
            if sites
            else np.empty((0, 3))
        )
        notices += _stale_places(sites, frac_coords, lattice)
    elif all("xyz" in site for site in sites):
        if "matrix" not in cell:
            message = (
                "The JSON gives Cartesian coordinates only, and of the lattice no matrix that says along which axes."
            )
            raise unreadable(message, "Write the file again with Structure.to_json().")
        frac_coords = fractional(
            numeric([site["xyz"] for site in sites], (-1, 3), "The list of Cartesian coordinates"), lattice
        )
    else:
        raise unreadable("Some sites have no coordinates.", hint)
    if not all(cell.get("pbc", [True])):
        notices.append(
            Notice(
                "not_periodic", "The lattice is marked as not periodic in every direction; it was treated as periodic."
            )
        )
    return Parsed(lattice=lattice, symbols=symbols, frac_coords=frac_coords, notices=notices)


def _pymatgen_lattice(cell: dict[str, Any]) -> np.ndarray:
    """Lattice vectors from ``matrix`` or, where that is missing, from lengths and angles."""
    if "matrix" in cell:
        return numeric(cell["matrix"], (3, 3), "The lattice matrix")
    if not all(name in cell for name in _SIDES):
        raise unreadable(
            "The lattice has neither a matrix nor lengths and angles.", "Write the file again with Structure.to_json()."
        )
    return lattice_from_parameters(
        numeric([cell[name] for name in _SIDES], (6,), "The list of cell lengths and angles")
    )


def _stale_parts(sides: Sequence[object], lattice: np.ndarray) -> list[Notice]:
    """Tell of lengths or angles beside a matrix that has others: somebody changed one and not the other.

    Args:
        sides: Three lengths and three angles as the file gives them; anything else says nothing.
        lattice: Of the matrix, vectors as rows, Å, ``[3, 3]``.
    """
    stated = [side for side in sides if isinstance(side, int | float)]
    if len(sides) != len(_SIDES) or len(stated) != len(_SIDES):
        return []
    lengths = np.linalg.norm(lattice, axis=1)
    cosines = [float(lattice[i] @ lattice[j] / lengths[i] / lengths[j]) for i, j in ((1, 2), (0, 2), (0, 1))]
    found = [*lengths.tolist(), *np.degrees(np.arccos(np.clip(cosines, -1, 1))).tolist()]
    wrong = [name for name, side, value in zip(_SIDES, stated, found, strict=True) if not abs(side / value - 1) < STALE]
    if not wrong:
        return []
    message = f"The lattice gives {', '.join(wrong)} and a matrix that has another; the matrix was followed."
    return [Notice("parser_note", message)]


def _stale_places(sites: list[dict[str, Any]], frac_coords: np.ndarray, lattice: np.ndarray) -> list[Notice]:
    """Tell of Cartesian coordinates beside fractional ones of another place."""
    if not all("xyz" in site for site in sites) or not len(sites):
        return []
    listed = numeric([site["xyz"] for site in sites], (-1, 3), "The list of Cartesian coordinates")
    apart = np.abs(listed - frac_coords @ lattice).max(axis=1)
    wrong = np.flatnonzero(~(apart <= FARTHEST_STALE))
    if not len(wrong):
        return []
    message = (
        f"Site {int(wrong[0])} (counted from 0) has fractional coordinates (abc) and Cartesian ones (xyz) of another "
        "place; the fractional ones were followed."
    )
    return [Notice("parser_note", message)]


def _pymatgen_symbols(sites: list[dict[str, Any]], notices: list[Notice]) -> list[str]:
    """Element symbol of each site; partial occupancy is refused with the sites' names."""
    symbols, partial, repaired = [], [], 0
    for index, site in enumerate(sites):
        species = site.get("species")
        if not isinstance(species, list) or not species or not all(_names_element(entry) for entry in species):
            message = f"Site {index} of the JSON (counted from 0) names no element."
            raise unreadable(message, "Each site needs `species`: [{`element`: `Si`, `occu`: 1}].")
        occupancies = [entry.get("occu", 1) for entry in species]
        if not all(isinstance(value, int | float) for value in occupancies):
            raise unreadable(
                f"An occupancy of site {index} (counted from 0) is not a number.", "Check the `occu` entries."
            )
        if len(species) > 1 or not abs(occupancies[0] - 1) <= OCCUPANCY_TOLERANCE:  # so that NaN is refused too
            named = ", ".join(
                f"{entry['element']} {value:g}" for entry, value in zip(species, occupancies, strict=True)
            )
            partial.append(f"site {index} (from 0) holds {named}")
        elif occupancies[0] != 1:
            repaired += 1
        symbols.append(species[0]["element"])
    if partial:
        raise disordered(partial)
    if repaired:
        notices.append(Notice("occupancy_repaired", f"{repaired} occupancies within 1 % of full were taken for 1."))
    return symbols


def _names_element(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("element"), str)


def parse_jarvis(text: str, *, max_atoms: int | None) -> Parsed:
    """Read ``jarvis.core.atoms.Atoms.to_dict()`` as JSON, bare or as the ``atoms`` of a row of a JARVIS data set.

    Args:
        text: The JSON text.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    data = load_json(text)
    if "lattice_mat" not in data and "lattice_mat" in _inner(data, "atoms"):
        data = _inner(data, "atoms")
    hint = "JARVIS Atoms have `lattice_mat`, `coords`, `elements` and `cartesian`: write them with Atoms.to_dict()."
    elements = data.get("elements")
    if not isinstance(elements, list) or not all(isinstance(element, str) for element in elements):
        raise unreadable("The JSON has no list of elements.", hint)
    for name in ("lattice_mat", "coords"):
        if name not in data:
            raise unreadable(f"The JSON has no `{name}`.", hint)
    check_atom_count(len(elements), max_atoms)
    lattice = numeric(data["lattice_mat"], (3, 3), "`lattice_mat`")
    coords = numeric(data["coords"], (-1, 3), "`coords`") if data["coords"] != [] else np.empty((0, 3))
    if len(coords) != len(elements):
        raise unreadable(f"The JSON lists {len(elements)} elements but {len(coords)} positions.", hint)
    cartesian = data.get("cartesian", False)
    if not isinstance(cartesian, bool):
        raise unreadable("`cartesian` has to be true or false.", hint)
    if "cartesian" not in data and not cartesian and float(np.abs(coords).max(initial=0)) > INSIDE:
        message = "The JSON doesn't say whether its coordinates are Cartesian (Å) or fractional, and some exceed 1."
        raise unreadable(message, "Set `cartesian` to true or false.")
    check_lattice(lattice, n_atoms=len(elements))
    # JARVIS writes stripped or padded symbols in some of its data sets ("Si ").
    symbols = [element.strip() for element in elements]
    lengths, angles = data.get("abc"), data.get("angles")
    sides = [*lengths, *angles] if isinstance(lengths, list) and isinstance(angles, list) else []
    return Parsed(
        lattice=lattice,
        symbols=symbols,
        frac_coords=fractional(coords, lattice) if cartesian else coords,
        notices=_stale_parts(sides, lattice),
    )
