"""What the picture draws: textbook crystals have textbook neighbours, and what is too much is not drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hsegap.structures import Crystal, read, summary_of
from hsegap.ui.cells import cells_of
from hsegap.ui.crystal_view import MAX_DRAWN, bonds_between, drawn_atoms, scene
from support.ui_samples import PEROVSKITE, ROCK_SALT, SILICON

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def bonds_of(view: dict, atom: int) -> int:
    return sum(atom in bond for bond in view["bonds"])


def test_atoms_on_faces_and_corners_are_drawn_on_all_of_them() -> None:
    view = scene(read(ROCK_SALT))["cells"]["read"]["views"]["1"]
    symbols = read(ROCK_SALT).symbols
    assert Counter(symbols[site] for site in view["sites"]) == {
        "Na": 14,
        "Cl": 13,
    }  # 8 corners + 6 faces, 12 edges + centre


def test_every_atom_inside_has_its_textbook_neighbours() -> None:
    for text, centre, neighbours in ((ROCK_SALT, "Cl", 6), (SILICON, "Si", 4)):
        crystal = read(text)
        view = scene(crystal)["cells"]["read"]["views"]["2"]
        positions = np.array(view["positions"])
        middle = crystal.lattice.sum(axis=0)
        order = np.argsort(np.linalg.norm(positions - middle, axis=1))
        inner = next(int(atom) for atom in order if crystal.symbols[view["sites"][atom]] == centre)
        assert bonds_of(view, inner) == neighbours


def test_metal_atoms_bond_to_each_other_only_where_there_is_nothing_else() -> None:
    perovskite = read(PEROVSKITE)
    view = scene(perovskite)["cells"]["read"]["views"]["2"]
    pairs = {frozenset(perovskite.symbols[view["sites"][atom]] for atom in bond) for bond in view["bonds"]}
    assert frozenset({"Ti", "O"}) in pairs
    assert frozenset({"Sr", "Ti"}) not in pairs
    copper = Crystal(lattice=3.615 * (1 - np.eye(3)) / 2, frac_coords=np.zeros((1, 3)), atomic_numbers=np.array([29]))
    assert scene(copper)["cells"]["read"]["views"]["2"]["bonds"]


def test_the_same_crystal_is_drawn_whatever_cell_its_coordinates_name() -> None:
    crystal = read(PEROVSKITE)
    moved = Crystal(crystal.lattice, crystal.frac_coords + np.array([1, -2, 3]), crystal.atomic_numbers)
    one, other = scene(crystal)["cells"]["read"]["views"]["1"], scene(moved)["cells"]["read"]["views"]["1"]
    assert sorted(map(tuple, np.round(one["positions"], 3).tolist())) == sorted(
        map(tuple, np.round(other["positions"], 3).tolist())
    )


def test_an_atom_a_rounding_below_the_face_counts_as_on_it() -> None:
    sites, positions = drawn_atoms(np.array([[0.9999999, 0.0, 0.0]]), np.eye(3) * 4, repeat=1)
    assert len(sites) == 8
    assert np.allclose(positions.min(axis=0), 0, atol=1e-5)


def test_two_by_two_by_two_has_eight_times_the_atoms_inside() -> None:
    view = scene(read(SILICON))["cells"]["read"]["views"]["2"]
    inside = np.array(view["positions"]) @ np.linalg.inv(read(SILICON).lattice)
    assert int(((inside > -0.01) & (inside < 1.99)).all(axis=1).sum()) == 16


def test_too_many_atoms_are_not_drawn_and_cost_nothing() -> None:
    side = int(np.ceil((MAX_DRAWN / 8) ** (1 / 3))) + 1
    grid = np.array(np.meshgrid(*[np.arange(side)] * 3)).reshape(3, -1).T / side
    crystal = Crystal(np.eye(3) * 3 * side, grid, np.full(len(grid), 29))
    made = scene(crystal)["cells"]["read"]["views"]
    assert made["2"] is None
    assert made["1"] is not None


@pytest.mark.parametrize(
    ("name", "atoms"), [("Si", (8, 8, 2)), ("CaF2", (12, 12, 3)), ("TiO2_rutile", (6, 6, 6)), ("Cu", (4, 4, 1))]
)
def test_conventional_and_primitive_cells_are_the_same_crystal(name: str, atoms: tuple[int, ...]) -> None:
    crystal = read(EXAMPLES / f"{name}.cif")
    cells = cells_of(crystal)
    assert tuple(len(cell.sites) for cell in cells.values()) == atoms
    per_volume = []
    for cell in cells.values():
        made = Crystal(cell.lattice, cell.frac_coords, crystal.atomic_numbers[cell.sites])
        assert made.formula == crystal.formula
        assert summary_of(made).space_group == summary_of(crystal).space_group
        per_volume.append(made.n_atoms / abs(np.linalg.det(cell.lattice)))
    assert per_volume == pytest.approx([per_volume[0]] * 3)


@pytest.mark.parametrize("centring", [5, 12, 38, 139, 148, 227])
def test_the_primitive_cell_repeats_nothing_whatever_the_centring(centring: int) -> None:
    """C, A, I, R and F centred space groups, with atoms in general places."""
    from pymatgen.core import Lattice, Structure

    lattice = {
        5: Lattice.monoclinic(9.0, 7.0, 8.0, 103),
        12: Lattice.monoclinic(9.0, 7.0, 8.0, 103),
        38: Lattice.orthorhombic(9.0, 7.0, 8.0),
        139: Lattice.tetragonal(9.0, 7.0),
        148: Lattice.hexagonal(9.0, 14.0),
        227: Lattice.cubic(11.0),
    }[centring]
    places = [[0.11, 0.23, 0.37], [0.31, 0.07, 0.19]]
    crystal = Crystal.from_pymatgen(Structure.from_spacegroup(centring, lattice, ["Si", "O"], places))
    cells = cells_of(crystal)
    times = len(cells["conventional"].sites) / len(cells["primitive"].sites)
    assert times == {5: 2, 12: 2, 38: 2, 139: 2, 148: 3, 227: 4}[centring]
    volumes = [abs(np.linalg.det(cells[name].lattice)) for name in ("conventional", "primitive")]
    assert volumes[0] / volumes[1] == pytest.approx(times)
    primitive = cells["primitive"]
    again = Crystal(primitive.lattice, primitive.frac_coords, crystal.atomic_numbers[primitive.sites])
    assert summary_of(again).space_group.number == centring


def test_polyhedra_stand_around_the_cations() -> None:
    rutile = read(EXAMPLES / "TiO2_rutile.cif")
    view = scene(rutile)["cells"]["read"]["views"]["1"]
    assert {rutile.symbols[entry["site"]] for entry in view["polyhedra"]} == {"Ti"}
    for entry in view["polyhedra"]:
        assert (len(entry["corners"]), len(entry["faces"])) == (6, 8)  # an octahedron
        centre = np.mean(entry["corners"], axis=0)
        assert min(np.linalg.norm(np.array(view["positions"]) - centre, axis=1)) < 0.01
    assert not scene(read(EXAMPLES / "Si.cif"))["cells"]["read"]["views"]["1"]["polyhedra"], "no cation in silicon"
    assert not scene(read(EXAMPLES / "BN_hexagonal.cif"))["cells"]["read"]["views"]["1"]["polyhedra"], "flat"


def test_a_lone_atom_has_no_bonds() -> None:
    assert bonds_between(np.array([0]), np.zeros((1, 3)), ["Ar"]).shape == (0, 2)


@pytest.mark.parametrize("symbol", ["H", "Cs", "U", "Lr"])
def test_every_element_has_a_colour_and_a_size(symbol: str) -> None:
    from pymatgen.core import Element

    crystal = Crystal(np.eye(3) * 5, np.zeros((1, 3)), np.array([Element(symbol).Z]))
    look = scene(crystal)["elements"][symbol]
    assert len(look["colour"]) == 7
    assert 0.2 < look["radius"] < 0.8
