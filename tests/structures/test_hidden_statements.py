"""What a file says beside its atoms, and what makes another crystal of them: occupancies, axes, models, labels."""

from __future__ import annotations

import io
import json

import gemmi
import numpy as np
import pytest

from hsegap.structures import StructureError, read
from support.cif_texts import cif, codes_of, symbol
from support.crystals import SI_XYZ

GAAS_POSCAR = (
    "gallium arsenide\n1.0\n0 2.8265 2.8265\n2.8265 0 2.8265\n2.8265 2.8265 0\nGa As\n1 1\nDirect\n"
    "0 0 0\n0.25 0.25 0.25\n"
)
#: Wurtzite: cell along other axes than those of PDB, c along x, a along y.
ROTATED = np.array([[0.0, 3.25, 0.0], [0.0, -1.625, 2.814583], [5.2, 0.0, 0.0]])
PLACES = np.array([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.382], [2 / 3, 1 / 3, 0.882]])


def refused(text: str) -> StructureError:
    with pytest.raises(StructureError) as caught:
        read(text)
    return caught.value


def codes(text: str) -> list[str]:
    return codes_of(read(text))


def pdb(*, before: str = "", scale: np.ndarray | None = None) -> str:
    lines = ["CRYST1    3.250    3.250    5.200  90.00  90.00 120.00 P 1           1", *before.split("\n")]
    if scale is not None:
        inverse = np.linalg.inv(scale).T
        lines += [
            f"SCALE{row + 1}    {a:10.6f}{b:10.6f}{c:10.6f}        0.00000" for row, (a, b, c) in enumerate(inverse)
        ]
    for number, (place, name) in enumerate(zip(PLACES, ("ZN", "ZN", " O", " O"), strict=True), start=1):
        x, y, z = place @ ROTATED
        lines.append(f"HETATM{number:5d} {name}   MOL A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {name}")
    return "\n".join([line for line in lines if line] + ["END", ""])


def test_cartesian_axes_are_those_that_the_file_states():
    scaled = pdb(scale=ROTATED)
    for text in (scaled, gemmi.read_pdb_string(scaled).make_mmcif_document().as_string()):
        apart = read(text).frac_coords - PLACES
        np.testing.assert_allclose(apart - np.rint(apart), 0, atol=3e-4)
    assert "another cell" in refused(pdb(scale=ROTATED * 1.1)).message
    bare = gemmi.read_pdb_string(pdb()).make_mmcif_document().as_string()
    assert read(bare).n_atoms == 4
    for axes in ("_atom_sites.Cartn_transform_axes 'c along x'\n", "_atom_sites.Cartn_transf_matrix[1][1] 0\n"):
        assert axes.split()[0][13:].lower() in refused(bare.replace("loop_", axes + "loop_", 1)).message


def test_atoms_that_are_only_implied():
    rows = ("1.000000  0.000000  0.000000", "0.000000  1.000000  0.000000", "0.000000  0.000000  1.000000")
    same = "\n".join(f"MTRIX{row}   1  {entries}        0.00000    1" for row, entries in enumerate(rows, start=1))
    copy = "\n".join(
        f"MTRIX{row}   2 {entries.replace('1.0', '-1.0')}        0.00000" for row, entries in enumerate(rows, start=1)
    )
    assert read(pdb(before=same, scale=ROTATED)).n_atoms == 4
    assert "MTRIX" in refused(pdb(before=same + "\n" + copy, scale=ROTATED)).message


def test_models_of_one_cell():
    lines = pdb(scale=ROTATED).split("\n")
    atoms = [line for line in lines if line.startswith("HETATM")]
    head = [line for line in lines if line[:5] in {"CRYST", "SCALE"}]
    later = [line[:30] + f"{float(line[30:38]) + 0.7:8.3f}" + line[38:] for line in atoms]
    text = "\n".join([*head, "MODEL        1", *atoms, "ENDMDL", "MODEL        2", *later, "ENDMDL", "END", ""])
    for models in (text, gemmi.read_pdb_string(text).make_mmcif_document().as_string()):
        crystal = read(models)
        assert crystal.n_atoms == 4
        assert "several_structures" in [notice.code for notice in crystal.warnings]


def test_a_pdb_without_the_columns_of_elements():
    """Crystal programs write the names of atoms where they like; by its column `` NA `` is a nitrogen."""
    full = pdb(scale=ROTATED)
    bare = "\n".join(line[:76] if line.startswith("HETATM") else line for line in full.split("\n"))
    assert "element_guessed" not in codes(full)
    assert (read(bare).symbols, codes(bare).count("element_guessed")) == (read(full).symbols, 1)
    assert codes(bare.replace("ZN  ", " O1 ")).count("element_guessed") == 1
    for name in (" NA ", " SN1", " CA "):
        error = refused(bare.replace("ZN  ", name))
        assert (error.code, name.strip() in error.message) == ("unknown_element", True)
        assert read(full.replace("ZN  ", name)).symbols == read(full).symbols


