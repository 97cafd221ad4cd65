"""What every crystal has to satisfy before anything expensive looks at it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.cell import affordable_radius, face_distances, lengths_and_volume, reduced_lattice, wrapped
from hsegap.structures.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Cell vectors longer than this (Å) are taken for a unit error.
LONGEST_CELL_VECTOR = 1000.0
#: Fractional coordinates beyond this are taken for Cartesian ones or for damage.
LARGEST_FRACTIONAL = 1e4
#: Volume over the product of the three lengths; below it the three vectors lie in a plane for every practical purpose.
SMALLEST_FLATNESS = 1e-6
#: Cell volume, and volume per atom, in Å³ below which a cell cannot be meant (solid hydrogen at 400 GPa takes about
#: 1.2).
SMALLEST_VOLUME_PER_ATOM = 0.1
#: Atoms nearer than this (Å) are an error in the file; the shortest bond there is, H–H, has 0.74.
SHORTEST_DISTANCE = 0.5
#: Atoms up to which all pairs are looked at; a search is faster for more.
MOST_PAIRED = 400
#: The network's table of element features ends here (lawrencium).
LAST_ELEMENT = 103


def check_lattice(lattice: np.ndarray, *, n_atoms: int = 1) -> None:
    """Refuse a cell that no neighbour search or symmetry routine should be given.

    A near-zero volume sends some of them into loops without an end, so this runs before any of them.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        n_atoms: Atoms in the cell.

    Raises:
        StructureError: ``degenerate_cell``.
    """
    lattice = np.asarray(lattice, dtype=np.float64)
    hint = "Check the cell lengths (in Å) and angles of the file."
    if lattice.shape != (3, 3) or not np.isfinite(lattice).all():
        raise StructureError("degenerate_cell", "The cell has lengths or angles that are not finite numbers.", hint)
    lengths, volume = lengths_and_volume(lattice)
    if max(lengths) > LONGEST_CELL_VECTOR:
        message = f"A cell vector is {max(lengths):.6g} Å long; at most {LONGEST_CELL_VECTOR:.0f} Å are accepted."
        raise StructureError(
            "degenerate_cell", message, "Cell lengths are read in Å: check the unit and the scale factor."
        )
    check_repeat(lattice)
    flatness = volume / max(math.prod(lengths), 1e-300)
    if volume < SMALLEST_VOLUME_PER_ATOM * max(n_atoms, 1) or flatness < SMALLEST_FLATNESS:
        message = (
            f"The cell is degenerate: its volume is {volume:.3g} Å³ for {n_atoms} atom{'s' if n_atoms != 1 else ''}."
        )
        raise StructureError("degenerate_cell", message, hint)


def check_repeat(lattice: np.ndarray) -> None:
    """Refuse a cell with a vector so short that every atom overlaps its own image.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``; reduced, if short sums of long vectors are to be found too.

    Raises:
        StructureError: ``degenerate_cell``.
    """
    edge = min(lengths_and_volume(lattice)[0])
    if edge < SHORTEST_DISTANCE:
        message = f"The cell repeats after only {edge:.3g} Å, so every atom overlaps its own periodic image."
        raise StructureError("degenerate_cell", message, "Check the cell lengths (in Å) and the scale factor.")


def check_coordinates(frac_coords: np.ndarray) -> None:
    """Refuse coordinates that are missing, not finite or absurdly far outside the cell.

    Raises:
        StructureError: ``unreadable_structure``.
    """
    if not len(frac_coords):
        raise StructureError(
            "unreadable_structure", "The structure has no atoms.", "Check that the file lists atom positions."
        )
    if np.abs(frac_coords).max() <= LARGEST_FRACTIONAL:  # false for NaN, too
        return
    wrong = ~np.isfinite(frac_coords).all(axis=1)
    if wrong.any():
        message = f"The position of atom {int(wrong.argmax())} (counted from 0) is not a finite number."
        raise StructureError("unreadable_structure", message, "Check the coordinates in the file.")
    far = np.abs(frac_coords).max(axis=1) > LARGEST_FRACTIONAL
    if far.any():
        message = (
            f"Atom {int(far.argmax())} (counted from 0) lies more than {LARGEST_FRACTIONAL:.0f} cells away "
            "from the cell."
        )
        raise StructureError(
            "unreadable_structure", message, "Check the coordinates, and whether they are fractional or Cartesian (Å)."
        )


def check_atom_count(n_atoms: int, max_atoms: int | None) -> None:
    """Refuse a cell with more atoms than allowed.

    Raises:
        StructureError: ``too_many_atoms``.
    """
    if max_atoms is not None and n_atoms > max_atoms:
        message = f"The structure has {n_atoms} atoms in its cell; at most {max_atoms} are accepted."
        raise StructureError("too_many_atoms", message, "Use the primitive cell, or a server with a higher limit.")


def check_elements(atomic_numbers: np.ndarray) -> None:
    """Refuse elements the network has no features for.

    Raises:
        StructureError: ``unknown_element``.
    """
    wrong = (atomic_numbers < 1) | (atomic_numbers > LAST_ELEMENT)
    if wrong.any():
        message = (
            f"The element with atomic number {int(atomic_numbers[wrong][0])} is outside the model's range "
            f"(1–{LAST_ELEMENT}, H–Lr)."
        )
        raise StructureError("unknown_element", message, "Only crystals of elements up to lawrencium can be predicted.")


def close_pairs(
    lattice: np.ndarray, frac_coords: np.ndarray, *, shortest: float = SHORTEST_DISTANCE
) -> list[tuple[int, int, float]]:
    """Find atoms that sit on top of each other or of their own periodic images.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``, not degenerate.
        frac_coords: ``[atoms, 3]``, finite.
        shortest: Smallest distance allowed, Å.

    Returns:
        Each pair once, as index, higher index and distance in Å, the closest first.

    Raises:
        StructureError: ``degenerate_cell`` if an atom overlaps its own image.
    """
    heights = face_distances(lattice)
    if len(frac_coords) <= MOST_PAIRED and min(heights) > 2 * shortest:
        first, second, distance = _paired(lattice, frac_coords, heights, shortest)
    else:
        first, second, distance = _searched(lattice, frac_coords, shortest)
    if not len(distance):
        return []
    order = np.argsort(distance, kind="stable").tolist()
    return [(int(first[index]), int(second[index]), float(distance[index])) for index in order]


def _paired(
    lattice: np.ndarray, frac_coords: np.ndarray, heights: list[float], shortest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices and distances of close pairs by looking at all pairs, axis by axis.

    Between lattice planes more than twice the distance apart nothing but the nearest image can be that close, and no
    atom's own image is.
    """
    axes = sorted(range(3), key=lambda axis: -heights[axis])
    along = frac_coords[:, axes[0]]
    apart = along[:, None] - along
    apart -= np.rint(apart)
    near = np.abs(apart) < shortest / heights[axes[0]]
    first, second = np.nonzero(near)
    once = first < second
    first, second = first[once], second[once]
    for axis in axes[1:]:
        between = frac_coords[first, axis] - frac_coords[second, axis]
        close = np.abs(between - np.rint(between)) < shortest / heights[axis]
        first, second = first[close], second[close]
        if not len(first):
            return first, second, np.empty(0)
    apart = frac_coords[first] - frac_coords[second]
    distance = np.sqrt(np.square((apart - np.rint(apart)) @ lattice).sum(axis=1))
    close = distance < shortest
    return first[close], second[close], distance[close]


