"""Every format gives the same crystal; real files give what pymatgen gives."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from hsegap.structures import FORMATS, build_graph, read
from support.cif_texts import codes_of
from support.crystals import GAAS_CIF, SI_POSCAR, SI_XYZ, texts_of
from support.warned import warnings_of


def assert_same_crystal(ours, theirs, *, atol):
    assert ours.atomic_numbers.tolist() == theirs.atomic_numbers.tolist()
    difference = (ours.frac_coords - theirs.frac_coords) % 1
    assert np.minimum(difference, 1 - difference).max() < atol
    # The orientation of a cell given by lengths and angles is free; its metric is not.
    np.testing.assert_allclose(ours.lattice @ ours.lattice.T, theirs.lattice @ theirs.lattice.T, atol=atol * 200)


@pytest.mark.shared_data
def test_round_trip_of_real_crystals_in_every_format(val_rows):
    """pymatgen's POSCAR and CIF group by element; these rows already are."""
    done = 0
    for row in val_rows[:60]:
        crystal = read(row["cif"])
        texts = texts_of(crystal)
        assert tuple(texts) == FORMATS
        for name, text in texts.items():
            again = read(text)
            assert again.format == name, (row["id"], name)
            if name == "poscar" and crystal.symbols != again.symbols:
                continue  # elements that aren't grouped come out grouped
            assert_same_crystal(again, crystal, atol=2e-5 if name in {"xyz", "cif"} else 1e-6)
            done += 1
    assert done > 280


