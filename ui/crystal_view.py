"""What the 3D picture draws: atoms with their images on the cell's faces, bonds, and the cell itself.

The browser only colours it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.structures.summary import lattice_parameters
from hsegap.ui.cells import cells_of
from hsegap.ui.read_panel import lattice_words

if TYPE_CHECKING:
    from hsegap.structures import Crystal
    from hsegap.ui.cells import Cell

#: Most atoms drawn at once; above that a browser without a graphics card stutters and nobody can tell the spheres
#: apart.
MAX_DRAWN = 3000
#: A bond is drawn up to this multiple of the sum of the covalent radii.
BOND_TOLERANCE = 1.13
#: Fractional distance from a face within which an atom counts as lying on it.
ON_FACE = 0.01
#: Radius of a drawn sphere over the element's covalent radius: small enough to see the bonds.
BALL_OVER_COVALENT = 0.42
SMALLEST_BALL, LARGEST_BALL = 0.24, 0.72
#: A polyhedron has at least and at most so many corners, each more electronegative than its centre by this much
#: (Pauling's scale); beyond the last number of polyhedra a picture of them shows nothing.
LEAST_CORNERS, MOST_CORNERS = 4, 12
LEAST_POLAR = 0.2
MOST_POLYHEDRA = 300


@lru_cache(maxsize=1)
def _element_colours() -> dict[str, list[int]]:
    """Jmol's colours, which most structure viewers share: symbol → [red, green, blue]."""
    from importlib.resources import files

    import yaml

    schemes: dict[str, dict[str, list[int]]] = yaml.safe_load(
        (files("pymatgen.core") / "ElementColorSchemes.yaml").read_text()
    )
    return schemes["Jmol"]


def element_colour(symbol: str) -> str:
    """Colour of an element as ``#rrggbb``; grey for one that has none."""
    red, green, blue = _element_colours().get(symbol, [160, 160, 160])
    return f"#{red:02x}{green:02x}{blue:02x}"


def covalent_radius(symbol: str) -> float:
    """Covalent radius in Å; 1.5 for an element without a published one."""
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius

    return float(CovalentRadius.radius.get(symbol, 1.5))


def _wrapped(frac_coords: np.ndarray) -> np.ndarray:
    """Fractional coordinates moved into the cell, with those a rounding below 1 moved to 0."""
    inside = frac_coords - np.floor(frac_coords)
    return np.where(inside > 1.0 - ON_FACE / 10, inside - 1.0, inside)


