"""A file that says one thing twice, and differently, or in words that nobody knows, is never half believed."""

from __future__ import annotations

import json

import pytest

from hsegap.structures import StructureError, read
from support.cif_texts import CENTRING, ROCK_SALT, cif, codes_of, operations, symbol

TABLE = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"


def refused(text: str) -> str:
    with pytest.raises(StructureError) as caught:
        read(text)
    assert caught.value.code == "unreadable_structure"
    return caught.value.message


def old_name(name: str) -> str:
    return f"_symmetry_space_group_name_H-M '{name}'\n"


OLD_OPERATIONS = operations(*CENTRING).replace("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")


@pytest.mark.parametrize(
    "symmetry",
    [
        symbol("P 1") + old_name("F m -3 m"),
        symbol("F m -3 m") + old_name("P 1"),
        "_space_group_IT_number 1\n_symmetry_Int_Tables_number 225\n",
        "_space_group_name_Hall 'P 1'\n_symmetry_space_group_name_Hall '-F 4 2 3'\n",
        operations("x,y,z") + OLD_OPERATIONS,
        OLD_OPERATIONS + operations("x,y,z"),
    ],
)
def test_two_names_of_one_thing_with_two_values(symmetry):
    message = refused(cif(symmetry))
    assert "contradicts itself" in message
    assert "(2 or 8 atoms" in message or "(8 or 2 atoms" in message


def test_two_settings_of_one_group():
    rows = (("Zr1", "Zr", "0.275", "0.04", "0.208"), ("O1", "O", "0.07", "0.332", "0.345"))
    cell = ("5.15", "5.21", "5.32", "90", "99.2", "90")
    for one, other in (("P 1 21/n 1", "P 1 21/c 1"), ("P 1 21/c 1", "P 1 21/n 1"), ("P 1 21/n 1", "P 21/c")):
        assert repr(other) in refused(cif(symbol(one) + old_name(other), cell=cell, rows=rows))
    reference = "_space_group_name_H-M_ref 'P 1 21/c 1'\n"
    found = read(cif(symbol("P 1 21/n 1") + reference, cell=cell, rows=rows)).frac_coords[:4]
    assert [0.225, 0.54, 0.292] in found.round(6).tolist(), "1/2-x, 1/2+y, 1/2-z: the reference is no setting"


def test_axes_that_the_file_changes():
    """FINDSYM and ISODISTORT name the setting of the tables beside a change from it."""
    named = symbol("F d -3 m :1")
    rows = (("Si1", "Si", "0", "0", "0"),)
    for same in ("a,b,c;0,0,0", "a, b, c"):
        assert read(cif(named + f"_space_group.transform_Pp_abc '{same}'\n", rows=rows)).n_atoms == 8
    changed = "_space_group.transform_Pp_abc 'a,b,c;1/8,1/8,1/8'\n"
    assert "'a,b,c;1/8,1/8,1/8'" in refused(cif(named + changed, rows=rows))
    assert read(cif(changed + operations(*CENTRING))).n_atoms == 8, "listed operations are those of the file's axes"


def test_two_names_that_agree():
    text = cif(symbol("F d -3 m") + old_name("F d -3 m :2"), rows=(("Si1", "Si", "0.125", "0.125", "0.125"),))
    assert read(text).n_atoms == 8, "the name that states the origin is followed, wherever it stands"
    assert read(cif(symbol("Fm-3m") + old_name("F 4/m -3 2/m"))).n_atoms == 8
    assert read(cif(operations(*CENTRING) + OLD_OPERATIONS)).n_atoms == 8


def test_two_tables_of_sites():
    sodium = cif(symbol("F m -3 m"), rows=ROCK_SALT[:1])
    assert "_atom_site_label twice: 'Na1' and 'Cl1'" in refused(sodium + TABLE + "Cl1 0.5 0.5 0.5\n")
    assert "_atom_site_label twice" in refused(sodium.replace("loop_", "_atom_site_label Cl1\nloop_", 1))
    assert read(sodium + "loop_\n_atom_site_label\n_atom_site_U_iso_or_equiv\nNa1 0.01\n").symbols == ["Na"] * 4
    assert read(sodium.replace("loop_", "_atom_site_label ?\nloop_", 1)).symbols == ["Na"] * 4
    assert "_symmetry_equiv_pos_as_xyz twice" in refused(
        cif(
            operations("x,y,z").replace("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
            + OLD_OPERATIONS
        )
    )


def test_a_table_of_what_is_one_thing():
    text = cif(symbol("F m -3 m"))
    for item, value, other in (
        ("_cell_length_a", "5.64", "5.70"),
        ("_space_group_name_H-M_alt", "'F m -3 m'", "'P 1'"),
    ):
        table = f"loop_\n{item}\n{value}\n"
        assert read(text.replace(f"{item} {value}\n", table)).n_atoms == 8
        assert f"{item} twice".lower() in refused(text.replace(f"{item} {value}\n", table + other + "\n")).lower()


def test_a_column_twice_in_one_table():
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "fract_x")
    rows = [(*row, "0.1") for row in ROCK_SALT]
    assert "_atom_site_fract_x twice" in refused(cif(symbol("P 1"), rows=rows, columns=columns))