@pytest.mark.shared_data
def test_real_crystals_read_as_pymatgen_reads_them(val_rows):
    from pymatgen.core import Structure

    for row in val_rows[:150]:
        crystal = read(row["cif"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            structure = Structure.from_str(row["cif"], fmt="cif")
        assert crystal.formula == structure.composition.reduced_formula, row["id"]
        assert crystal.n_atoms == row["n_sites"], row["id"]
        assert crystal.warnings == (), row["id"]
        np.testing.assert_allclose(crystal.lattice, structure.lattice.matrix, rtol=0, atol=1e-13)
        ours = {(int(z), *np.round(f, 6)) for z, f in zip(crystal.atomic_numbers, crystal.frac_coords, strict=True)}
        assert ours == {(site.specie.Z, *np.round(site.frac_coords, 6)) for site in structure}, row["id"]


def test_atoms_stay_in_the_order_of_the_file():
    """pymatgen sorts by electronegativity; a table per atom has to follow the file."""
    lines = GAAS_CIF.rstrip().split("\n")
    swapped = "\n".join([*lines[:-8], lines[-1], lines[-8], lines[-2], *lines[-7:-2]])
    assert read(swapped).symbols == ["As", "Ga", "As", "Ga", "Ga", "Ga", "As", "As"]
    np.testing.assert_allclose(read(swapped).frac_coords[0], [0.75, 0.75, 0.25])


def test_paths_and_names(tmp_path):
    for name, text in {
        "a.cif": GAAS_CIF,
        "POSCAR": SI_POSCAR,
        "CONTCAR.relaxed": SI_POSCAR,
        "x.vasp": SI_POSCAR,
        "b.xyz": SI_XYZ,
        "c.extxyz": SI_XYZ,
    }.items():
        (tmp_path / name).write_text(text)
        crystal = read(tmp_path / name)
        assert crystal.formula in {"GaAs", "Si"}
        assert crystal.warnings == ()
    (tmp_path / "wrong.xyz").write_text(GAAS_CIF)
    assert [notice.code for notice in read(tmp_path / "wrong.xyz").warnings] == ["format_mismatch"]


def test_explicit_format_wins():
    assert read(SI_POSCAR, format="POSCAR").format == "poscar"


def test_line_ends_and_byte_order_mark(tmp_path):
    for index, text in enumerate((GAAS_CIF, SI_POSCAR, SI_XYZ)):
        (tmp_path / f"{index}").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        assert read(tmp_path / f"{index}").n_atoms in {2, 8}
    (tmp_path / "latin").write_bytes(("# d'après Müller\n" + GAAS_CIF).encode("latin-1"))
    assert [notice.code for notice in read(tmp_path / "latin").warnings] == ["odd_characters"]


def test_poscar_variants():
    plain = read(SI_POSCAR)
    cartesian = SI_POSCAR.replace("Direct", "Cartesian").replace("0.25 0.25 0.25", "1.35775 1.35775 1.35775")
    volume = f"{-abs(np.linalg.det(plain.lattice)):.10f}"
    # A negative scale factor is the volume; VASP scales Cartesian positions with the cell.
    scaled = cartesian.replace("1.0\n", volume + "\n", 1)
    selective = (
        SI_POSCAR.replace("Direct", "Selective dynamics\nDirect")
        .replace("0.25 0.25 0.25", "0.25 0.25 0.25 T T F")
        .replace("0.00 0.00 0.00", "0.00 0.00 0.00 F F F")
    )
    potcar = SI_POSCAR.replace("Si\n2", "Si_pv/79d9987ad87\n2")
    velocities = SI_POSCAR + "\n0.1 0.2 0.3\n0.1 0.2 0.3\n"
    symbols_at_end = (
        SI_POSCAR.replace("Si\n2", "2")
        .replace("0.00 0.00 0.00", "0.00 0.00 0.00 Si")
        .replace("0.25 0.25 0.25", "0.25 0.25 0.25 Si")
    )
    for text in (cartesian, scaled, selective, potcar, velocities, symbols_at_end):
        crystal = read(text)
        assert_same_crystal(crystal, plain, atol=1e-8)
        assert crystal.warnings == (), text


def test_extended_xyz_as_ase_reads_it():
    """Other column orders, quoting and further properties, as ASE documents and reads them."""
    import io

    from ase.io import read as ase_read

    cell = "0.0 2.7155 2.7155 2.7155 0.0 2.7155 2.7155 2.7155 0.0"
    variants = [
        SI_XYZ,
        (
            "2\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-10.8 "
            f'Lattice=\'{cell}\' pbc="T T T" comment="a = b"\n'
            "Si 0 0 0 .1 .2 .3\nSi 1.35775 1.35775 1.35775 0 0 0\n"
        ),
        (
            f'2\nLattice="{cell}" Properties=forces:R:3:pos:R:3:species:S:1 stress="1 2 3 4 5 6 7 8 9"\n'
            "0 0 0 0 0 0 Si\n1 1 1 1.35775 1.35775 1.35775 Si\n"
        ),
        f'2\nconverged Lattice="{cell}"\nSi 0 0 0\nSi 1.35775 1.35775 1.35775\n',
        f'2\nLattice="{cell}" Properties=Z:I:1:pos:R:3\n14 0 0 0\n14 1.35775 1.35775 1.35775\n',
    ]
    for text in variants:
        crystal = read(text)
        atoms = ase_read(io.StringIO(text), format="extxyz", index=0)
        np.testing.assert_allclose(crystal.lattice, atoms.cell[:])
        assert crystal.symbols == atoms.get_chemical_symbols()
        np.testing.assert_allclose(crystal.frac_coords @ crystal.lattice, atoms.positions, atol=1e-9)


def test_json_variants():
    crystal = read(GAAS_CIF)
    structure = crystal.to_pymatgen()
    with_charges = structure.copy().add_oxidation_state_by_element({"Ga": 3, "As": -3})
    without_abc = structure.as_dict()
    for site in without_abc["sites"]:
        del site["abc"]
    without_matrix = structure.as_dict()
    del without_matrix["lattice"]["matrix"]
    for data in (
        structure.as_dict(),
        with_charges.as_dict(),
        without_abc,
        without_matrix,
        {"structure": structure.as_dict(), "energy": 1},
    ):
        again = read(json.dumps(data))
        assert again.format == "pymatgen"
        assert_same_crystal(again, crystal, atol=1e-8)
    from jarvis.core.atoms import Atoms

    cartesian = Atoms(
        lattice_mat=crystal.lattice.tolist(),
        coords=(crystal.frac_coords @ crystal.lattice).tolist(),
        elements=crystal.symbols,
        cartesian=True,
    )
    for data in (cartesian.to_dict(), {"jid": "JVASP-1174", "atoms": cartesian.to_dict()}):
        again = read(json.dumps(data))
        assert again.format == "jarvis"
        assert_same_crystal(again, crystal, atol=1e-8)


def test_json_never_imports_what_the_file_names(tmp_path):
    """pymatgen's decoder would import the module of a site property."""
    marker = tmp_path / "imported"
    (tmp_path / "evil_module_of_a_stranger.py").write_text(f"open({str(marker)!r}, 'w')")
    import sys

    data = read(GAAS_CIF).to_pymatgen().as_dict()
    for site in data["sites"]:
        site["properties"] = {"magmom": {"@module": "evil_module_of_a_stranger", "@class": "X"}}
    sys.path.insert(0, str(tmp_path))
    try:
        assert read(json.dumps(data)).n_atoms == 8
    finally:
        sys.path.remove(str(tmp_path))
    assert not marker.exists()


SYMMETRY = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_chemical_formula_sum 'Na1 Cl1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 Na1+ 0 0 0
Cl1 Cl1- 0.5 0.5 0.5
"""


def test_symmetry_by_name_is_used_and_told():
    crystal = read(SYMMETRY)
    assert crystal.n_atoms == 8
    assert crystal.symbols == ["Na"] * 4 + ["Cl"] * 4
    assert [notice.code for notice in crystal.warnings] == ["symmetry_from_name"]
    bare = read(SYMMETRY.replace("_symmetry_space_group_name_H-M 'F m -3 m'\n", ""))
    assert (bare.n_atoms, codes_of(bare)) == (2, ["symmetry_missing"])


def test_one_site_without_a_loop():
    """pymatgen reads such values letter by letter."""
    head = (
        SYMMETRY.split("loop_", maxsplit=1)[0]
        .replace("_chemical_formula_sum 'Na1 Cl1'\n", "")
        .replace("F m -3 m", "P m -3 m")
    )
    text = head + "_atom_site_label Po1\n_atom_site_fract_x 0.25\n_atom_site_fract_y 0.25\n_atom_site_fract_z 0.25\n"
    crystal = read(text)
    assert set(crystal.symbols) == {"Po"}
    assert crystal.n_atoms == 8


def test_no_warning_reaches_stderr(recwarn, capfd):
    read(SYMMETRY)
    read(
        SI_POSCAR.replace("Direct", "Selective dynamics\nDirect")
        .replace("0.25 0.25 0.25", "0.25 0.25 0.25 T T T")
        .replace("0.00 0.00 0.00", "0.00 0.00 0.00 T T T")
    )
    read(GAAS_CIF.replace("0.25", "0.3333"))
    assert warnings_of(recwarn) == []
    assert capfd.readouterr() == ("", "")


def test_what_was_read_can_become_a_graph():
    for text in (GAAS_CIF, SI_POSCAR, SI_XYZ):
        assert len(build_graph(read(text)).src) >= 24
