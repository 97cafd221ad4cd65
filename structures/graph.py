"""A crystal becomes a crystal graph and its line graph.

The nearest neighbours come from pymatgen's compiled cell list; everything after it is vectorised numpy. Only the
nearest twelve (and those tied with the twelfth) are ever used, so the search starts from a radius guessed from the
density and grows for the atoms that still lack neighbours. The answer is the same as from one search at a large radius,
at a fraction of its cost, and a dense or sheared cell cannot ask for millions of neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.cell import UNCHANGED, affordable_radius, lengths_and_volume, reduced_lattice, wrapped
from hsegap.structures.checks import check_atom_count, check_coordinates, check_lattice, check_repeat
from hsegap.structures.errors import StructureError
from hsegap.structures.exact import to_cartesian

if TYPE_CHECKING:
    from hsegap.structures.crystal import Crystal

#: Names of the two ways to build a graph; see :func:`build_graph`.
FLAVOURS = ("symmetric", "jarvis")
#: Neighbours as far as the last wanted one, within this many Å, are kept too (flavour ``symmetric``).
TIE_TOLERANCE = 1e-4
#: Atoms nearer than this (Å) have no bond direction worth the name; jarvis-tools drops such bonds silently.
SHORTEST_BOND = 0.15
#: The neighbours a first search aims at, as a multiple of those wanted: enough that most crystals need no second
#: search.
SEARCH_MARGIN = 2.5
#: A first search goes no farther than this (Å), whatever the density: dense clusters in a large empty cell.
FIRST_RADIUS = 5.0
#: Growth of the search radius from one round to the next.
RADIUS_GROWTH = 1.4
#: Line-graph edges per directed bond above which a graph is refused once its bonds are limited (real crystals: 12–25).
LINE_EDGES_PER_EDGE = 60
#: Directed neighbours of one search round above which it is refused.
MOST_CANDIDATES = 5_000_000


@dataclass(frozen=True)
class CrystalGraph:
    """A crystal graph and its line graph, arrays only.

    Attributes:
        atomic_numbers: ``[atoms]`` int64.
        src: Atom each directed bond starts from, ``[bonds]`` int64.
        dst: Atom it ends at, ``[bonds]`` int64, ascending.
        r: Displacement from ``src`` to ``dst``, Å, ``[bonds, 3]`` float32.
        line_src: Bond each line-graph edge (u→v, v→w) starts from, ``[line edges]`` int64.
        line_dst: Bond it ends at, ``[line edges]`` int64, ascending.
    """

    atomic_numbers: np.ndarray
    src: np.ndarray
    dst: np.ndarray
    r: np.ndarray
    line_src: np.ndarray
    line_dst: np.ndarray

    def without_line_graph(self) -> CrystalGraph:
        """The same bonds without angles, for networks that have no layer for them."""
        nothing = np.zeros(0, dtype=np.int64)
        return replace(self, line_src=nothing, line_dst=nothing)


def build_graph(
    crystal: Crystal,
    *,
    cutoff: float = 8.0,
    max_neighbors: int = 12,
    flavour: str = "symmetric",
    max_atoms: int | None = None,
    max_edges: int | None = None,
    max_line_edges: int | None = None,
) -> CrystalGraph:
    """Connect each atom with its nearest neighbours, and each bond with the bonds that go on from its end.

    ``symmetric`` keeps the ``max_neighbors`` nearest neighbours and every one whose distance is within
    :data:`TIE_TOLERANCE` of the last of them; a bond (i, j, image) that either end selected stands once in each
    direction, and a bond's pair with itself (a one-atom repeat) is kept. The graph, and so everything computed from it,
    doesn't depend on the choice of the cell. ``jarvis`` gives what ``jarvis.core.graphs`` with DGL gives: ties compared
    as raw floats, a bond of an atom to its own image standing twice in each direction, a bond's pair with itself
    dropped.

    Args:
        crystal: The crystal; coordinates outside the cell are fine.
        cutoff: Radius in Å within which neighbours are looked for first. It grows until every atom has
            ``max_neighbors``, so the graph itself doesn't depend on it; it bounds the first search only.
        max_neighbors: Neighbours per atom, before ties.
        flavour: ``symmetric`` or ``jarvis``.
        max_atoms: Refuse a crystal with more atoms.
        max_edges: Refuse a graph with more directed bonds.
        max_line_edges: Refuse a graph with more line-graph edges; checked before they are written out. By default
            :data:`LINE_EDGES_PER_EDGE` times ``max_edges`` where that is given.

    Returns:
        The graph.

    Raises:
        StructureError: ``degenerate_cell``, ``overlapping_atoms`` (nearer than :data:`SHORTEST_BOND`),
            ``too_many_atoms``, ``too_many_edges`` or, for coordinates that are no numbers, ``unreadable_structure``.
        ValueError: For an unknown flavour, a cutoff or a neighbour count that is not positive.
    """
    if flavour not in FLAVOURS:
        msg = f"unknown graph flavour {flavour!r}; known are {', '.join(FLAVOURS)}"
        raise ValueError(msg)
    if not cutoff > 0 or max_neighbors < 1:
        msg = f"cutoff and max_neighbors have to be positive, not {cutoff} and {max_neighbors}"
        raise ValueError(msg)
    n_atoms = crystal.n_atoms
    check_atom_count(n_atoms, max_atoms)
    lattice = np.asarray(crystal.lattice, dtype=np.float64)
    frac_coords = np.asarray(crystal.frac_coords, dtype=np.float64)
    check_coordinates(frac_coords)
    check_lattice(lattice, n_atoms=n_atoms)
    if max_edges is not None:
        if n_atoms * max_neighbors > max_edges:
            raise _too_many_edges(f"at least {n_atoms * max_neighbors}", max_edges)
        if max_line_edges is None:
            max_line_edges = LINE_EDGES_PER_EDGE * max_edges

    center, neighbor, image = _nearest(lattice, frac_coords, cutoff, max_neighbors, exact_ties=flavour == "jarvis")
    bonds = _each_bond_once(center, neighbor, image, n_atoms, double_self_images=flavour == "jarvis")
    if max_edges is not None and 2 * len(bonds[0]) > max_edges:
        raise _too_many_edges(str(2 * len(bonds[0])), max_edges)
    used_lattice = _jarvis_lattice(lattice) if flavour == "jarvis" else lattice
    src, dst, r = _both_directions(*bonds, used_lattice, frac_coords)
    line_src, line_dst = _line_graph(src, dst, n_atoms, keep_self_pairs=flavour == "symmetric", limit=max_line_edges)
    numbers = np.asarray(crystal.atomic_numbers, dtype=np.int64)
    return CrystalGraph(atomic_numbers=numbers, src=src, dst=dst, r=r, line_src=line_src, line_dst=line_dst)


def _too_many_edges(found: str, limit: int, *, what: str = "bonds") -> StructureError:
    message = f"The crystal graph would have {found} {what}; at most {limit} are accepted."
    return StructureError("too_many_edges", message, "Use the primitive cell, or a server with a higher limit.")


def _nearest(
    lattice: np.ndarray, frac_coords: np.ndarray, cutoff: float, wanted: int, *, exact_ties: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select each atom's nearest neighbours with their ties.

    Returns:
        Centres, neighbours (``[selected]`` int64 each) and the neighbours' images, ``[selected, 3]`` int64, relative to
        the coordinates as given.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    n_atoms = len(frac_coords)
    reduced, change = reduced_lattice(lattice)
    check_repeat(reduced)
    coords, home = wrapped(frac_coords, change, reduced)
    periodic = np.ones(3, dtype=np.int64)

    volume = lengths_and_volume(reduced)[1]
    radius = (3 * SEARCH_MARGIN * wanted * volume / n_atoms / (4 * np.pi)) ** (1 / 3)
    radius = affordable_radius(coords, min(radius, cutoff, FIRST_RADIUS))
    pending = np.arange(n_atoms)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    while len(pending):
        # The extra on the radius keeps ties of a neighbour that sits right at the edge.
        c, n, shift, d = find_points_in_spheres(
            coords, coords[pending], radius + 2 * TIE_TOLERANCE, periodic, reduced, 1e-8
        )
        if len(c) > MOST_CANDIDATES:
            raise _too_many_edges(f"{len(c)} candidate", MOST_CANDIDATES)
        c = pending[c]
        near = d < SHORTEST_BOND
        if np.count_nonzero(near) > len(pending):  # each atom finds itself, and none may find more
            _refuse_overlap(c, n, shift, d)
        c, n, shift, d = c[~near], n[~near], shift[~near].astype(np.int64), d[~near]
        complete = np.bincount(c[d <= radius], minlength=n_atoms) >= wanted
        chosen = complete[c]
        if not chosen.all():
            c, n, shift, d = c[chosen], n[chosen], shift[chosen], d[chosen]
        # Back to the images of the cell and the coordinates that came in.
        image = shift - home[n] + home[c]
        if change is not UNCHANGED:
            image = image @ change
        if exact_ties:
            d = _jarvis_distances(lattice, frac_coords, c, n, image)
        keep = _within_last_wanted(c, d, wanted, 0.0 if exact_ties else TIE_TOLERANCE, n_atoms)
        found.append((c[keep], n[keep], image[keep]))
        pending = pending[~complete[pending]]
        radius *= RADIUS_GROWTH
    if len(found) == 1:
        return found[0]
    center, neighbor, image = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return center, neighbor, image


def _refuse_overlap(center: np.ndarray, neighbor: np.ndarray, shift: np.ndarray, distance: np.ndarray) -> None:
    """Name the nearest two atoms.

    Raises:
        StructureError: ``overlapping_atoms``.
    """
    others = np.flatnonzero((center != neighbor) | (shift != 0).any(axis=1))
    first = others[distance[others].argmin()]
    message = f"Atoms {center[first]} and {neighbor[first]} (counted from 0) are only {distance[first]:.3f} Å apart."
    raise StructureError(
        "overlapping_atoms", message, "Remove the duplicate atom, or check the cell and the coordinates."
    )


def _within_last_wanted(
    center: np.ndarray, distance: np.ndarray, wanted: int, tolerance: float, n_atoms: int
) -> np.ndarray:
    """Mark, for each centre, the ``wanted`` nearest entries and those at most ``tolerance`` beyond the last of them.

    A centre has no entry, or at least ``wanted``.
    """
    order = np.lexsort((distance, center))
    entries = np.bincount(center, minlength=n_atoms)
    present = np.flatnonzero(entries)
    last_wanted = np.full(n_atoms, np.nan)
    last_wanted[present] = distance[order[(np.cumsum(entries) - entries)[present] + wanted - 1]]
    return distance <= last_wanted[center] + tolerance


def _jarvis_lattice(lattice: np.ndarray) -> np.ndarray:
    """The lattice jarvis-tools computes positions and displacements with: rounded to five decimals of an Å."""
    return np.around(lattice, decimals=5)


def _jarvis_distances(
    lattice: np.ndarray, frac_coords: np.ndarray, center: np.ndarray, neighbor: np.ndarray, image: np.ndarray
) -> np.ndarray:
    """Distances as jarvis-tools computes them, whose ties are compared as raw floats.

    Atoms stand where the rounded lattice puts them, their images are shifted by the unrounded one. The order of the
    operations is kept as well: it decides the last bit. (jarvis-tools leaves the products to whatever BLAS it finds.)
    """
    coords = to_cartesian(frac_coords, _jarvis_lattice(lattice))
    x, y, z = ((to_cartesian(image, lattice) + coords[neighbor]) - coords[center]).T
    distances: np.ndarray = np.sqrt(x * x + y * y + z * z)
    return distances


def _each_bond_once(
    center: np.ndarray, neighbor: np.ndarray, image: np.ndarray, n_atoms: int, *, double_self_images: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write every selected bond once, whichever end selected it: from the lower atom to the higher.

    Args:
        center: ``[selected]`` int64.
        neighbor: ``[selected]`` int64.
        image: ``[selected, 3]`` int64.
        n_atoms: Atoms in the cell.
        double_self_images: Treat the bonds of an atom to its image and to the opposite image as two bonds, as
            jarvis-tools does.
    """
    backwards = center > neighbor
    if not double_self_images:
        # The bond of an atom to its image goes to the one whose first number that is not zero is positive.
        backwards |= (center == neighbor) & ((np.sign(image) @ np.array([4, 2, 1])) < 0)
    src = np.where(backwards, neighbor, center)
    dst = np.where(backwards, center, neighbor)
    image = np.where(backwards[:, None], -image, image)
    order, key = _order(src, dst, image, n_atoms)
    if key is None:  # coordinates absurdly far outside the cell
        kept = np.unique(np.column_stack([src, dst, image]), axis=0, return_index=True)[1]
    else:
        in_order = key[order]
        kept = order[np.concatenate([[True], in_order[1:] != in_order[:-1]])]
    return src[kept], dst[kept], image[kept]


