"""What rows of a CIF mean: elements in their spellings, occupancies, rounded positions,
cells with parts left out, files from chats.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from hsegap.structures import StructureError, read
from support.cif_texts import CENTRING, ROCK_SALT, cif, codes_of, operations, symbol

HEXAGONAL = ("3.16", "3.16", "12.29", "90", "90", "120")
MOS2 = (("Mo1", "Mo", "0.3333", "0.6667", "0.25"), ("S1", "S", "0.3333", "0.6667", "0.621"))


def one(kind: str, *, label: str = "X1", extra: str = "") -> tuple[str, list[str]]:
    """Element read for a type symbol, and the codes of the warnings."""
    crystal = read(cif(symbol("P 1"), extra=extra, rows=((label, kind, "0", "0", "0"),)))
    return crystal.symbols[0], [code for code in codes_of(crystal) if code != "symmetry_from_name"]


def labelled(*labels: str, extra: str = "") -> list[str]:
    """Elements read off labels."""
    rows = tuple((label, str(index / len(labels)), "0", "0") for index, label in enumerate(labels))
    return read(cif(symbol("P 1"), extra=extra, rows=rows, columns=("label", "fract_x", "fract_y", "fract_z"))).symbols


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        *[(kind, "Si") for kind in ("Si", "SI", "si", "Si4+", "Si+4", "Si4-", "Sival", "Si0+", "Si(4+)", "Si4")],
        ("Cval", "C"),
        ("O2-", "O"),
        ("O-2", "O"),
        ("Fe2.5+", "Fe"),
        ("H1-", "H"),
    ],
)
def test_type_symbols(kind, element):
    assert one(kind) == (element, [])


@pytest.mark.parametrize("kind", ["Wat", "WAT", "OW", "Ow", "H2O", "O-W"])
def test_water_is_oxygen_with_its_hydrogen_missing(kind):
    assert one(kind) == ("O", ["implicit_hydrogens"])


def test_heavy_hydrogen():
    assert one("D") == ("H", ["deuterium_as_hydrogen"])


@pytest.mark.parametrize("kind", ["Va", "vac", "Void", "Du", "OH", "NO3", "NH4", "Xx", "M", "A1", "7", "Zz3+"])
def test_what_is_no_element_is_refused_with_its_label(kind):
    with pytest.raises(StructureError) as caught:
        one(kind, label="T7")
    assert caught.value.code == "unknown_element"
    assert "T7" in caught.value.message
    assert repr(kind) in caught.value.message


def test_labels():
    assert labelled("Na1", "Cl_2", "O1a", "Ow1", "Cval1") == ["Na", "Cl", "O", "O", "C"]
    assert labelled("NA1", "CL1") == ["Na", "Cl"]
    assert labelled("Ca1", "CA2") == ["Ca", "C"], "beside Ca, CA is a carbon atom called A"
    assert labelled("HO1", "O1", extra="_chemical_formula_sum 'H O'\n") == ["H", "O"]
    assert labelled("HO1", "O1", extra="_chemical_formula_sum 'Ho O'\n") == ["Ho", "O"]
    assert labelled("CO1", "O1", extra="_chemical_formula_sum 'C O'\n") == ["C", "O"]


def test_a_type_symbol_that_is_not_stated_leaves_the_label():
    rows = (("Na1", "?", "0", "0", "0"), ("Cl1", ".", "0.5", "0.5", "0.5"))
    assert read(cif(symbol("P 1"), rows=rows)).symbols == ["Na", "Cl"]


OCCUPIED = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")


def test_two_valences_of_one_element_on_a_site():
    rows = (
        ("Fe1", "Fe2+", "0", "0", "0", "0.5"),
        ("Fe2", "Fe3+", "0", "0", "0", "0.5"),
        ("O1", "O2-", "0.5", "0.5", "0.5", "1"),
    )
    crystal = read(cif(symbol("F m -3 m"), rows=rows, columns=OCCUPIED))
    assert crystal.symbols == ["Fe"] * 4 + ["O"] * 4
    assert "rows_joined" in [notice.code for notice in crystal.warnings]


def test_partial_occupancy_names_all_sites():
    rows = (
        ("Ga1", "Ga", "0", "0", "0", "0.5"),
        ("Al1", "Al", "0", "0", "0", "0.5"),
        ("As1", "As", "0.25", "0.25", "0.25", "1"),
    )
    with pytest.raises(StructureError, match=r"Ga1 holds Ga 0\.5; site Al1 holds Al 0\.5") as caught:
        read(cif(symbol("F -4 3 m"), rows=rows, columns=OCCUPIED))
    assert caught.value.code == "disordered_structure"


def test_groups_of_a_disordered_part():
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "disorder_assembly", "disorder_group")
    rows = (
        ("C1", "C", "0", "0", "0", ".", "."),
        ("O1A", "O", "0.2", "0", "0", "A", "1"),
        ("O1B", "O", "0.4", "0", "0", "A", "2"),
    )
    with pytest.raises(StructureError, match="O1A belongs to the disorder group 1; site O1B"):
        read(cif(symbol("P 1"), rows=rows, columns=columns))
    assert read(cif(symbol("P 1"), rows=rows[:2], columns=columns)).n_atoms == 2


def test_attached_hydrogens():
    columns = (*OCCUPIED[:5], "attached_hydrogens")
    for value, told in (("2", True), ("0", False), (".", False), ("?", False)):
        rows = tuple((*row, value) for row in ROCK_SALT)
        codes = [notice.code for notice in read(cif(symbol("P 1"), rows=rows, columns=columns)).warnings]
        assert ("implicit_hydrogens" in codes) == told


def test_a_label_of_another_element():
    """Somebody doped a crystal in one column of two."""
    doped = (("Ga1", "In", "0", "0", "0"), ("As1", "As", "0.25", "0.25", "0.25"))
    crystal = read(cif(symbol("F -4 3 m"), rows=doped))
    assert crystal.formula == "InAs"
    assert "Ga1 of the CIF has the type symbol In" in crystal.warnings[0].message
    for other in ("In1", "M1", "I1", "IN1", "X1", "B1", "Inn", "Ia1"):
        rows = ((other, *doped[0][1:]), doped[1])
        assert "parser_note" not in codes_of(read(cif(symbol("F -4 3 m"), rows=rows)))
    stated = read(cif(symbol("F -4 3 m"), rows=doped, extra="_chemical_formula_sum 'In As'\n"))
    assert "parser_note" not in codes_of(stated)


def test_tetrahedral_sites_are_no_tritium():
    columns = ("label", "fract_x", "fract_y", "fract_z")
    rows = (("T1", "0", "0", "0"), ("O1", "0.5", "0.5", "0.5"))
    for text in (
        cif(symbol("F m -3 m"), rows=rows, columns=columns),
        cif(symbol("F m -3 m"), rows=rows, columns=columns, extra="_chemical_formula_sum 'Si O'\n"),
        cif(symbol("F m -3 m"), rows=(("T1", "T", "0", "0", "0"), ROCK_SALT[1])),
    ):
        with pytest.raises(StructureError, match="T1") as caught:
            read(text)
        assert caught.value.code == "unknown_element"
    tritium = cif(symbol("F m -3 m"), rows=rows, columns=columns, extra="_chemical_formula_sum 'T O'\n")
    assert read(tritium).symbols.count("H") == 4


def test_a_part_disordered_about_a_symmetry_element():
    columns = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "disorder_group")
    rows = (("O1", "O", "0.08", "0.1", "0.1", "-1"), ("C1", "C", "0.5", "0.5", "0.3", "."))
    with pytest.raises(StructureError, match="O1") as caught:
        read(cif(symbol("P -1"), columns=columns, rows=rows))
    assert caught.value.code == "disordered_structure"
    whole = [(*row[:-1], "1") for row in rows]
    assert read(cif(symbol("P -1"), columns=columns, rows=whole)).n_atoms == 4


@pytest.mark.parametrize("third", ["0.33", "0.333", "0.3333", "0.33333333", "1/3", "0.333(2)", ".333"])
def test_thirds_of_any_precision_lie_on_their_axis(third):
    other = {"1/3": "2/3", "0.333(2)": "0.667(2)", ".333": ".667"}.get(third, f"0.{'6' * (len(third) - 3)}7")
    rows = tuple((label, kind, third, other, z) for label, kind, _, _, z in MOS2)
    crystal = read(cif(symbol("P 63/m m c"), cell=HEXAGONAL, rows=rows))
    assert (crystal.formula, crystal.n_atoms) == ("MoS2", 6)
    np.testing.assert_allclose(crystal.frac_coords[0], [1 / 3, 2 / 3, 0.25], atol=1e-9)


def test_a_cell_whose_angles_follow_from_its_symmetry():
    text = cif(symbol("P 63/m m c"), cell=HEXAGONAL, rows=MOS2)
    for name in ("alpha", "beta", "gamma"):
        text = "\n".join(line for line in text.split("\n") if f"angle_{name}" not in line)
    crystal = read(text)
    assert crystal.n_atoms == 6
    assert "angle_gamma 120" in next(notice.message for notice in crystal.warnings if notice.code == "cell_completed")
    cubic = "\n".join(
        line for line in cif(symbol("F m -3 m")).split("\n") if "length_b" not in line and "length_c" not in line
    )
    assert read(cubic).n_atoms == 8
    with pytest.raises(StructureError, match="_cell_length_b"):
        read(cubic.replace("F m -3 m", "P m m m"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Here is the CIF you asked for:\n\n```cif\n", "```\nLet me know if you need more.\n"),
        ("# found in a paper\n\n", ""),
        ("\ufeff", ""),
    ],
)
def test_what_stands_around_the_file(before, after):
    crystal = read(before + cif(operations(*CENTRING)) + after, format="cif")
    assert crystal.n_atoms == 8


def test_values_of_several_words_without_quotes():
    text = cif("_symmetry_space_group_name_H-M F m -3 m\n_chemical_name_common rock salt\n")
    crystal = read(text)
    assert crystal.n_atoms == 8
    assert "line 8, 9" in next(notice.message for notice in crystal.warnings if notice.code == "parser_note")


def test_characters_outside_ascii():
    text = cif(symbol("F m \u22123 m"), extra="_publ_author_name 'Gödel, Kürt'\n_a Müller\n").replace(
        "Na1 Na", "Na1\u00a0Na"
    )
    assert read(text).n_atoms == 8


def test_no_python_error_is_shown():
    for broken in (
        "data_x\n_a 'b\n_atom_site_label x\n",
        cif() + "loop_\n_a\n_b\n1 2 3\n",
        cif() + "stop_ 1\n",
        cif() + ";\nx\n",
    ):
        with pytest.raises(StructureError) as caught:
            read(broken)
        assert not re.search(r"Error\b|string:|parse error", caught.value.message)
        assert "line" in caught.value.message.lower() or "text field" in caught.value.message
