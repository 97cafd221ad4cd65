"""Writes the odd crystals beside this file: real substances that the training set has next to nothing of.

Cells and coordinates are the textbook ones (lattice constants in Å at room temperature, or of the solid where it
freezes lower); every cell is written out in P 1, so that no reader's symmetry handling comes into play.

    python tests/odd/make_odd.py
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

from pymatgen.core import Lattice, Structure

HERE = Path(__file__).resolve().parent


def from_group(group: str, lattice: Lattice, symbols: list[str], coordinates: list[list[float]]) -> Structure:
    """A crystal from its asymmetric unit, all atoms written out."""
    return Structure.from_spacegroup(group, lattice, symbols, coordinates)


def slab_of_rock_salt(vacuum: float = 20.0) -> Structure:
    """Three layers of MgO (001) with vacuum above them."""
    a, height = 4.212 / 2**0.5, 4.212 / 2
    thickness = 2 * height + vacuum
    sites = [
        (symbol, ((layer + shift) % 2 / 2, (layer + shift) % 2 / 2, layer * height / thickness))
        for layer in range(3)
        for shift, symbol in enumerate(("Mg", "O"))
    ]
    return Structure(
        Lattice.orthorhombic(a, a, thickness), [symbol for symbol, _ in sites], [place for _, place in sites]
    )


def buckminsterfullerene() -> Structure:
    """Solid C60: molecules with the corners of a truncated icosahedron, 3.55 Å from their centre,
    on a face-centred lattice (a = 14.17 Å).

    All molecules are turned alike, at room temperature they rotate.
    """
    golden = (1 + 5**0.5) / 2
    corners = set()
    for corner in ((0, 1, 3 * golden), (1, 2 + golden, 2 * golden), (golden, 2, 2 * golden + 1)):
        for signs in product((1, -1), repeat=3):
            signed = [sign * part for sign, part in zip(signs, corner, strict=True)]
            corners.update(tuple(round(signed[(axis + turn) % 3], 9) for axis in range(3)) for turn in range(3))
    scale = 3.55 / sum(part**2 for part in next(iter(corners))) ** 0.5
    lattice = Lattice([[0, 7.085, 7.085], [7.085, 0, 7.085], [7.085, 7.085, 0]])
    places = [[scale * part for part in corner] for corner in sorted(corners)]
    return Structure(lattice, ["C"] * len(places), places, coords_are_cartesian=True)


def crystals() -> dict[str, Structure]:
    """All of them, by file name."""
    corners = [[x, y, z] for x in (0, 0.5) for y in (0, 0.5) for z in (0, 0.5)]
    centres = [[x + 0.25, y + 0.25, z + 0.25] for x, y, z in corners]
    return {
        # Molecular crystals: fullerene (David et al., Nature 353, 147 (1991)), and benzene (Bacon, Curry & Wilson,
        # Proc. R. Soc. A 279, 98 (1964)).
        "C60": buckminsterfullerene(),
        "benzene": from_group(
            "Pbca",
            Lattice.orthorhombic(7.44, 9.55, 6.92),
            ["C", "C", "C", "H", "H", "H"],
            [
                [-0.0569, 0.1387, -0.0054],
                [-0.1335, 0.0460, 0.1264],
                [-0.0774, -0.0925, 0.1295],
                [-0.0976, 0.2447, -0.0177],
                [-0.2409, 0.0794, 0.2218],
                [-0.1371, -0.1631, 0.2312],
            ],
        ),
        # Alloys: an A15 superconductor, a Laves phase, sixteen places of a refractory "high-entropy" alloy
        # on a body-centred lattice.
        "Nb3Sn": from_group("Pm-3n", Lattice.cubic(5.289), ["Sn", "Nb"], [[0, 0, 0], [0.25, 0, 0.5]]),
        "HfCr2": from_group("Fd-3m", Lattice.cubic(7.14), ["Hf", "Cr"], [[0, 0, 0], [0.625, 0.625, 0.625]]),
        "refractory_alloy": Structure(
            Lattice.cubic(6.48),
            ["Ti", "Zr", "Hf", "V", "Nb", "Ta", "Mo", "W", "Re", "Ti", "Zr", "Hf", "V", "Nb", "Ta", "Mo"],
            corners + centres,
        ),
        # Elements that no training crystal has.
        "PuO2": from_group("Fm-3m", Lattice.cubic(5.396), ["Pu", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
        "AmN": from_group("Fm-3m", Lattice.cubic(4.995), ["Am", "N"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        # Slabs and sheets in vacuum.
        "MgO_slab": slab_of_rock_salt(),
        "graphene": Structure(Lattice.hexagonal(2.461, 20.0), ["C", "C"], [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]),
    }


def main() -> None:
    """Write the files."""
    for name, structure in crystals().items():
        structure.to(str(HERE / f"{name}.cif"), fmt="cif")


if __name__ == "__main__":
    main()
