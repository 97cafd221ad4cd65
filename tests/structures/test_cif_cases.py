"""The cases of ../shared/cases/reading: files that were once read as another crystal."""

from __future__ import annotations

from pathlib import Path

import pytest

from hsegap.structures import StructureError, read
from support.cif_texts import codes_of

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases" / "reading"

#: Formula and atoms of each case, and what has to be told.
RIGHT = {
    "A01": ("Si", 8, "symmetry_from_name"),
    "A02": ("Si", 8, "symmetry_from_name"),
    "A03": ("LiCoO2", 12, "symmetry_from_name"),
    "A04": ("CaCO3", 10, "symmetry_from_name"),
    "A05": ("CaCO3", 10, "symmetry_from_name"),
    "A06": ("ZrO2", 12, "symmetry_from_name"),
    "A07": ("ZrO2", 12, "symmetry_from_name"),
    "A09": ("CuO", 8, "symmetry_from_name"),
    "A10": ("SrTiO3", 5, "symmetry_from_name"),
    "A12": ("NaCl", 8, "symmetry_from_name"),
    "A14": ("NaCl", 8, "symmetry_from_name"),
    "A15": ("Si", 8, "symmetry_from_name"),
    "A16": ("NaCl", 8, "symmetry_from_name"),
    "B01": ("ZrO2", 12, "symmetry_from_name"),
    "B03": ("Si", 8, "symmetry_from_name"),
    "B04": ("TiO2", 12, "setting_chosen"),
    "B05": ("CaCO3", 10, "symmetry_from_name"),
    "C04": ("NaCl", 8, "symmetry_contradiction"),
    "D01": ("NaCl", 8, "symmetry_from_name"),
    "D03": ("NaCl", 2, None),
    "D04": ("CaHO", 3, "element_guessed"),
    "D05": ("CaO2", 3, "implicit_hydrogens"),
    "E01": ("MoS2", 6, "coordinates_rounded"),
    "E03": ("CaF6", 7, "coordinates_rounded"),
    "E04": ("KAl3(SO7)2", 60, "coordinates_rounded"),
    "E06": ("CO", 4, "images_listed"),
    "F01": ("NaCl", 8, "symmetry_from_name"),
    "F02": ("NaCl", 8, "symmetry_from_name"),
    "F04": ("NaCl", 8, "symmetry_from_name"),
    "F05": ("NaCl", 8, "symmetry_from_name"),
    "F06": ("NaCl", 2, "cell_completed"),
    "F07": ("NaCl", 8, "symmetry_from_name"),
    "F08": ("ZnO", 4, "symmetry_from_name"),
    "F09": ("NaCl", 2, None),
}
REFUSED = {
    "C01": ("unreadable_structure", "'F m -3 m'"),
    "C03": ("unreadable_structure", "contradicts itself"),
    "C05": ("unsupported_format", "modulated"),
    "F12": ("unsupported_format", "XSF"),
}

pytestmark = pytest.mark.shared_data


def case(name: str) -> Path:
    if not CASES.exists():
        pytest.skip("needs ../shared/cases/reading, which is not beside this repository")
    return next(CASES.glob(f"{name}_*"))


@pytest.mark.parametrize("name", RIGHT)
def test_it_is_read_right(name):
    crystal = read(case(name))
    formula, n_atoms, told = RIGHT[name]
    assert (crystal.formula, crystal.n_atoms) == (formula, n_atoms)
    codes = set(codes_of(crystal))
    assert codes == set() if told is None else told in codes, crystal.warnings


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name(name):
    with pytest.raises(StructureError) as caught:
        read(case(name))
    code, says = REFUSED[name]
    assert caught.value.code == code
    assert says in caught.value.message
    assert len(caught.value.hint) > 20


def test_every_case_has_its_answer():
    if not CASES.exists():
        pytest.skip("needs ../shared/cases/reading, which is not beside this repository")
    assert {path.name[:3] for path in CASES.glob("[A-Z]*_*")} == RIGHT.keys() | REFUSED.keys()


def test_a_symbol_and_its_list_of_operations_give_one_image():
    """P 21/n, not P 21/c: the image by the screw axis lies at 1/2 − x, 1/2 + y, 1/2 − z."""
    import numpy as np

    crystal = read(case("B01"))
    wanted = np.array([0.5 - 0.2754, 0.5 + 0.0395, 0.5 - 0.2083])
    apart = crystal.frac_coords[:4] - wanted
    assert (np.abs(apart - np.rint(apart)).max(axis=1) < 1e-9).any()
