"""A crystal as the rest of hsegap sees it: an ordered periodic structure plus what was noticed while reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core import Structure


class Notice(NamedTuple):
    """Something worth telling the user that did not stop the work (a repaired input, say)."""

    code: str
    message: str


@dataclass(frozen=True)
class Crystal:
    """An ordered, periodic crystal in the order of the input's atoms.

    Attributes:
        lattice: Lattice vectors as rows, Å, shape ``[3, 3]``, float64.
        frac_coords: Fractional coordinates as read, shape ``[atoms, 3]``, float64.
        atomic_numbers: Shape ``[atoms]``, int64.
        format: Name of the format it was read from.
        warnings: What was repaired or looked odd while reading.
    """

    lattice: np.ndarray
    frac_coords: np.ndarray
    atomic_numbers: np.ndarray
    format: str = "pymatgen"
    warnings: tuple[Notice, ...] = field(default=())

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the cell."""
        return len(self.atomic_numbers)

    @property
    def symbols(self) -> list[str]:
        """Element symbols in atom order."""
        # Not pymatgen's `Element.from_Z`, which looks through its elements for each atom.
        from hsegap.structures.symbols import element_symbols

        known = element_symbols()
        return [known[number] for number in self.atomic_numbers.tolist()]

    @property
    def formula(self) -> str:
        """Reduced formula, as pymatgen orders it (``GaAs``, ``SrTiO3``)."""
        from hsegap.structures.formula import reduced_formula

        return reduced_formula(self.symbols)

    def to_pymatgen(self) -> Structure:
        """The same crystal as a pymatgen ``Structure`` (fractional coordinates untouched)."""
        from pymatgen.core import Lattice, Structure

        return Structure(Lattice(self.lattice), self.symbols, self.frac_coords)

    @classmethod
    def from_pymatgen(
        cls,
        structure: Structure,
        *,
        format: str = "pymatgen",  # noqa: A002
        warnings: tuple[Notice, ...] = (),
    ) -> Crystal:
        """Take over an ordered pymatgen ``Structure`` (oxidation states are dropped)."""
        return cls(
            lattice=np.array(structure.lattice.matrix, dtype=np.float64),
            frac_coords=np.array(structure.frac_coords, dtype=np.float64).reshape(-1, 3),
            atomic_numbers=np.array([site.specie.Z for site in structure], dtype=np.int64),
            format=format,
            warnings=warnings,
        )
