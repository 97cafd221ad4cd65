"""Gaps of ASE and pymatgen objects, without writing files.

python structure_objects.py

Objects travel as JSON, which keeps every digit. Tested by tests/batch/test_pipelines.py.
"""

import json

from ase import Atoms
from ase.build import bulk
from pymatgen.core import Lattice, Structure

from hsegap.artifact.artifact import Artifact
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import PredictRequest


def from_pymatgen(structure: Structure, **options: object) -> PredictRequest:
    """A request for a pymatgen structure; options are the request's: description, describe, atoms."""
    return PredictRequest(structure=structure.to_json(), format="pymatgen", **options)


def from_ase(atoms: Atoms, **options: object) -> PredictRequest:
    """A request for ASE atoms."""
    if not all(atoms.pbc):
        raise ValueError("gaps are predicted for crystals: set pbc=True and a cell")
    crystal = {
        "lattice_mat": atoms.cell.tolist(),
        "coords": atoms.positions.tolist(),
        "elements": atoms.get_chemical_symbols(),
        "cartesian": True,
    }
    return PredictRequest(structure=json.dumps(crystal), format="jarvis", **options)


if __name__ == "__main__":
    requests = {
        "Si, from ASE": from_ase(bulk("Si", "diamond", a=5.431)),
        "GaAs, from ASE": from_ase(bulk("GaAs", "zincblende", a=5.653), description="GaAs is Zincblende structured."),
        "MgO, from pymatgen": from_pymatgen(
            Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.212), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        ),
    }
    with Predictor(Artifact.load()) as predictor:
        for name, answer in zip(requests, predictor.predict(list(requests.values())), strict=True):
            print(f"{name:20} {answer.gap_ev:.2f} eV" if hasattr(answer, "gap_ev") else f"{name:20} {answer.error.message}")