def _searched(
    lattice: np.ndarray, frac_coords: np.ndarray, shortest: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices and distances of close pairs by a neighbour search, for large and for skewed cells."""
    from pymatgen.optimization.neighbors import find_points_in_spheres

    reduced, change = reduced_lattice(lattice)
    check_repeat(reduced)
    coords, _ = wrapped(frac_coords, change, reduced)
    # A radius of 1 Å is cheaper than one of 0.5 Å: fewer cells in the search grid.
    radius = affordable_radius(coords, max(shortest, 1.0))
    first, second, _, distance = find_points_in_spheres(
        coords, coords, radius, np.ones(3, dtype=np.int64), reduced, 1e-8
    )
    pairs = np.flatnonzero((distance < shortest) & (first < second))
    return first[pairs], second[pairs], distance[pairs]


def check_distances(
    lattice: np.ndarray, frac_coords: np.ndarray, symbols: Sequence[str], *, shortest: float = SHORTEST_DISTANCE
) -> None:
    """Refuse atoms that sit on top of each other or of their own periodic images.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``, not degenerate.
        frac_coords: ``[atoms, 3]``, finite.
        symbols: Element symbols, to name the pair.
        shortest: Smallest distance allowed, Å.

    Raises:
        StructureError: ``overlapping_atoms``, naming the closest pair; ``degenerate_cell`` if an atom overlaps its own
            image.
    """
    pairs = close_pairs(lattice, frac_coords, shortest=shortest)
    if not pairs:
        return
    a, b, distance = pairs[0]
    more = f" ({len(pairs)} such pairs)" if len(pairs) > 1 else ""
    message = (
        f"{symbols[a]} (atom {a}) and {symbols[b]} (atom {b}, counted from 0) are only {distance:.3f} Å apart{more}."
    )
    hint = "Remove the duplicate atom, or check the cell lengths, the coordinates and the symmetry operations."
    raise StructureError("overlapping_atoms", message, hint)