def test_occupancies_of_other_rows():
    occupied = cif(symbol("F m -3 m")) + "loop_\n_atom_site_occupancy\n0.5\n"
    assert "_atom_site_occupancy for 1 sites, but lists 2" in refused(occupied)


@pytest.mark.parametrize(
    "item",
    [
        "_space_group_name_Schoenflies Oh^5",
        "_symmetry_space_group_name_HM 'F m -3 m'",
        "_symmetry_space_group_number 225",
        "_aflow_space_group_number 225",
        "_pd_phase_space_group Fm-3m",
        "_symmetry_equiv_pos_xyz '-x,-y,-z'",
        "loop_ _symmetry_equiv_pos_xyz x,y,z -x,-y,-z",
    ],
)
def test_symmetry_under_a_name_that_is_none(item):
    assert item.removeprefix("loop_ ").split()[0].lower() in refused(cif(item + "\n"))
    crystal = read(cif(item + "\n" + symbol("F m -3 m")))
    assert crystal.n_atoms == 8, "beside a symbol it says nothing new"


@pytest.mark.parametrize(
    "item",
    [
        "_symmetry_space_group_name_HM 'P 1'",
        "_space_group_number 1",
        "_space_group_crystal_system cubic",
        "_symmetry_x ?",
    ],
)
def test_what_asks_for_no_other_atoms(item):
    crystal = read(cif(item + "\n"))
    assert (crystal.n_atoms, codes_of(crystal)) == (2, ["symmetry_missing"])


SODIUM = {"lattice_mat": [[4.29, 0, 0], [0, 4.29, 0], [0, 0, 4.29]], "coords": [[0, 0, 0]], "elements": ["Na"]}


def test_a_key_that_stands_twice_in_a_json_object():
    text = json.dumps(SODIUM)
    assert "`elements` twice" in refused(text[:-1] + ', "elements": ["Cl"]}')
    assert read(text[:-1] + ', "elements": ["Na"]}').formula == "Na"


def test_two_pymatgen_structures_in_one_json():
    data = read(cif(symbol("F m -3 m"))).to_pymatgen().as_dict()
    other = read(json.dumps(SODIUM)).to_pymatgen().as_dict()
    assert "two pymatgen structures" in refused(json.dumps(data | {"structure": other}))
    assert read(json.dumps(data | {"structure": data})).n_atoms == 8


def test_coordinates_of_a_kind_that_is_not_stated():
    coords = [[0, 0, 0], [1.8575, 1.8575, 1.8575]]
    unsaid = SODIUM | {"coords": coords, "elements": ["Na", "Na"]}
    assert "Cartesian (Å) or fractional" in refused(json.dumps(unsaid))
    assert read(json.dumps(unsaid | {"cartesian": True})).n_atoms == 2
    sites = {
        "lattice": dict(zip(("a", "b", "c", "alpha", "beta", "gamma"), (4, 5, 6, 90, 100, 90), strict=True)),
        "sites": [{"species": [{"element": "Na", "occu": 1}], "xyz": [1, 2, 3]}],
    }
    assert "along which axes" in refused(json.dumps(sites))


def test_lengths_beside_the_matrix_of_jarvis():
    sides = {"abc": [4.29, 4.29, 4.29], "angles": [90, 90, 90]}
    assert codes_of(read(json.dumps(SODIUM | sides))) == []
    crystal = read(json.dumps(SODIUM | sides | {"abc": [4.29, 4.29, 4.5]}))
    assert "gives c and a matrix that has another" in crystal.warnings[0].message


def test_two_structures_in_one_json():
    both = json.dumps({"atoms": SODIUM, "structure": read(cif(symbol("F m -3 m"))).to_pymatgen().as_dict()})
    assert "pymatgen structure and JARVIS atoms" in refused(both)
    assert (read(both, format="jarvis").n_atoms, read(both, format="pymatgen").n_atoms) == (1, 8)
