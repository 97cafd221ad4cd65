"""A CIF that contradicts itself is refused where another crystal would be answered,
and told where only a label is wrong.
"""

from __future__ import annotations

import re

import pytest

from hsegap.structures import StructureError, read
from support.cif_texts import CENTRING, CUBIC, ROCK_SALT, cif, codes_of, operations, symbol

MULTIPLIED = ("label", "type_symbol", "symmetry_multiplicity", "fract_x", "fract_y", "fract_z")


def multiplied(sodium: object, chlorine: object):
    return [(row[0], row[1], str(count), *row[2:]) for row, count in zip(ROCK_SALT, (sodium, chlorine), strict=True)]


def refused(text: str) -> StructureError:
    with pytest.raises(StructureError) as caught:
        read(text)
    assert re.search(r"Error|Exception|Traceback|0x[0-9a-f]+", caught.value.message) is None
    assert caught.value.hint
    return caught.value


def codes(text: str) -> list[str]:
    return codes_of(read(text))


def formula(text: str) -> str:
    return "_chemical_formula_sum '" + text + "'\n"


def test_operations_against_symbol():
    error = refused(cif(symbol("F m -3 m") + operations("x,y,z")))
    assert "'F m -3 m'" in error.message
    assert "2 or 8 atoms" in error.message
    assert "P 1" in error.hint


def test_operations_against_number():
    assert "number 225" in refused(cif("_symmetry_Int_Tables_number 225\n" + operations("x,y,z"))).message


def test_formula_and_z_decide_for_the_operations():
    text = cif(symbol("F m -3 m") + operations("x,y,z"), extra=formula("Na Cl") + "_cell_formula_units_Z 1\n")
    crystal = read(text)
    assert crystal.n_atoms == 2
    assert "was followed, not the space group 'F m -3 m'" in crystal.warnings[0].message


def test_a_formula_that_speaks_for_the_symbol_is_no_help():
    refused(cif(symbol("F m -3 m") + operations("x,y,z"), extra=formula("Na Cl") + "_cell_formula_units_Z 4\n"))


def test_two_statements_with_the_same_atoms_are_told():
    text = cif(symbol("F m -3 m") + operations(*CENTRING))
    assert codes(text) == ["symmetry_contradiction"]
    assert read(text).n_atoms == 8


def test_a_list_without_its_identity():
    assert codes(cif(operations("-x,-y,-z"))) == ["symmetry_contradiction"]


def test_an_incomplete_list_without_a_symbol():
    message = refused(cif(operations("x,y,z", "-x,-y,-z", *CENTRING[1:3]))).message
    assert "The list of 4 symmetry operations in the CIF is not complete: 4 of their products are missing" in message


def test_operations_that_have_no_end():
    error = refused(cif(operations("x,y,z", "x-y,y,z"), cell=CUBIC))
    assert "form no group" in error.message


def test_a_row_that_is_no_operation_is_named():
    for bad in (
        "x,y",
        "x,y,x",
        "2x,y,z",
        "x+1/5,y,z",
        "x1,x2,x3,x4",
        "x,y,z" + "+1/2" * 60,
        "x/2,y,z",
        "__import__('os'),y,z",
    ):
        assert "Row 2" in refused(cif(f'loop_\n_symmetry_equiv_pos_as_xyz\n"x,y,z"\n"{bad}"\n')).message


def test_unknown_symbols_are_named():
    for name in ("P 7", "F m -3 m :3", "Xyz", "Oh5 rock", "I 41/a m d :H", "P n m a :2"):
        assert repr(name) in refused(cif(symbol(name))).message


def test_an_unknown_symbol_beside_its_number():
    # Only one setting has the number 225; 227 has two origins.
    crystal = read(cif(symbol("rock salt") + "_symmetry_Int_Tables_number 225\n"))
    assert crystal.n_atoms == 8
    assert crystal.warnings[0].code == "symmetry_contradiction"
    assert "'diamond'" in refused(cif(symbol("diamond") + "_symmetry_Int_Tables_number 227\n")).message


def test_an_unknown_symbol_beside_operations_is_a_label():
    assert codes(cif(symbol("F m -3 m nonstandard") + operations(*CENTRING))) == []


def test_hall_symbol_against_hermann_mauguin_symbol():
    error = refused(cif(symbol("P n m a") + '_space_group_name_Hall "-F 4 2 3"\n'))
    assert "Hall symbol '-F 4 2 3'" in error.message
    assert "'P n m a'" in error.message


def test_a_hall_symbol_that_is_none():
    assert "can't be understood" in refused(cif("_space_group_name_Hall 'F nonsense'\n")).message
    assert "symmetry_contradiction" in codes(cif(symbol("F m -3 m") + "_space_group_name_Hall 'F nonsense'\n"))


