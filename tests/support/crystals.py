"""Small crystals written down by hand, in every format."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np

from hsegap.structures import Crystal

GAAS_CIF = """data_GaAs
_cell_length_a   5.6533
_cell_length_b   5.6533
_cell_length_c   5.6533
_cell_angle_alpha   90
_cell_angle_beta   90
_cell_angle_gamma   90
_symmetry_space_group_name_H-M   'P 1'
_chemical_formula_sum   'Ga4 As4'
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Ga  Ga0  0.00  0.00  0.00  1
  Ga  Ga1  0.00  0.50  0.50  1
  Ga  Ga2  0.50  0.00  0.50  1
  Ga  Ga3  0.50  0.50  0.00  1
  As  As4  0.25  0.25  0.25  1
  As  As5  0.25  0.75  0.75  1
  As  As6  0.75  0.25  0.75  1
  As  As7  0.75  0.75  0.25  1
"""

SI_POSCAR = """silicon
1.0
0.0 2.7155 2.7155
2.7155 0.0 2.7155
2.7155 2.7155 0.0
Si
2
Direct
0.00 0.00 0.00
0.25 0.25 0.25
"""

SI_XYZ = """2
Lattice="0.0 2.7155 2.7155 2.7155 0.0 2.7155 2.7155 2.7155 0.0" Properties=species:S:1:pos:R:3 pbc="T T T"
Si 0.0 0.0 0.0
Si 1.35775 1.35775 1.35775
"""


def silicon() -> Crystal:
    half = 5.431 / 2
    lattice = np.array([[0, half, half], [half, 0, half], [half, half, 0]])
    return Crystal(
        lattice=lattice, frac_coords=np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]]), atomic_numbers=np.array([14, 14])
    )


def simple(lattice, frac_coords, numbers=None) -> Crystal:
    frac_coords = np.asarray(frac_coords, dtype=float)
    numbers = np.full(len(frac_coords), 14) if numbers is None else np.asarray(numbers)
    return Crystal(lattice=np.asarray(lattice, dtype=float), frac_coords=frac_coords, atomic_numbers=numbers)


def texts_of(crystal: Crystal) -> dict[str, str]:
    """The crystal written by the libraries people use, in every format."""
    from ase import Atoms as AseAtoms
    from ase.io import write as ase_write
    from jarvis.core.atoms import Atoms as JarvisAtoms
    from pymatgen.io.cif import CifWriter
    from pymatgen.io.vasp.inputs import Poscar

    structure = crystal.to_pymatgen()
    jarvis = JarvisAtoms(
        lattice_mat=crystal.lattice.tolist(),
        coords=crystal.frac_coords.tolist(),
        elements=crystal.symbols,
        cartesian=False,
    )
    buffer = io.StringIO()
    ase_write(
        buffer,
        AseAtoms(crystal.symbols, cell=crystal.lattice, scaled_positions=crystal.frac_coords, pbc=True),
        format="extxyz",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "cif": str(CifWriter(structure, significant_figures=12)),
            "poscar": Poscar(structure).get_str(significant_figures=14),
            "xyz": buffer.getvalue(),
            "pymatgen": json.dumps(structure.as_dict()),
            "jarvis": json.dumps(jarvis.to_dict()),
        }
