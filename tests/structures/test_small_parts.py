"""Small parts of the readers, cells and fingerprints against their definitions:
what larger tests let through when it was changed.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from hsegap.structures import Crystal, StructureError, build_graph, read
from hsegap.structures.cell import affordable_radius, face_distances, lengths_and_volume
from hsegap.structures.cif_checks import AGREES, SCALED, Stated, atoms_of_formula, content_verdict
from hsegap.structures.cif_expand import wrapped_once
from hsegap.structures.cif_numbers import numbers_in
from hsegap.structures.cif_sites import snap_thirds
from hsegap.structures.cif_syntax import plain_text
from hsegap.structures.fingerprint import NAMES, fingerprint, widest_empty_layer
from hsegap.structures.json_formats import find_format
from support.cif_texts import ROCK_SALT, cif
from support.crystals import SI_POSCAR

#: A cell without any right angle, and without any zero.
SKEWED = np.array([[4.1, 0.3, -0.7], [-1.2, 5.3, 0.4], [0.9, -0.6, 6.7]])


def test_lengths_volume_and_faces_of_a_skewed_cell():
    lengths, volume = lengths_and_volume(SKEWED)
    np.testing.assert_allclose(lengths, np.linalg.norm(SKEWED, axis=1))
    assert volume == pytest.approx(abs(np.linalg.det(SKEWED)))
    # The planes of one index are as far apart as the reciprocal vector is short.
    np.testing.assert_allclose(face_distances(SKEWED), 1 / np.linalg.norm(np.linalg.inv(SKEWED), axis=0))


def test_the_widest_empty_layer_of_two_atoms():
    lattice = np.diag([10.0, 10.0, 10.0])
    assert widest_empty_layer(lattice, np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.7]])) == pytest.approx(7.0)
    assert widest_empty_layer(lattice, np.array([[0.2, 0.3, 0.9], [0.7, 0.8, 0.2]])) == pytest.approx(7.0)
    assert widest_empty_layer(lattice, np.array([[0.2, 0.3, 0.9]])) == pytest.approx(10.0)


def test_the_period_of_a_fingerprint_is_that_of_the_table_of_elements():
    place = next(index for index, name in enumerate(NAMES) if "period" in name)
    for symbol, period in (("H", 1), ("Ne", 2), ("Si", 3), ("Kr", 4), ("Rb", 5), ("Cs", 6)):
        crystal = read(cif(rows=((symbol, symbol, "0", "0", "0"),)))
        assert fingerprint(build_graph(crystal), crystal.lattice, crystal.frac_coords)[place] == period, symbol


@pytest.mark.parametrize("scale", [0.5, 0.999, 1.0, 2.0])
def test_a_poscars_scale_multiplies_its_vectors(scale):
    lines = SI_POSCAR.splitlines()
    plain = read("\n".join([lines[0], "1.0", *lines[2:]]), format="poscar").lattice
    scaled = [*(" ".join(str(float(word) / scale) for word in line.split()) for line in lines[2:5])]
    np.testing.assert_allclose(
        read("\n".join([lines[0], str(scale), *scaled, *lines[5:]]), format="poscar").lattice, plain
    )


def test_a_poscar_that_is_cut_off_says_how_many_lines_follow():
    lines = SI_POSCAR.rstrip("\n").splitlines()
    with pytest.raises(StructureError, match="announces 2 atoms but only 1 lines follow") as caught:
        read("\n".join(lines[:-1]), format="poscar")
    assert caught.value.code == "unreadable_structure"


@pytest.mark.parametrize("line", [2, 3, 4])
def test_what_has_no_three_vectors_is_taken_for_no_poscar(line):
    lines = SI_POSCAR.splitlines()
    assert read(SI_POSCAR).formula == "Si"
    lines[line] = "not a vector"
    with pytest.raises(StructureError):
        read("\n".join(lines))


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16])
def test_control_characters_make_a_file_binary(code):
    with pytest.raises(StructureError, match="binary"):
        read(cif() + chr(code) * 40)


def test_formats_of_json_are_told_by_their_own_names():
    assert find_format({"sites": [], "lattice": {}}) == "pymatgen"
    assert find_format({"lattice_mat": []}) == find_format({"atoms": {"lattice_mat": []}}) == "jarvis"
    for other in ({}, {"sites": []}, {"lattice": {}}, {"atoms": []}):
        assert find_format(other) is None


def test_formulas_count_atoms_or_are_none():
    assert atoms_of_formula("Ga4 As4") == {"Ga": 4, "As": 4}
    assert atoms_of_formula("D2 O") == {"H": 2, "O": 1}
    for text in ("Xx4 O4", "O4 Xx4", "Ga4 -", "?", ".", "Si0", "4"):
        assert atoms_of_formula(text) is None, text
    assert atoms_of_formula("Si2 O0") == {"Si": 2}


@pytest.mark.parametrize(
    ("formula", "units", "atoms", "verdict"),
    [
        ("Na Cl", 4, 4, AGREES),
        ("Na4 Cl4", 4, 4, AGREES),  # the cell's formula beside its Z
        ("Na Cl", 4, 1, SCALED),  # one unit is no cell of four
        ("Na2 Cl2", 4, 2, SCALED),
    ],
)
def test_formula_and_z_against_the_atoms_of_the_cell(formula, units, atoms, verdict):
    assert content_verdict({"Na": atoms, "Cl": atoms}, Stated(atoms_of_formula(formula), formula, units)) == verdict


def test_type_symbols_are_believed_over_labels():
    rows = (("C1", "Ca", "0", "0", "0"), ("Co1", "O", "0.5", "0.5", "0.5"))
    assert sorted(read(cif(rows=rows)).symbols) == ["Ca", "O"]


def test_numbers_of_a_column_are_those_of_cif():
    assert numbers_in(["0.5", "1e-1", "-3"]) == [0.5, 0.1, -3.0]
    assert numbers_in(["0.25(3)", "1/3"]) == [0.25, pytest.approx(1 / 3)]
    # What float() takes for a number and CIF does not.
    assert numbers_in(["1_0", "0.5"]) == [None, 0.5]
    assert numbers_in(["nan", "0.5"]) == [None, 0.5]
    assert numbers_in(["inf", "0.5"]) == [None, 0.5]


def test_rounded_thirds_are_replaced_and_nothing_else():
    notices = []
    given = np.array([[0.3333, 0.6667, -0.3333], [1.3333, 0.0, 1.0], [0.5, 0.25, 0.33]])
    got = snap_thirds(given, notices)
    np.testing.assert_array_equal(got, [[1 / 3, 2 / 3, -1 / 3], [4 / 3, 0.0, 1.0], [0.5, 0.25, 0.33]])
    assert [(notice.code, notice.message.split()[0]) for notice in notices] == [("coordinates_rounded", "4")]


def test_values_lose_their_quotes_and_semicolons():
    assert plain_text(";abc\n;") == "abc"
    assert plain_text("'P 21/c'") == plain_text('"P 21/c"') == "P 21/c"
    assert plain_text("'") == "'"
    assert plain_text("'a\"") == "'a\""


def test_what_is_stated_again_counts_where_nothing_was_said_before():
    unknown = "_cell_formula_units_z ?\n"
    assert read(cif(extra=unknown + "_cell_formula_units_z 1\n")).formula == "NaCl"
    text = cif().replace("_cell_length_a 5.64\n", "_cell_length_a ?\n_cell_length_a 5.64\n")
    assert read(text).lattice[0] @ read(text).lattice[0] == pytest.approx(5.64**2)


def test_coordinates_are_brought_into_the_cell():
    got = wrapped_once(np.array([-1e-18, 0.0, 1.0, 1.25, -0.25, 0.999999]))
    np.testing.assert_allclose(got, [0.0, 0.0, 0.0, 0.25, 0.75, 0.999999])
    assert (got < 1).all()


def test_hydrogen_that_is_only_counted_is_told():
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "attached_hydrogens")
    for counts, told in ((("0", "0"), False), (("0", "2"), True), (("?", "."), False)):
        rows = tuple((*row, count) for row, count in zip(ROCK_SALT, counts, strict=True))
        found = {warning.code for warning in read(cif(rows=rows, columns=columns)).warnings}
        assert ("implicit_hydrogens" in found) == told, counts


def test_rows_that_fill_one_place_together_are_joined_and_told():
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    rows = (
        ("Na1", "Na", "0", "0", "0", "0.4"),
        ("Na2", "Na", "0", "0", "0", "0.6"),
        ("Cl1", "Cl", "0.5", "0.5", "0.5", "1"),
    )
    crystal = read(cif(rows=rows, columns=columns))
    assert sorted(crystal.symbols) == ["Cl", "Na"]
    [told] = [warning.message for warning in crystal.warnings if warning.code == "rows_joined"]
    assert "Na1 and Na2" in told
    assert "rows_joined" not in {warning.code for warning in read(cif()).warnings}


def test_the_limit_of_edges_counts_both_directions():
    crystal = read(SI_POSCAR)
    edges = len(build_graph(crystal).src)
    assert len(build_graph(crystal, max_edges=edges).src) == edges
    with pytest.raises(StructureError, match=str(edges)) as caught:
        build_graph(crystal, max_edges=edges - 1)
    assert caught.value.code == "too_many_edges"


def test_the_two_atoms_in_one_place_are_named():
    coords = np.array([[0.5, 0.5, 0.5], [0.1, 0.0, 0.0], [0.1, 0.002, 0.0]])
    with pytest.raises(
        StructureError, match=r"Atoms (1 and 2|2 and 1) \(counted from 0\) are only 0\.010 Å apart"
    ) as caught:
        build_graph(Crystal(np.diag([5.0, 5.0, 5.0]), coords, np.array([11, 14, 14])))
    assert caught.value.code == "overlapping_atoms"


def test_a_search_radius_is_raised_by_the_extent_of_the_atoms_and_not_by_where_they_are():
    near, far = np.array([[0.0, 0.0, 0.0], [4.0, 4.0, 4.0]]), np.array([[0.0, 0.0, 0.0], [900.0, 900.0, 900.0]])
    assert affordable_radius(near, 8.0) == affordable_radius(near + 5000.0, 8.0) == 8.0
    assert affordable_radius(far, 8.0) == affordable_radius(far + 5000.0, 8.0) > 8.0


def test_a_poscar_of_one_atom_and_one_with_its_volume():
    lines = SI_POSCAR.splitlines()
    one = read("\n".join([*lines[:6], "1", *lines[7:9]]), format="poscar")
    assert one.atomic_numbers.tolist() == [14]
    given = read("\n".join([lines[0], "-80.0", *lines[2:]]), format="poscar")
    assert abs(np.linalg.det(given.lattice)) == pytest.approx(80.0)
    assert given.lattice[0, 0] == 0
    assert given.lattice[0, 1] == pytest.approx((80.0 / 2) ** (1 / 3))


def test_json_of_jarvis_is_fractional_unless_it_says_cartesian():
    content = {
        "lattice_mat": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        "coords": [[0, 0, 0], [0.5, 0.5, 0.5]],
        "elements": ["Cs", "Cl"],
    }
    for given, coords in (
        (content, [0.5] * 3),
        (content | {"cartesian": False}, [0.5] * 3),
        (content | {"cartesian": True}, [0.125] * 3),
    ):
        crystal = read(json.dumps(given))
        np.testing.assert_allclose(crystal.frac_coords[1], coords)


@pytest.mark.parametrize(
    ("occupancy", "outcome"), [(1.0, []), (1, []), (0.995, ["occupancy_repaired"]), (0.5, None), (True, [])]
)
def test_occupancies_in_json_of_pymatgen(occupancy, outcome):
    sites = [
        {"species": [{"element": "Cs", "occu": 1}], "abc": [0, 0, 0]},
        {"species": [{"element": "Cl", "occu": occupancy}], "abc": [0.5, 0.5, 0.5]},
    ]
    text = json.dumps({"lattice": {"matrix": [[4, 0, 0], [0, 4, 0], [0, 0, 4]]}, "sites": sites})
    if outcome is None:
        with pytest.raises(StructureError, match=r"site 1 \(from 0\) holds Cl 0\.5") as caught:
            read(text)
        assert caught.value.code == "disordered_structure"
    else:
        assert [warning.code for warning in read(text).warnings] == outcome
