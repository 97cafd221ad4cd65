"""The textbook itself: its structures are sane, its references carry sources, and what is scored is verified."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from itertools import combinations

import pytest

from support.shared_material import SHARED
from support.textbook.crystals import (
    GAP_SOURCES,
    LATTICE_SOURCES,
    METAL_RESISTIVITY,
    VERIFYING,
    Crystal,
    read_textbook,
    verify,
)
from support.textbook.prototypes import PROTOTYPES, build

CRYSTALS = read_textbook()
ROWS = SHARED / "data" / "hse"
FILES = ("train", "val", "test", "val_metals", "test_metals")
pytestmark = pytest.mark.filterwarnings("ignore:No Pauling electronegativity")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    """Rows of ../shared/data whose reduced formula stands in the textbook, by that formula."""
    from pymatgen.core import Composition

    if not ROWS.is_dir():
        pytest.skip("needs ../shared/data, which is not beside this repository")
    wanted = {crystal.formula for crystal in CRYSTALS}
    found: dict[str, list[dict]] = {}
    for name in FILES:
        with gzip.open(ROWS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                formula = Composition(row["formula"]).reduced_formula
                if formula in wanted:
                    found.setdefault(formula, []).append(row | {"file": name})
    return found


def test_there_are_enough_of_every_kind():
    scored = [crystal for crystal in CRYSTALS if crystal.scored]
    gapped = [crystal for crystal in scored if crystal.hse_gap_ev > 0]
    assert len(CRYSTALS) >= 60
    assert len(gapped) >= 30
    assert sum(not crystal.in_training for crystal in gapped) >= 15, (
        "formulas the network has not learned the HSE gap of"
    )
    assert sum(crystal.source == "metal" for crystal in scored) >= 8
    several = Counter(crystal.formula for crystal in CRYSTALS if crystal.prototype == "perovskite")
    assert sum(count >= 2 for count in several.values()) >= 5, "cubic perovskites at more than one lattice constant"
    assert len({crystal.prototype for crystal in CRYSTALS}) == len(PROTOTYPES), "no prototype stands unused"


def test_names_and_structures_stand_once():
    assert len({crystal.name for crystal in CRYSTALS}) == len(CRYSTALS)
    keys = [(crystal.formula, crystal.prototype, tuple(sorted(crystal.constants.items()))) for crystal in CRYSTALS]
    assert len(set(keys)) == len(keys)
    scored = Counter(crystal.row for crystal in CRYSTALS if crystal.scored and crystal.row)
    assert set(scored.values()) == {1}, "a row is scored by one crystal"


def test_every_reference_carries_its_sources():
    for crystal in CRYSTALS:
        assert crystal.lattice in LATTICE_SOURCES, crystal.name
        assert crystal.source in GAP_SOURCES, crystal.name
        assert crystal.scored == (not crystal.reason), f"{crystal.name}: what is not scored says why, and only that"
        if crystal.scored:
            assert crystal.source in (*VERIFYING, "metal"), crystal.name
        assert bool(crystal.row) == (crystal.source in (*VERIFYING, "mf")), crystal.name
        assert bool(crystal.row) == bool(crystal.file), crystal.name


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.name)
def test_structure_is_sane(crystal: Crystal):
    import spglib

    cell = crystal.structure()
    assert cell.composition.reduced_formula == crystal.formula
    symmetry = spglib.get_symmetry_dataset((cell.lattice.matrix, cell.frac_coords, cell.atomic_numbers), symprec=0.01)
    assert symmetry is not None
    assert symmetry.number == crystal.space_group
    assert 0.5 < cell.density < 22.6, "lithium and osmium are the lightest and the heaviest solids"
    for one, other in combinations(range(len(cell)), 2):
        assert cell.get_distance(one, other) > 1.2
    centres, _, _, distances = cell.get_neighbor_list(5.0)
    assert set(centres) == set(range(len(cell)))
    assert 1.2 < distances.min() < 4.5


def test_densities_are_those_of_the_handbooks():
    """g/cm³ from the CRC Handbook of Chemistry and Physics: independent of the lattice constants here."""
    known = {
        "diamond": 3.513,
        "silicon": 2.329,
        "gallium arsenide": 5.318,
        "magnesium oxide": 3.58,
        "sodium chloride": 2.17,
        "calcium fluoride": 3.18,
        "titanium dioxide (rutile)": 4.25,
        "titanium dioxide (anatase)": 3.89,
        "silicon dioxide (quartz)": 2.65,
        "silicon dioxide (stishovite)": 4.29,
        "aluminium oxide": 3.99,
        "calcite": 2.71,
        "strontium titanate": 5.12,
        "lithium niobate": 4.64,
        "magnesium aluminate": 3.58,
        "pyrite": 5.01,
        "hematite": 5.26,
        "copper(I) oxide": 6.1,
        "lead tungstate": 8.4,
        "gold": 19.3,
        "magnesium": 1.74,
    }
    crystals = {crystal.name: crystal for crystal in CRYSTALS}
    for name, density in known.items():
        assert crystals[name].structure().density == pytest.approx(density, rel=0.015), name


def test_strain_changes_every_lattice_constant_alike():
    [quartz] = [crystal for crystal in CRYSTALS if crystal.name == "silicon dioxide (quartz)"]
    rest, wider = quartz.structure(), quartz.structure(strain=0.01)
    assert wider.lattice.abc == pytest.approx([1.01 * length for length in rest.lattice.abc])
    assert wider.frac_coords == pytest.approx(rest.frac_coords)


def test_metals_conduct():
    from pymatgen.core import Element

    for crystal in CRYSTALS:
        if crystal.source == "metal":
            assert crystal.hse_gap_ev == 0
            assert Element(crystal.formula).electrical_resistivity < METAL_RESISTIVITY, crystal.name


def test_a_missing_constant_is_named():
    with pytest.raises(KeyError, match="c"):
        build("wurtzite", ["Zn", "O"], {"a": 3.25, "u": 0.38})


@pytest.mark.shared_data
@pytest.mark.parametrize("crystal", [c for c in CRYSTALS if c.scored and c.row], ids=lambda crystal: crystal.name)
def test_scored_gap_is_that_of_the_very_structure(crystal: Crystal, rows):
    assert verify(crystal, rows.get(crystal.formula, [])) == []


@pytest.mark.shared_data
def test_rows_and_training_formulas_are_as_the_table_says(rows):
    for crystal in CRYSTALS:
        mine = rows.get(crystal.formula, [])
        assert crystal.in_training == any(row["file"] == "train" for row in mine), crystal.name
        if crystal.row:
            [row] = [row for row in mine if row["id"] == crystal.row]
            assert row["file"] == crystal.file
            assert row["source"] == crystal.source
            assert row["hse_gap_ev"] == pytest.approx(crystal.hse_gap_ev, abs=0.006)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("change", "objection"),
    [
        ({"hse_gap_ev": 5.0}, "the row's gap is"),
        ({"row": "mp-47"}, "is not this structure"),
        ({"constants": {"a": 3.8}}, "the row's volume is"),
    ],
)
def test_what_is_not_verified_is_found(change, objection, rows):
    from dataclasses import replace

    [diamond] = [crystal for crystal in CRYSTALS if crystal.name == "diamond"]
    assert any(objection in found for found in verify(replace(diamond, **change), rows["C"]))