def _order(
    first: np.ndarray, second: np.ndarray, image: np.ndarray, n_atoms: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Order of bonds by two atoms and the image, and the number they are sorted by; None where no int64 holds it."""
    low, high = image.min(axis=0), image.max(axis=0)
    spans = (high - low + 1).tolist()
    if n_atoms**2 * math.prod(spans) >= 2**63:
        return np.lexsort((image[:, 2], image[:, 1], image[:, 0], second, first)), None
    key = (first * n_atoms + second) * math.prod(spans) + (image - low) @ np.array([spans[1] * spans[2], spans[2], 1])
    return np.argsort(key, kind="stable"), key


def _both_directions(
    low: np.ndarray, high: np.ndarray, image: np.ndarray, lattice: np.ndarray, frac_coords: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write every bond once per direction, ordered by destination, source and image.

    Returns:
        Source and destination ``[bonds]`` int64, and displacement, Å, ``[bonds, 3]`` float32; a bond and its way back
        are exact opposites.
    """
    r = to_cartesian(frac_coords[high] - frac_coords[low] + image, lattice)
    src, dst = np.concatenate([low, high]), np.concatenate([high, low])
    order, _ = _order(dst, src, np.concatenate([image, -image]), len(frac_coords))
    return src[order], dst[order], np.concatenate([r, -r])[order].astype(np.float32)


def _line_graph(
    src: np.ndarray, dst: np.ndarray, n_atoms: int, *, keep_self_pairs: bool, limit: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pair each bond u→v with every bond v→w, the way back included. ``dst`` has to be ascending."""
    n_bonds = len(src)
    incoming = np.bincount(dst, minlength=n_atoms)
    first = np.cumsum(incoming) - incoming
    repeats = incoming[src]
    ends = np.cumsum(repeats)
    total = int(ends[-1])
    if limit is not None and total > limit:
        raise _too_many_edges(str(total), limit, what="bond pairs")
    line_dst = np.repeat(np.arange(n_bonds), repeats)
    line_src = np.arange(total) + np.repeat(first[src] - ends + repeats, repeats)
    if not keep_self_pairs:
        distinct = line_src != line_dst
        line_src, line_dst = line_src[distinct], line_dst[distinct]
    return line_src, line_dst