def drawn_atoms(frac_coords: np.ndarray, lattice: np.ndarray, *, repeat: int) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of ``repeat``³ cells, those on a face drawn on the opposite one too (as in every crystallography textbook).

    Args:
        frac_coords: ``[sites, 3]``.
        lattice: Rows in Å, ``[3, 3]``.
        repeat: Cells along each vector.

    Returns:
        Site of each drawn atom ``[drawn]`` and its position in Å ``[drawn, 3]``.
    """
    inside = _wrapped(frac_coords)
    shifts = np.array(np.meshgrid(*[np.arange(repeat + 1)] * 3, indexing="ij")).reshape(3, -1).T
    positions = inside[:, None, :] + shifts[None, :, :]
    keep = (positions < repeat + ON_FACE).all(axis=-1)
    sites = np.broadcast_to(np.arange(len(inside))[:, None], keep.shape)[keep]
    return sites, positions[keep] @ lattice


def _may_bond(symbols: list[str]) -> np.ndarray:
    """Which pairs of sites may be joined: metals bond to each other only where nothing else is there.

    Shape ``[sites, sites]``.
    """
    from pymatgen.core import Element

    metal = np.array([Element(symbol).is_metal for symbol in symbols])
    allowed = ~(metal[:, None] & metal[None, :])
    return np.ones_like(allowed) if metal.all() else allowed


def bonds_between(sites: np.ndarray, positions: np.ndarray, symbols: list[str]) -> np.ndarray:
    """Pairs of drawn atoms that are joined by a stick, by distance and covalent radii.

    Args:
        sites: Site of each drawn atom ``[drawn]``.
        positions: Å, ``[drawn, 3]``.
        symbols: Element of each site.

    Returns:
        Indices of drawn atoms, ``[bonds, 2]``, smaller first.
    """
    from scipy.spatial import cKDTree

    radii = np.array([covalent_radius(symbol) for symbol in symbols])
    longest = 2 * BOND_TOLERANCE * radii.max()
    pairs = cKDTree(positions).query_pairs(longest, output_type="ndarray")
    if not len(pairs):
        return np.zeros((0, 2), dtype=np.int64)
    first, second = sites[pairs[:, 0]], sites[pairs[:, 1]]
    distances = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    joined = (distances <= BOND_TOLERANCE * (radii[first] + radii[second])) & _may_bond(symbols)[first, second]
    return np.asarray(pairs[joined], dtype=np.int64)


def polyhedra_of(cell: Cell, symbols: list[str], sites: np.ndarray, positions: np.ndarray) -> list[dict[str, Any]]:
    """Coordination polyhedra: the hull of the neighbours around each drawn atom, for the more electropositive elements.

    Args:
        cell: The crystal.
        symbols: Element of each site.
        sites: Place in the cell of each drawn atom ``[drawn]``.
        positions: Å, ``[drawn, 3]``.

    Returns:
        ``site``, corners in Å (also where no atom is drawn) and faces as triples of corners.
    """
    from scipy.spatial import ConvexHull, QhullError

    corners = _corners(cell, symbols)
    found: list[dict[str, Any]] = []
    for place, position in zip(sites.tolist(), positions, strict=True):
        around = corners.get(place)
        if around is None or len(found) >= MOST_POLYHEDRA:
            continue
        try:
            faces = ConvexHull(around, qhull_options="QJ Pp").simplices
        except QhullError:  # neighbours in a plane
            continue
        found.append(
            {
                "site": int(cell.sites[place]),
                "corners": np.round(position + around, 4).tolist(),
                "faces": faces.tolist(),
            }
        )
    return found


def _corners(cell: Cell, symbols: list[str]) -> dict[int, np.ndarray]:
    """For each place in the cell that has one, its polyhedron's corners relative to it, Å, ``[neighbours, 3]``."""
    from pymatgen.core import Element
    from scipy.spatial import cKDTree

    radii = np.array([covalent_radius(symbol) for symbol in symbols])
    drawn_to = np.array([Element(symbol).X for symbol in symbols])
    shifts = np.array(np.meshgrid(*[np.arange(-1, 2)] * 3, indexing="ij")).reshape(3, -1).T
    images = (cell.frac_coords[None, :, :] + shifts[:, None, :]).reshape(-1, 3) @ cell.lattice
    owner = np.tile(np.arange(len(cell.frac_coords)), len(shifts))
    tree = cKDTree(images)
    found = {}
    for place, position in enumerate(cell.frac_coords @ cell.lattice):
        near = np.array(tree.query_ball_point(position, 2 * BOND_TOLERANCE * radii.max()))
        steps = images[near] - position
        reach = BOND_TOLERANCE * (radii[owner[near]] + radii[place])
        distances = np.linalg.norm(steps, axis=1)
        bonded = (distances > 1e-3) & (distances <= reach) & (drawn_to[owner[near]] > drawn_to[place] + LEAST_POLAR)
        if LEAST_CORNERS <= bonded.sum() <= MOST_CORNERS:
            found[place] = steps[bonded]
    return found


def _view(cell: Cell, symbols: list[str], *, repeat: int) -> dict[str, Any] | None:
    """Atoms, bonds and polyhedra of one choice of cells; None if they are too many to draw."""
    if len(cell.frac_coords) * repeat**3 > MAX_DRAWN:
        return None
    places, positions = drawn_atoms(cell.frac_coords, cell.lattice, repeat=repeat)
    of_places = [symbols[site] for site in cell.sites]
    return {
        "sites": cell.sites[places].tolist(),
        "positions": np.round(positions, 4).tolist(),
        "bonds": bonds_between(places, positions, of_places).tolist(),
        "polyhedra": polyhedra_of(cell, of_places, places, positions),
        "repeat": repeat,
    }


def scene(crystal: Crystal) -> dict[str, Any]:
    """Everything the browser needs to draw a crystal, as JSON.

    Args:
        crystal: The crystal, in the order of its file.

    Returns:
        ``elements`` (colour and ball radius by symbol), ``symbols`` by site, and ``cells`` by name (``read``,
        ``conventional``, ``primitive``): ``lattice`` rows in Å, its ``words``, the number of ``atoms``, and ``views``
        of one cell ("1") and of 2×2×2 cells ("2"), null where that is too much to draw. The atoms of every view know
        their site as read.
    """
    symbols = crystal.symbols
    elements = {
        symbol: {
            "colour": element_colour(symbol),
            "radius": round(min(LARGEST_BALL, max(SMALLEST_BALL, BALL_OVER_COVALENT * covalent_radius(symbol))), 3),
        }
        for symbol in sorted(set(symbols))
    }
    cells = {
        name: {
            "lattice": np.round(cell.lattice, 5).tolist(),
            "words": lattice_words(lattice_parameters(cell.lattice)),
            "atoms": len(cell.frac_coords),
            "views": {str(repeat): _view(cell, symbols, repeat=repeat) for repeat in (1, 2)},
        }
        for name, cell in cells_of(crystal).items()
    }
    return {"formula": crystal.formula, "symbols": symbols, "elements": elements, "cells": cells}
