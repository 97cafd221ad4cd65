"""Sites and operations become the atoms of the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from hsegap.structures.cif_operations import Symmetry
    from hsegap.structures.cif_sites import Sites

#: Images of one site this near (Å) are one atom, however many digits its coordinates have; as in VESTA and gemmi.
NEAREST_IMAGE = 0.05
#: Images that only few digits set apart are one atom up to this distance (Å), which is no bond of any element.
FARTHEST_IMAGE = 0.3
#: Cells with more atoms are not compared atom by atom.
MOST_COMPARED = 5_000
#: Places in the cell are told apart by whole numbers of this many parts; the odd shift keeps decimals off their
#: borders.
_PARTS, _SHIFT = 1 << 17, 0.1234567


class Expanded(NamedTuple):
    """The atoms of the cell.

    Attributes:
        frac_coords: ``[atoms, 3]`` in [0, 1), sites in the order of the file, images in that of the operations.
        site: Row of each atom, ``[atoms]`` int64.
        multiplicities: Images of each site, ``[sites]`` int64.
        moved: Sites that were moved onto the special position that their digits mean.
        symmetry: The operations.
    """

    frac_coords: np.ndarray
    site: np.ndarray
    multiplicities: np.ndarray
    moved: int
    symmetry: Symmetry


def expand(symmetry: Symmetry, sites: Sites, lattice: np.ndarray) -> Expanded:
    """Apply the operations of a group to sites.

    Args:
        symmetry: The operations.
        sites: With their positions.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
    """
    positions = sites.frac_coords
    n_sites, n_operations = len(positions), len(symmetry)
    if n_operations == 1:
        return Expanded(wrapped_once(positions), np.arange(n_sites), np.ones(n_sites, dtype=np.int64), 0, symmetry)
    images, fixed = _images(symmetry, positions, sites, lattice)
    order = fixed.sum(axis=1)
    moved = 0
    special = np.flatnonzero(order > 1)
    if len(special):
        # The mean of the images that are meant to be one lies on the special position itself.
        apart = images[special] - positions[special, None]
        apart -= np.rint(apart)
        shift = (apart * fixed[special, :, None]).sum(axis=1) / order[special, None]
        moved = int((np.abs(shift).max(axis=1) > 2e-6).sum())
        positions = positions.copy()
        positions[special] += shift
        images[special] = _applied(symmetry, positions[special])
    images = wrapped_once(images)
    cells = np.floor(images * _PARTS + _SHIFT).astype(np.int64) % _PARTS
    keys = (cells[..., 0] * _PARTS + cells[..., 1]) * _PARTS + cells[..., 2]
    # The first image of each place is kept, so that the order of the operations is the order of the atoms.
    ranked = np.sort(keys, axis=1)
    distinct = 1 + (ranked[:, 1:] != ranked[:, :-1]).sum(axis=1)
    general = distinct == n_operations
    chosen = np.repeat(general[:, None], n_operations, axis=1)
    for site in np.flatnonzero(~general).tolist():
        chosen[site, np.unique(keys[site], return_index=True)[1]] = True
    rows = np.nonzero(chosen)[0]
    return Expanded(images[chosen], rows, distinct, moved, symmetry)


def _applied(symmetry: Symmetry, positions: np.ndarray) -> np.ndarray:
    """All images, ``[sites, operations, 3]``, not wrapped into the cell."""
    # Term by term and not by BLAS, so that the last bit is the same on every processor.
    turned = symmetry.rotations
    x, y, z = (positions[:, None, axis, None] for axis in range(3))
    images: np.ndarray = turned[:, :, 0] * x + turned[:, :, 1] * y + turned[:, :, 2] * z + symmetry.translations
    return images


def _images(
    symmetry: Symmetry, positions: np.ndarray, sites: Sites, lattice: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All images, and which of them are the site itself, ``[sites, operations]`` bool.

    The site itself: within the precision of its digits.
    """
    images = _applied(symmetry, positions)
    apart = images - positions[:, None]
    apart -= np.rint(apart)
    distances = np.sqrt(((apart @ lattice) ** 2).sum(axis=2))
    fixed = distances < NEAREST_IMAGE
    doubtful = (distances >= NEAREST_IMAGE) & (distances < FARTHEST_IMAGE)
    longest = float(np.sqrt((lattice**2).sum(axis=1).max()))
    for site in np.flatnonzero(doubtful.any(axis=1)).tolist():
        fixed[site] |= distances[site] < min(2 * longest * 10.0 ** -sites.digits(site), FARTHEST_IMAGE)
    return images, fixed


def wrapped_once(positions: np.ndarray) -> np.ndarray:
    """Coordinates in [0, 1)."""
    inside = positions - np.floor(positions)
    inside[inside >= 1.0] = 0.0  # what is a rounding error below 0
    return inside


def same_atoms(
    one: Expanded, other: Expanded, symbols: list[str], lattice: np.ndarray, *, tolerance: float = 0.1
) -> bool:
    """Whether two expansions give the same atoms in whatever order.

    Args:
        one: An expansion.
        other: Another of the same sites.
        symbols: Elements of the sites.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        tolerance: Distance within which two positions are one, Å.
    """
    if len(one.site) != len(other.site) or len(one.site) > MOST_COMPARED:
        return False
    names = np.array(symbols)
    for symbol in set(symbols):
        mine, theirs = one.frac_coords[names[one.site] == symbol], other.frac_coords[names[other.site] == symbol]
        if len(mine) != len(theirs):
            return False
        for position in mine:
            apart = theirs - position
            apart -= np.rint(apart)
            if not (((apart @ lattice) ** 2).sum(axis=1) < tolerance**2).any():
                return False
    return True
