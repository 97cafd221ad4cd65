"""Files of other kinds are refused by their own names, or read where gemmi makes a crystal of them;
none is a bad POSCAR.
"""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

from hsegap.structures import FORMATS, StructureError, read
from support.crystals import GAAS_CIF, SI_POSCAR

XSF = "CRYSTAL\nPRIMVEC\n0 2.82 2.82\n2.82 0 2.82\n2.82 2.82 0\nPRIMCOORD\n2 1\n11 0 0 0\n17 2.82 2.82 2.82\n"
SHELX = (
    "TITL NaCl in Fm-3m\nCELL 0.71073 5.64 5.64 5.64 90 90 90\nZERR 4 0 0 0 0 0 0\nLATT 4\n"
    "SFAC NA CL\nUNIT 4 4\nNA1 1 0 0 0\nCL1 2 0.5 0.5 0.5\nHKLF 4\nEND\n"
)
CASTEP = (
    "%BLOCK LATTICE_CART\n0 2.82 2.82\n2.82 0 2.82\n2.82 2.82 0\n%ENDBLOCK LATTICE_CART\n"
    "%BLOCK POSITIONS_FRAC\nNa 0 0 0\nCl 0.5 0.5 0.5\n%ENDBLOCK POSITIONS_FRAC\n"
)
ESPRESSO = "&CONTROL\n calculation='scf'\n/\n&SYSTEM\n ibrav=2\n/\nATOMIC_POSITIONS crystal\nNa 0 0 0\nCl 0.5 0.5 0.5\n"
AIMS = (
    "lattice_vector 0 2.82 2.82\nlattice_vector 2.82 0 2.82\nlattice_vector 2.82 2.82 0\n"
    "atom_frac 0 0 0 Na\natom_frac 0.5 0.5 0.5 Cl\n"
)
LAMMPS = (
    "NaCl\n\n2 atoms\n2 atom types\n\n0 5.64 xlo xhi\n0 5.64 ylo yhi\n0 5.64 zlo zhi\n\n"
    "Atoms\n\n1 1 0 0 0\n2 2 2.8 0 0\n"
)
MOLECULE = "water\n  program\n\n  3  2  0  0  0  0            999 V2000\n    0.0 0.0 0.0 O\nM  END\n"
HTML = "<!DOCTYPE html>\n<html><body>Log in to download</body></html>\n"
OTHERS = {
    "XSF": XSF,
    "SHELX": SHELX,
    "CASTEP": CASTEP,
    "Quantum ESPRESSO": ESPRESSO,
    "FHI-aims": AIMS,
    "LAMMPS": LAMMPS,
    "molecule": MOLECULE,
    "web page": HTML,
}

PDB = """HEADER    SALT
CRYST1    5.640    5.640    5.640  90.00  90.00  90.00 F m -3 m      4
HETATM    1 NA    NA A   1       0.000   0.000   0.000  1.00  0.00          NA
HETATM    2 CL    CL A   2       2.820   2.820   2.820  1.00  0.00          CL
END
"""


@pytest.mark.parametrize("name", OTHERS)
def test_it_is_refused_by_its_name(name):
    with pytest.raises(StructureError) as caught:
        read(OTHERS[name])
    assert caught.value.code == "unsupported_format"
    assert name in caught.value.message
    assert len(caught.value.hint) > 15


def test_a_name_says_it_where_the_content_does_not(tmp_path):
    (tmp_path / "strange.xsf").write_text("nothing that is known\n" * 3)
    with pytest.raises(StructureError, match="XSF"):
        read(tmp_path / "strange.xsf")


def test_a_conversion_that_a_hint_names_works(tmp_path):
    from ase.io import read as ase_read
    from ase.io import write

    write(tmp_path / "crystal.cif", ase_read(io.StringIO(XSF), format="xsf"), format="cif")
    assert read(tmp_path / "crystal.cif").formula == "NaCl"


def test_a_pdb_file_with_a_crystal_is_read():
    crystal = read(PDB)
    assert (crystal.formula, crystal.n_atoms, crystal.format) == ("NaCl", 8, "pdb")
    assert "pdb" not in FORMATS


def test_a_pdb_file_of_a_molecule_is_refused():
    lines = [line for line in PDB.split("\n") if not line.startswith("CRYST1")]
    with pytest.raises(StructureError, match="molecule"):
        read("\n".join(lines))


def test_mmcif_is_read_where_it_gives_a_crystal():
    import gemmi

    text = gemmi.read_pdb_string(PDB).make_mmcif_document().as_string()
    assert "_atom_site.Cartn_x" in text
    crystal = read(text)
    assert (crystal.formula, crystal.n_atoms, crystal.format) == ("NaCl", 8, "cif")
    # In a cell that is not rectangular the axes matter.
    text = (
        text.replace("_cell.angle_gamma 90", "_cell.angle_gamma 120").replace("'F m -3 m'", "'P 1'").replace("225", "1")
    )
    cell = gemmi.UnitCell(5.64, 5.64, 5.64, 90, 90, 120)
    wanted = cell.fractionalize(gemmi.Position(2.82, 2.82, 2.82)).tolist()
    apart = read(text).frac_coords[1] - wanted
    np.testing.assert_allclose(apart - np.rint(apart), 0, atol=1e-6)


