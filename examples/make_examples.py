"""Write the example crystals of this folder from textbook lattice constants.

Run ``python examples/make_examples.py [FOLDER]``; without a folder the files beside this script are rewritten. The
cells are conventional ones at room temperature (CsPbBr3: its cubic phase, above 130 °C).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

WYCKOFF = "R. W. G. Wyckoff, Crystal Structures, vol. 1, 2nd ed. (1963)"
CRC = "CRC Handbook of Chemistry and Physics, 97th ed. (2016), sections 4 and 12"
MADELUNG = "O. Madelung, Semiconductors: Data Handbook, 3rd ed. (2004)"


class Example(NamedTuple):
    """One crystal as a textbook gives it.

    Attributes:
        file: Name of the CIF file without its ending.
        title: What it is.
        spacegroup: Hermann–Mauguin symbol.
        cell: a, b, c in Å and α, β, γ in degrees.
        sites: Element and fractional coordinates of each inequivalent site.
        source: Where the constants come from.
    """

    file: str
    title: str
    spacegroup: str
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[tuple[str, tuple[float, float, float]], ...]
    source: str


def cubic(a: float) -> tuple[float, float, float, float, float, float]:
    """Cell of a cubic crystal."""
    return (a, a, a, 90.0, 90.0, 90.0)


def hexagonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    """Cell of a hexagonal crystal."""
    return (a, a, c, 90.0, 90.0, 120.0)


def tetragonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    """Cell of a tetragonal crystal."""
    return (a, a, c, 90.0, 90.0, 90.0)


ORIGIN = (0.0, 0.0, 0.0)
QUARTER = (0.25, 0.25, 0.25)
CENTRE = (0.5, 0.5, 0.5)

EXAMPLES = (
    Example("Si", "silicon, diamond structure", "Fd-3m", cubic(5.4310), (("Si", ORIGIN),), MADELUNG),
    Example("Ge", "germanium, diamond structure", "Fd-3m", cubic(5.6579), (("Ge", ORIGIN),), MADELUNG),
    Example("C", "diamond", "Fd-3m", cubic(3.5670), (("C", ORIGIN),), MADELUNG),
    Example(
        "GaAs", "gallium arsenide, zinc blende", "F-43m", cubic(5.6533), (("Ga", ORIGIN), ("As", QUARTER)), MADELUNG
    ),
    Example(
        "GaN",
        "gallium nitride, wurtzite",
        "P6_3mc",
        hexagonal(3.190, 5.189),
        (("Ga", (1 / 3, 2 / 3, 0.0)), ("N", (1 / 3, 2 / 3, 0.377))),
        MADELUNG,
    ),
    Example("MgO", "magnesium oxide, rock salt", "Fm-3m", cubic(4.2112), (("Mg", ORIGIN), ("O", CENTRE)), WYCKOFF),
    Example("NaCl", "sodium chloride, rock salt", "Fm-3m", cubic(5.6406), (("Na", ORIGIN), ("Cl", CENTRE)), WYCKOFF),
    Example(
        "ZnO",
        "zinc oxide, wurtzite",
        "P6_3mc",
        hexagonal(3.2495, 5.2069),
        (("Zn", (1 / 3, 2 / 3, 0.0)), ("O", (1 / 3, 2 / 3, 0.345))),
        WYCKOFF,
    ),
    Example(
        "TiO2_rutile",
        "titanium dioxide, rutile",
        "P4_2/mnm",
        tetragonal(4.5937, 2.9581),
        (("Ti", ORIGIN), ("O", (0.3053, 0.3053, 0.0))),
        WYCKOFF,
    ),
    Example(
        "SrTiO3",
        "strontium titanate, cubic perovskite",
        "Pm-3m",
        cubic(3.9051),
        (("Sr", ORIGIN), ("Ti", CENTRE), ("O", (0.5, 0.5, 0.0))),
        WYCKOFF,
    ),
    Example(
        "CsPbBr3",
        "caesium lead bromide, cubic perovskite",
        "Pm-3m",
        cubic(5.874),
        (("Cs", ORIGIN), ("Pb", CENTRE), ("Br", (0.5, 0.5, 0.0))),
        "C. K. Møller, Nature 182, 1436 (1958)",
    ),
    Example("Cu", "copper, a metal", "Fm-3m", cubic(3.6146), (("Cu", ORIGIN),), CRC),
    Example(
        "BN_hexagonal",
        "hexagonal boron nitride",
        "P6_3/mmc",
        hexagonal(2.504, 6.661),
        (("B", (1 / 3, 2 / 3, 0.25)), ("N", (2 / 3, 1 / 3, 0.25))),
        "R. S. Pease, Acta Crystallographica 5, 356 (1952)",
    ),
    Example(
        "MoS2_2H",
        "molybdenum disulfide, 2H",
        "P6_3/mmc",
        hexagonal(3.1601, 12.288),
        (("Mo", (1 / 3, 2 / 3, 0.25)), ("S", (1 / 3, 2 / 3, 0.6223))),
        "K. D. Bronsema, J. L. de Boer, F. Jellinek, Z. anorg. allg. Chem. 540, 15 (1986)",
    ),
    Example(
        "CdTe", "cadmium telluride, zinc blende", "F-43m", cubic(6.482), (("Cd", ORIGIN), ("Te", QUARTER)), MADELUNG
    ),
    Example("CaF2", "calcium fluoride, fluorite", "Fm-3m", cubic(5.4630), (("Ca", ORIGIN), ("F", QUARTER)), WYCKOFF),
)


def cif_of(example: Example) -> str:
    """The conventional cell of an example as the text of a CIF file, with its source above it."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.cif import CifWriter

    species = [element for element, _ in example.sites]
    positions = [position for _, position in example.sites]
    structure = Structure.from_spacegroup(
        example.spacegroup, Lattice.from_parameters(*example.cell), species, positions
    )
    # The writer opens with a line about the program that wrote it.
    body = str(CifWriter(structure)).split("\n", maxsplit=1)[1]
    head = f"# {example.title}; space group {example.spacegroup}\n# lattice constants: {example.source}\n"
    return head + body


def write_examples(folder: Path) -> list[Path]:
    """Write all examples.

    Args:
        folder: Where to; it has to exist.

    Returns:
        The files written.
    """
    paths = []
    for example in EXAMPLES:
        path = folder / f"{example.file}.cif"
        path.write_text(cif_of(example), encoding="utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write_examples(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent):
        print(written.name)
