"""What was read, in the terms of a crystallographer: for looking at a file before its gap is trusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.structures.cell import lengths_and_volume
from hsegap.structures.symbols import GRAM_PER_CM3, mass_of

if TYPE_CHECKING:
    import numpy as np

    from hsegap.structures.crystal import Crystal, Notice

#: Distance within which atoms are symmetry images of each other, Å.
SYMMETRY_TOLERANCE = 0.01
#: Atoms up to which the space group is looked for; spglib takes seconds for more.
MOST_ATOMS = 500


class SpaceGroup(NamedTuple):
    """Space group type that spglib finds.

    Attributes:
        symbol: Hermann-Mauguin symbol, ``Fm-3m``.
        number: In the International Tables.
    """

    symbol: str
    number: int


class LatticeParameters(NamedTuple):
    """Cell as read: lengths in Å, angles in degrees, volume in Å³."""

    a: float
    b: float
    c: float
    alpha: float
    beta: float
    gamma: float
    volume: float


class AtomRead(NamedTuple):
    """One atom: element and fractional coordinates."""

    element: str
    frac_coords: tuple[float, float, float]


class Summary(NamedTuple):
    """What was read.

    Attributes:
        formula: Reduced formula.
        space_group: Found from the atoms, whatever the file says; None for more than 500 atoms and where spglib finds
            none.
        lattice: Cell.
        density: g/cm³.
        atoms: In the order of the file.
        notices: What was repaired or assumed.
    """

    formula: str
    space_group: SpaceGroup | None
    lattice: LatticeParameters
    density: float
    atoms: tuple[AtomRead, ...]
    notices: tuple[Notice, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "formula": self.formula,
            "n_atoms": len(self.atoms),
            "space_group": self.space_group._asdict() if self.space_group is not None else None,
            "lattice": self.lattice._asdict(),
            "density": self.density,
            "atoms": [
                {"index": index, "element": atom.element, "frac_coords": list(atom.frac_coords)}
                for index, atom in enumerate(self.atoms)
            ],
            "warnings": [notice._asdict() for notice in self.notices],
        }


def summary_of(crystal: Crystal) -> Summary:
    """Sum up what was read.

    Args:
        crystal: Any that :func:`hsegap.structures.read` gave.
    """
    return Summary(
        formula=crystal.formula,
        space_group=space_group_of(crystal),
        lattice=lattice_parameters(crystal.lattice),
        density=density_of(crystal),
        atoms=tuple(
            AtomRead(symbol, (x, y, z))
            for symbol, (x, y, z) in zip(crystal.symbols, crystal.frac_coords.tolist(), strict=True)
        ),
        notices=crystal.warnings,
    )


def space_group_of(crystal: Crystal, *, tolerance: float = SYMMETRY_TOLERANCE) -> SpaceGroup | None:
    """Find the space group of a crystal.

    Args:
        crystal: Any.
        tolerance: Distance within which atoms are symmetry images of each other, Å.
    """
    if crystal.n_atoms > MOST_ATOMS:
        return None
    import spglib

    cell: Any = (crystal.lattice, crystal.frac_coords, crystal.atomic_numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    return None if found is None else SpaceGroup(found.international, int(found.number))


def lattice_parameters(lattice: np.ndarray) -> LatticeParameters:
    """Lengths, angles and volume.

    Args:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
    """
    (a, b, c), volume = lengths_and_volume(lattice)
    rows = lattice.tolist()

    def angle(one: int, other: int, product: float) -> float:
        cosine = math.fsum(x * y for x, y in zip(rows[one], rows[other], strict=True)) / product
        return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))

    # Ten decimals are beyond what any file has, and keep 120° from becoming 119.99999999999999°.
    values = (a, b, c, angle(1, 2, b * c), angle(0, 2, a * c), angle(0, 1, a * b), volume)
    return LatticeParameters(*(round(value, 10) for value in values))


def density_of(crystal: Crystal) -> float:
    """Mass density, g/cm³."""
    return mass_of(crystal.symbols) * GRAM_PER_CM3 / lengths_and_volume(crystal.lattice)[1]


def to_cif(crystal: Crystal, *, name: str = "crystal") -> str:
    """Write a crystal as a CIF in P 1, which holds nothing but its cell and its atoms.

    Args:
        crystal: Any.
        name: Of the data block; what can't stand in a name is left out.
    """
    from gemmi import cif

    document = cif.Document()
    block = document.add_new_block(
        "".join(letter for letter in name if (letter.isascii() and letter.isalnum()) or letter in "-_")[:60]
        or "crystal"
    )
    lattice = lattice_parameters(crystal.lattice)
    for tag, value in zip(
        ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"), lattice[:6], strict=True
    ):
        block.set_pair(f"_cell_{tag}", f"{value:.10g}")
    counts: dict[str, int] = {}
    for symbol in crystal.symbols:
        counts[symbol] = counts.get(symbol, 0) + 1
    block.set_pair("_chemical_formula_sum", cif.quote(" ".join(f"{symbol}{count}" for symbol, count in counts.items())))
    block.set_pair("_space_group_name_H-M_alt", "'P 1'")
    block.set_pair("_space_group_IT_number", "1")
    block.init_loop("_space_group_symop_", ["operation_xyz"]).add_row(["'x, y, z'"])
    loop = block.init_loop("_atom_site_", ["label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy"])
    numbered: dict[str, int] = {}
    for symbol, position in zip(crystal.symbols, crystal.frac_coords.tolist(), strict=True):
        numbered[symbol] = numbered.get(symbol, 0) + 1
        loop.add_row([f"{symbol}{numbered[symbol]}", symbol, *(f"{value:.12f}" for value in position), "1"])
    return str(document.as_string())