def test_cartesian_coordinates_of_a_plain_cif_are_not_guessed():
    text = GAAS_CIF.replace("_atom_site_fract_", "_atom_site_Cartn_")
    with pytest.raises(StructureError, match="only Cartesian coordinates"):
        read(text)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("_space_group_ssg_name 'C2/m(a0g)0s'\n", "modulated"),
        ("_cell_modulation_dimension 1\n", "modulated"),
        ("loop_\n_atom_site_displace_Fourier_atom_site_label\n_atom_site_displace_Fourier_axis\nGa1 x\n", "modulated"),
        ("_space_group_magn.number_BNS 62.441\n", "magnetic"),
        ("loop_\n_space_group_symop_magn_operation.xyz\nx,y,z,+1\n", "magnetic"),
    ],
)
def test_modulated_and_magnetic_cifs_are_refused_by_name(extra, says):
    with pytest.raises(StructureError, match=says) as caught:
        read(GAAS_CIF.replace("loop_", extra + "loop_", 1))
    assert caught.value.code == "unsupported_format"


def test_a_poscar_is_still_a_poscar():
    assert read(SI_POSCAR.replace("silicon", "CRYSTAL of silicon, PRIMVEC below")).formula == "Si"


N = 60_000
HOSTILE = {
    "empty lines": "x" + "\n" * 8 * N,
    "blanks": "data_x\n" + " \t" * 8 * N + "\n_a 1",
    "quotes": "data_x\n_a " + "'a" * 4 * N,
    "quotes in a loop": "data_x\nloop_\n_atom_site_label\n" + "' '' '' '" * N,
    "semicolons": "data_x\n_a\n;" + "\n;x" * N,
    "unquoted words": "data_x\n" + "_a b c d e f\n" * N + "'",
    "one long line of words": "data_x\n_a b" + " c" * 8 * N,
    "names": "data_x\n" + "".join(f"_a{number} 1\n" for number in range(N)),
    "names of one kind": "data_x\n" + "_atom_site_label 1\n" * N,
    "blocks": "".join(f"data_x{number}\n_atom_site_label 1\n" for number in range(N)),
    "loops": "data_x\n" + "".join(f"loop_\n_a{number}\n1\n" for number in range(N)),
    "a wide loop": "data_x\nloop_\n" + "".join(f"_atom_site_{number}\n" for number in range(N)) + "1 " * N,
    "rows": GAAS_CIF + "".join(f"Ga Ga{number} 0.{number} 0 0 1\n" for number in range(N)),
    "operations": GAAS_CIF.replace("  1  'x, y, z'", "".join(f"{number} 'x+1/2,y,z'\n" for number in range(N))),
    "a long operation": GAAS_CIF.replace("'x, y, z'", "'x" + "+x-x" * N + ",y,z'"),
    "a long symbol": GAAS_CIF.replace("'P 1'", "'P " + "1 " * N + "'"),
    "a long Hall symbol": GAAS_CIF.replace("loop_", "_space_group_name_Hall '" + "-P 2 " * N + "'\nloop_", 1),
    "a long formula": GAAS_CIF.replace("'Ga4 As4'", "'" + "Ga As " * N + "'"),
    "a long number": GAAS_CIF.replace("5.6533", "5." + "6" * N),
    "a long label": GAAS_CIF.replace("Ga0", "Ga" + "0" * N),
    "brackets": GAAS_CIF.replace("0.25  0.75  0.75", "0.25(" + "(" * N + " 0.75 0.75"),
    "backticks": "```\n" * N + GAAS_CIF,
    "an XYZ that is a CIF": "2\n" * N + "data_x",
    "atoms of PDB": "ATOM  1\n" * N,
    "headers": "HEADER    " + "\nHEADER" * N,
    "titles": "TITL\n" + "x\n" * N,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_takes_long(name):
    started = time.process_time()
    message = ""
    try:
        read(HOSTILE[name])
    except StructureError as error:
        message = error.message + error.hint
    assert time.process_time() - started < 5  # 0.4 s; with the square of their length it would be minutes
    assert len(message) < 700


def test_every_group_of_every_size_has_its_limit():
    """A list of many operations that generate more and more is stopped, and each file alone costs little."""
    rows = "".join(
        f"'{x},{y},{z}'\n"
        for x in ("x", "-x", "y", "-y", "z", "-z")
        for y in ("x", "-y", "z")
        for z in ("x", "y", "-z")
    )
    text = GAAS_CIF.replace("  1  'x, y, z'", rows).replace(" _symmetry_equiv_pos_site_id\n", "")
    started = time.process_time()
    with pytest.raises(StructureError, match="symmetry operation"):
        read(text)
    assert time.process_time() - started < 2
