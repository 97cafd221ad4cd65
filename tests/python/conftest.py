"""A model on the session's predictor, and the same crystal as every kind of object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hsegap.prediction.predictor import Predictor
    from hsegap.python.model import Model

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def model(predictor: Predictor) -> Model:
    from hsegap.python.model import Model

    return Model(predictor)


@pytest.fixture(scope="session")
def objects() -> dict[str, Any]:
    """Rutile as every kind of object."""
    from ase import Atoms as AseAtoms
    from jarvis.core.atoms import Atoms as JarvisAtoms

    from hsegap.structures import read

    path = EXAMPLES / "TiO2_rutile.cif"
    crystal = read(path)
    structure = crystal.to_pymatgen()
    jarvis = JarvisAtoms(lattice_mat=crystal.lattice, coords=crystal.frac_coords, elements=crystal.symbols)
    return {
        "path": path,
        "name": str(path),
        "text": path.read_text(),
        "pymatgen": structure,
        "pymatgen dictionary": structure.as_dict(),
        "with oxidation states and properties": structure.copy(
            site_properties={"own": [object()] * 6}
        ).add_oxidation_state_by_guess(),
        "ase": AseAtoms(crystal.symbols, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True),
        "jarvis": jarvis,
        "jarvis dictionary": jarvis.to_dict(),
        "our own": crystal,
    }