def test_alternative_places_without_occupancies():
    columns = ("label_atom_id", "type_symbol", "label_alt_id", "fract_x", "fract_y", "fract_z")
    rows = (("O1", "O", "A", "0", "0", "0"), ("O2", "O", "B", "0.2", "0", "0"))
    assert refused(cif(symbol("P 1"), columns=columns, rows=rows)).code == "disordered_structure"


def test_flags_behind_positions_are_no_elements():
    """VASP 4: without the headline of selective dynamics pymatgen reads fluorine and tritium."""
    bare = GAAS_POSCAR.replace("Ga As\n", "")
    for flags in ("F F F", "T T F", "T T T"):
        text = bare.replace("0 0 0\n", f"0 0 0 {flags}\n").replace("0.25\n", f"0.25 {flags}\n")
        assert "no element symbols" in refused(text).message
    labelled = bare.replace("0 0 0\n", "0 0 0 Na\n").replace("0.25\n", "0.25 F\n")
    assert read(labelled).symbols == ["Na", "F"]


def test_labels_behind_positions():
    labelled = GAAS_POSCAR.replace("0 0 0\n", "0 0 0 As\n").replace("0.25\n", "0.25 Ga\n")
    crystal = read(labelled)
    assert crystal.symbols == ["Ga", "As"], "VASP goes by the line of elements"
    assert "Line 9 of the POSCAR is labelled As" in crystal.warnings[0].message
    one_count = labelled.replace("Ga As\n1 1", "2")
    assert "counts 2 atoms of one element, but labels their positions As and Ga" in refused(one_count).message
    selective = GAAS_POSCAR.replace("Direct", "Selective\nDirect").replace("0 0 0\n", "0 0 0 T T F Ga\n")
    assert codes(selective.replace("0.25\n", "0.25 T T F As\n")) == []
    assert codes(selective.replace("0.25\n", "0.25 T T F Ga\n")) == ["parser_note"]


@pytest.mark.parametrize("form", ["{}1", "{}3+", "{}+3", "# {}", "#{}2", "! {}1", "{}_d"])
def test_labels_with_numbers_and_charges_behind_positions(form):
    def labelled(first: str, second: str) -> str:
        rows = (f"0 0 0 {form.format(first)}\n", f"0.25 0.25 0.25 {form.format(second)}\n")
        return GAAS_POSCAR.replace("0 0 0\n", rows[0]).replace("0.25 0.25 0.25\n", rows[1])

    assert codes(labelled("Ga", "As")) == []
    crystal = read(labelled("As", "Ga"))
    assert (crystal.symbols, [notice.code for notice in crystal.warnings]) == (["Ga", "As"], ["parser_note"])


@pytest.mark.parametrize("name", ["H.5", "H1.25", "H.75_GW/abcdef"])
def test_pseudo_hydrogen_is_no_hydrogen(name):
    error = refused(GAAS_POSCAR.replace("Ga As", f"Ga {name}"))
    assert (error.code, name.split("_")[0] in error.message) == ("unknown_element", True)


def test_an_xdatcar_holds_several_configurations():
    text = GAAS_POSCAR.replace("Direct\n", "Direct configuration=     1\n")
    assert codes(text) == []
    assert codes(text + "Direct configuration=     2\n0 0 0\n0.26 0.25 0.25\n") == ["several_structures"]


def test_two_poscars_in_one_file():
    for other in (GAAS_POSCAR, GAAS_POSCAR.replace("Direct", "Selective dynamics\nDirect"), "\n" + GAAS_POSCAR):
        assert codes(GAAS_POSCAR + other) == ["several_structures"]
    velocities = "Lattice velocities and vectors\n  1\n" + "0 0 0\n" * 3 + "0 2.8 2.8\n2.8 0 2.8\n2.8 2.8 0\n"
    steps = "\n0 0 0\n0.1 0 0\n\n1\n0.5\n0 0 0\n0 0 0\n0 0 0\n"
    assert codes(GAAS_POSCAR + velocities + steps) == []
    assert codes(GAAS_POSCAR + "Cartesian\n0 0 0\n0.1 0 0\n") == []


