"""A CIF without symmetry is its table of sites: read without pymatgen's expansion, with the very answer that it gives."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

import hsegap.structures.cif
from hsegap.structures import StructureError, read

ROOT = Path(__file__).resolve().parents[2]

P1 = """data_made
_cell_length_a 4.9
_cell_length_b 4.9
_cell_length_c 5.4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
{extra}loop_
_symmetry_equiv_pos_as_xyz
 '{operation}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Si1 Si 0.4697 0.0 0.0 {occupancy}
O1 O 0.4135 0.2669 0.1191 1.0
Si2 Si 0.0 0.4697 0.6667 1
O2 O 0.2669 0.4135 -0.4524 1
O3 O 1.7331 0.1466 0.7858 1.0
O4 O 0.5865 0.8534 0.2142 1.0
O5 O 0.8534 0.5865 0.4524 1
O6 O 0.1466 0.7331 0.5475 1
Si3 Si 0.5303 0.5303 0.3333 1.000(3)
"""


def cif(*, operation: str = "x, y, z", occupancy: str = "1", extra: str = "") -> str:
    return P1.format(operation=operation, occupancy=occupancy, extra=extra)


@pytest.fixture
def expanded(monkeypatch):
    """Read with pymatgen's expansion, whatever the file says."""

    def read_expanded(text):
        with monkeypatch.context() as patch:
            patch.setattr(hsegap.structures.cif, "sites_as_listed", lambda _data: None)
            return read(text, format="cif")

    return read_expanded


def same(one, other) -> None:
    assert one.symbols == other.symbols
    np.testing.assert_array_equal(one.frac_coords, other.frac_coords)
    np.testing.assert_array_equal(one.lattice, other.lattice)
    assert one.warnings == other.warnings


@pytest.fixture
def unused_pymatgen(monkeypatch):
    """Fail if pymatgen is asked to expand."""
    monkeypatch.setattr(hsegap.structures.cif, "_structure", lambda _parser: pytest.fail("pymatgen was asked to expand the symmetry"))


@pytest.mark.parametrize("operation", ["x, y, z", "x,y,z", "X, Y, Z", "+x,+y,+z"])
def test_the_table_is_the_crystal(operation, unused_pymatgen):
    crystal = read(cif(operation=operation), format="cif")
    assert list(crystal.symbols) == ["Si", "O", "Si", "O", "O", "O", "O", "O", "Si"]
    np.testing.assert_allclose(crystal.frac_coords[3], [0.2669, 0.4135, 0.5476], atol=1e-12)
    np.testing.assert_allclose(crystal.frac_coords[4], [0.7331, 0.1466, 0.7858], atol=1e-12)


@pytest.mark.parametrize(
    "extra", ["", "_chemical_formula_sum 'Si3 O6'\n", "_chemical_formula_sum 'Si3 O6 H2'\n", "_symmetry_space_group_name_H-M 'P 1'\n"]
)
def test_the_answer_is_pymatgens(extra, expanded):
    text = cif(extra=extra)
    same(read(text, format="cif"), expanded(text))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.cif")), ids=lambda path: path.stem)
def test_on_the_examples(path, expanded):
    same(read(path), expanded(path.read_text()))
    in_p1 = read(path).to_pymatgen().to(fmt="cif")
    same(read(in_p1, format="cif"), expanded(in_p1))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (cif(operation="-x, -y, -z"), "symmetry"),
        (cif(occupancy="0.5"), "partial occupancy"),
        (cif().replace("Si1 Si", "Si1 Si4+"), "an oxidation state"),
        (cif().replace("O1 O", "O1 D"), "deuterium"),
        (cif(extra="_space_group_magn.number_BNS 1.1\n"), "magnetic moments"),
    ],
    ids=lambda value: value if " " in value and len(value) < 30 else None,
)
def test_everything_else_is_left_to_pymatgen(text, why, monkeypatch):
    asked = []
    through = hsegap.structures.cif._structure
    monkeypatch.setattr(hsegap.structures.cif, "_structure", lambda parser: (asked.append(why), through(parser))[1])
    with contextlib.suppress(StructureError):
        read(text, format="cif")
    assert asked == [why]


def test_two_atoms_in_one_place_are_refused():
    with pytest.raises(StructureError) as caught:
        read(cif().replace("0.4697 0.0 0.0 1\n", "0.4135 0.2669 0.11912 1\n"), format="cif")
    assert caught.value.code == "overlapping_atoms"
