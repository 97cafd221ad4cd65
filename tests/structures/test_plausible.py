"""Files whose numbers have another unit or other axes than they say: their distances tell."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hsegap.structures import read
from support.cif_texts import CENTRING, ROCK_SALT, cif, operations, symbol

#: Rock salt, all eight atoms; in Å, 5.64 Å long.
PLACES = [(x, y, z) for x in (0, 0.5) for y in (0, 0.5) for z in (0, 0.5)]
ELEMENTS = ["Na" if (2 * sum(place)) % 2 == 0 else "Cl" for place in PLACES]


def told(text: str) -> list[str]:
    return [notice.code for notice in read(text).warnings if notice.code.startswith("odd_")]


def poscar(*, scale: float = 1.0, mode: str = "Direct", unit: float = 1.0) -> str:
    order = np.argsort(ELEMENTS, kind="stable")[::-1]
    rows = "".join(" ".join(str(unit * value) for value in PLACES[index]) + "\n" for index in order)
    return f"rock salt\n{scale}\n5.64 0 0\n0 5.64 0\n0 0 5.64\nNa Cl\n4 4\n{mode}\n{rows}"


def jarvis(unit: float, **more: object) -> str:
    cell = (5.64 * np.eye(3)).tolist()
    return json.dumps({"lattice_mat": cell, "coords": (unit * np.array(PLACES)).tolist(), "elements": ELEMENTS, **more})


def test_a_cell_in_another_unit():
    for length, says in (
        ("10.66", "none are within 4.48 Å"),
        ("564", "none are within"),
        ("8.8", "Na and Cl are 4.4 Å"),
    ):
        crystal = read(cif(symbol("F m -3 m"), cell=(length, length, length, "90", "90", "90")))
        assert says in crystal.warnings[-1].message
    assert told(cif(symbol("F m -3 m"))) == []
    assert told(poscar(scale=1.889726)) == ["odd_distances"]
    assert told(poscar()) == []


def test_a_cell_of_another_volume_or_density():
    for item, right, wrong in (("_cell_volume", "179.41(3)", "190"), ("_exptl_crystal_density_diffrn", "2.16", "0.54")):
        for value in (right, wrong, "?"):
            crystal = read(cif(symbol("F m -3 m"), extra=f"{item} {value}\n"))
            found = [notice.message for notice in crystal.warnings if notice.code == "cell_contradiction"]
            assert len(found) == (value == wrong)
            assert all(value in message for message in found)


def test_sites_that_lack_their_images():
    """The asymmetric unit under P 1: each atom alone in a cell of its own size."""
    assert told(cif(symbol("P 1"))) == ["odd_distances"]
    assert told(cif(operations("x,y,z"))) == ["odd_distances"]
    assert told(cif(operations(*CENTRING))) == []
    # A layered crystal that has lost the centring of R -3 m: the nearest are the images along a.
    cell, columns = ("4.14", "4.14", "28.64", "90", "90", "120"), ("label", "fract_x", "fract_y", "fract_z")
    rows = (("Bi1", "0", "0", "0.3985"), ("Se1", "0", "0", "0"), ("Se2", "0", "0", "0.2115"))
    assert told(cif(symbol("R -3 m"), cell=cell, columns=columns, rows=rows)) == []
    assert told(cif(symbol("P -3 m 1"), cell=cell, columns=columns, rows=rows)) == ["odd_distances"]


def test_fractions_under_the_name_of_cartesian_coordinates():
    assert told(poscar(mode="Cartesian", unit=5.64)) == []
    assert told(poscar(mode="Cartesian", unit=1.5)) == ["odd_distances"]
    assert told(jarvis(1.5, cartesian=True)) == ["odd_distances"]


def test_cartesian_coordinates_under_the_name_of_fractions():
    for text in (poscar(unit=5.64), jarvis(5.64, cartesian=False)):
        assert "odd_coordinates" in told(text)
    zincblende = (("Ga1", "Ga", "0", "0", "0"), ("As1", "As", "1.413", "1.413", "1.413"))
    cell = ("5.653", "5.653", "5.653", "90", "90", "90")
    assert "odd_coordinates" in told(cif(symbol("F -4 3 m"), cell=cell, rows=zincblende))


@pytest.mark.parametrize("moved", [1, -1, 2, 7])
def test_atoms_that_were_not_moved_back_into_the_cell(moved):
    rows = [(row[0], row[1], str(float(row[2]) + moved), row[3], row[4]) for row in ROCK_SALT]
    assert told(cif(symbol("F m -3 m"), rows=rows)) == []


def test_noble_gases_are_held_by_less_than_bonds():
    argon = ("5.31", "5.31", "5.31", "90", "90", "90")
    assert told(cif(symbol("F m -3 m"), cell=argon, rows=(("Ar1", "Ar", "0", "0", "0"),))) == []
    assert told(cif(symbol("F m -3 m"), cell=argon, rows=(("Al1", "Al", "0", "0", "0"),))) == ["odd_distances"]