def test_what_ase_writes_of_a_disordered_crystal():
    from ase.io import read as ase_read
    from ase.io import write

    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    for share, other in (("0.7", "0.3"), ("1", None)):
        rows = [("Ga1", "Ga", "0", "0", "0", share), ("As1", "As", "0.25", "0.25", "0.25", "1")]
        rows += [("Al1", "Al", "0", "0", "0", other)] if other else []
        atoms = ase_read(
            io.StringIO(cif(symbol("F -4 3 m"), columns=columns, rows=rows)), format="cif", fractional_occupancies=True
        )
        written = io.StringIO()
        write(written, atoms, format="extxyz")
        if other:
            error = refused(written.getvalue())
            assert (error.code, "Ga 0.7, Al 0.3" in error.message) == ("disordered_structure", True)
        else:
            assert read(written.getvalue()).formula == "GaAs"


def test_a_column_of_occupancies():
    text = SI_XYZ.replace("pos:R:3", "pos:R:3:occupancy:R:1")
    lines = text.rstrip().split("\n")
    assert read("\n".join([*lines[:2], *(line + " 1.0" for line in lines[2:])])).n_atoms == 2
    error = refused("\n".join([*lines[:2], lines[2] + " 1.0", lines[3] + " 0.5"]))
    assert (error.code, "atom 1 (from 0) holds Si 0.5" in error.message) == ("disordered_structure", True)


def test_two_cells_in_one_line():
    assert "Lattice twice" in refused(SI_XYZ.replace("Properties", 'Lattice="9 0 0 0 9 0 0 0 9" Properties')).message
    quoted = SI_XYZ.replace("Properties", r'note="was Lattice=\"9 0 0 0 9 0 0 0 9\"" Properties')
    np.testing.assert_array_equal(read(quoted).lattice, read(SI_XYZ).lattice)


@pytest.mark.parametrize("said", ["units=bohr", 'Unit="Bohr"', "length_unit=nm", "units=au", 'units="atomic units"'])
def test_lengths_in_another_unit(said):
    assert "in Å" in refused(SI_XYZ.replace("Properties", f"{said} Properties")).message
    angstrom = SI_XYZ.replace("Properties", "units=angstrom unit=eV/A Properties")
    np.testing.assert_array_equal(read(angstrom).lattice, read(SI_XYZ).lattice)


def test_two_columns_of_positions():
    lines = SI_XYZ.replace("pos:R:3", "pos:R:3:positions:R:3").rstrip().split("\n")
    text = "\n".join([*lines[:2], *(line + " 9 9 9" for line in lines[2:])])
    assert "two columns of positions" in refused(text).message


@pytest.mark.parametrize("pbc", ["[T, T, F]", "[true, true, false]", "TTF", '"1 1 0"', '"T T F"', "[T,T,F]"])
def test_a_direction_that_is_not_periodic(pbc):
    assert '"T T T"' in SI_XYZ
    assert codes(SI_XYZ.replace('"T T T"', pbc)) == ["not_periodic"]
    assert codes(SI_XYZ.replace('"T T T"', pbc.replace("F", "T").replace("false", "true").replace("0", "1"))) == []


@pytest.mark.parametrize("name", ["occupation", "occ", "site_occupancy"])
def test_occupancies_under_another_name(name):
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", name)
    rows = (("Na1", "Na", "0", "0", "0", "0.5"),)
    assert refused(cif(symbol("P 1"), columns=columns, rows=rows)).code == "disordered_structure"


def test_symmetry_in_another_block():
    text = cif()
    assert "in one data block (common)" in refused("data_common\n" + symbol("F m -3 m") + text).message
    assert codes("data_common\n" + symbol("P 1") + text) == ["symmetry_missing"]
    assert codes(text + cif(symbol("F m -3 m"))) == ["several_structures", "symmetry_missing"]


def test_stale_parts_of_a_pymatgen_structure():
    """Somebody stretched the cell by its lengths, or moved an atom by its Cartesian coordinates."""
    data = read(GAAS_POSCAR).to_pymatgen().as_dict()
    assert codes(json.dumps(data)) == []
    stretched = json.loads(json.dumps(data))
    stretched["lattice"]["c"] *= 1.05
    crystal = read(json.dumps(stretched))
    assert "gives c and a matrix that has another" in crystal.warnings[0].message
    np.testing.assert_array_equal(crystal.lattice, data["lattice"]["matrix"])
    moved = json.loads(json.dumps(data))
    moved["sites"][1]["xyz"][0] += 0.1
    crystal = read(json.dumps(moved))
    assert "Site 1 (counted from 0)" in crystal.warnings[0].message
    np.testing.assert_array_equal(crystal.frac_coords[1], [0.25, 0.25, 0.25])