def test_a_cell_that_the_symmetry_forbids():
    error = refused(cif(symbol("F m -3 m"), cell=("5.64", "5.64", "7.1", "90", "90", "90")))
    assert "'F m -3 m' asks for" in error.message
    assert "'R -3 m'" in refused(cif(symbol("R -3 m"), cell=("5", "6", "7", "80", "90", "100"))).message


def test_multiplicities_that_agree():
    assert codes(cif(symbol("F m -3 m"), columns=MULTIPLIED, rows=multiplied(4, 4))) == ["symmetry_from_name"]


def test_the_order_of_the_site_symmetry_under_that_name():
    assert codes(cif(symbol("F m -3 m"), columns=MULTIPLIED, rows=multiplied(48, 48))) == ["symmetry_from_name"]


def test_multiplicities_of_the_primitive_cell_are_told():
    assert codes(cif(symbol("F m -3 m"), columns=MULTIPLIED, rows=multiplied(1, 1))) == [
        "symmetry_from_name",
        "multiplicity_mismatch",
    ]


def test_multiplicities_of_another_crystal_are_refused():
    error = refused(cif(symbol("F m -3 m"), columns=MULTIPLIED, rows=multiplied(4, 8)))
    assert "multiplicity 8 for the site Cl1" in error.message


def test_formula_and_z_outvote_a_multiplicity():
    extra = formula("Na Cl") + "_cell_formula_units_Z 4\n"
    assert "multiplicity_mismatch" in codes(
        cif(symbol("F m -3 m"), extra=extra, columns=MULTIPLIED, rows=multiplied(4, 8))
    )


def test_p1_is_answered_only_if_nothing_speaks_against_it():
    assert codes(cif()) == ["symmetry_missing"]
    assert codes(cif(extra=formula("Na Cl") + "_cell_formula_units_Z 1\n")) == ["symmetry_missing"]
    assert codes(cif(symbol("P 1"))) == ["symmetry_from_name"]
    assert "multiplicities above 1" in refused(cif(columns=MULTIPLIED, rows=multiplied(4, 4))).message
    assert "Z = 4" in refused(cif(extra=formula("Na Cl") + "_cell_formula_units_Z 4\n")).message
    assert "Na4 Cl4" in refused(cif(extra=formula("Na4 Cl4"))).message
    assert "Na Cl2" in refused(cif(extra=formula("Na Cl2"))).message


def test_a_wrong_z_is_told():
    assert (
        codes(cif(symbol("F m -3 m"), extra=formula("Na Cl") + "_cell_formula_units_Z 1\n"))[-1]
        == "composition_mismatch"
    )


def test_an_origin_that_is_not_stated():
    silicon = (("Si1", "Si", "0", "0", "0"),)
    error = refused(cif(symbol("F d -3 m"), rows=silicon, cell=("5.43", "5.43", "5.43", "90", "90", "90")))
    assert "'F d -3 m:1'" in error.message
    assert "'F d -3 m:2'" in error.message
    extra = formula("Si") + "_cell_formula_units_Z 8\n"
    crystal = read(cif(symbol("F d -3 m"), rows=silicon, extra=extra))
    assert crystal.n_atoms == 8
    assert crystal.warnings[0].code == "setting_chosen"
    code = "_space_group_IT_coordinate_system_code 2\n"
    assert read(cif(symbol("F d -3 m") + code, rows=(("Si1", "Si", "0.125", "0.125", "0.125"),))).n_atoms == 8


def test_two_rows_in_one_place_are_named():
    rows = (*ROCK_SALT, ("K7", "K", "0.001", "0", "0"))
    error = refused(cif(symbol("P 1"), rows=rows))
    assert error.code == "overlapping_atoms"
    assert "Na1 and K7" in error.message
    # An image of a row by the symmetry, but of another element.
    error = refused(cif(symbol("P -1"), rows=(("C1", "C", "0.1", "0", "0"), ("O1", "O", "0.9", "0", "0"))))
    assert "C1 and O1" in error.message


def test_images_of_a_site_that_are_too_near_but_not_one():
    error = refused(cif(symbol("P -1"), rows=(("C1", "C", "0.0300", "0.01000", "0.010"),)))
    assert error.code == "overlapping_atoms"
    assert "Two symmetry images of the site C1" in error.message


def test_a_name_given_twice():
    assert "_cell_length_a twice" in refused(cif(symbol("P 1"), extra="_cell_length_A 5.7\n")).message
    assert codes(cif(symbol("F m -3 m"), extra="_cell_length_A 5.64\n")) == ["symmetry_from_name"]


def test_the_tag_the_row_and_the_value_are_named():
    rows = (*ROCK_SALT, ("O1", "O", "0.3", "?", "0"))
    assert "_atom_site_fract_y of row 3 is '?'" in refused(cif(symbol("P 1"), rows=rows)).message
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")
    rows = tuple((*row, value) for row, value in zip(ROCK_SALT, ("1", "all"), strict=True))
    assert "_atom_site_occupancy of row 2 is 'all'" in refused(cif(symbol("P 1"), columns=columns, rows=rows)).message
