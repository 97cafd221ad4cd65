"""Crystals made by exchanging elements, and what networks say of them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hsegap.artifact.artifact import Artifact
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.structures import Crystal, read
from hsegap.structures.summary import to_cif
from hsegap.training.data import ESTIMATED
from hsegap.training.substituted import (
    LEAST_KNOWN,
    MOST_CHANGE,
    SAME_GROUP,
    Parents,
    Substitution,
    atomic_volumes,
    formula_of,
    similar_elements,
    substituted,
)
from support.commands import run_here

if TYPE_CHECKING:
    from pathlib import Path

HALIDES = {
    ("Li", "F"): 4.03,
    ("Na", "F"): 4.63,
    ("K", "F"): 5.34,
    ("Na", "Cl"): 5.64,
    ("K", "Cl"): 6.29,
    ("K", "Br"): 6.60,
}
NUMBERS = {"Li": 3, "F": 9, "Na": 11, "Cl": 17, "K": 19, "Br": 35}
FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])


def rock_salt(cation: str, anion: str) -> Crystal:
    numbers = np.array([NUMBERS[cation], NUMBERS[anion]])
    return Crystal(HALIDES[cation, anion] * FCC, np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]]), numbers)


def known(copies: int = LEAST_KNOWN) -> Parents:
    crystals = [rock_salt(*pair) for pair in HALIDES for _ in range(copies)]
    return Parents([f"c{place}" for place in range(len(crystals))], crystals, 0)


@pytest.mark.parametrize(("old", "new"), [(31, 13), (11, 19), (8, 16), (22, 40), (9, 17), (6, 14), (56, 38)])
def test_elements_that_chemists_exchange_are_similar(old, new):
    """Ga and Al, Na and K, O and S, Ti and Zr, F and Cl, C and Si, Ba and Sr."""
    assert similar_elements()[old][new] > 0


def test_nothing_is_similar_to_itself_or_a_noble_gas_and_hydrogen_is_no_alkali():
    similar = similar_elements()
    assert all(number not in others for number, others in similar.items())
    assert not {2, 10, 18} & similar.keys()
    assert similar[1].get(3, 0.0) < SAME_GROUP <= similar[11][19]
    assert max(max(others) for others in similar.values()) <= 94


def test_atoms_volumes_add_up_to_the_cells():
    crystals = known(1).crystals
    volumes, counts = atomic_volumes(crystals)
    assert counts[NUMBERS["K"]] == 3
    for crystal in crystals:
        whole = abs(np.linalg.det(crystal.lattice))
        assert volumes[crystal.atomic_numbers].sum() == pytest.approx(whole, rel=0.12)


def test_a_formula_does_not_depend_on_the_cell():
    crystal = rock_salt("Na", "Cl")
    double = Crystal(
        crystal.lattice * [[2], [1], [1]],
        np.concatenate([crystal.frac_coords * [0.5, 1, 1], crystal.frac_coords * [0.5, 1, 1] + [0.5, 0, 0]]),
        np.tile(crystal.atomic_numbers, 2),
    )
    assert formula_of(double) == formula_of(crystal) == ((11, 1), (17, 1))


def test_rows_made_have_other_elements_and_cells_of_a_fitting_size():
    parents = known()
    rows = substituted(parents, 200, avoid=set(), seed=3)
    assert len(rows) > 150
    assert len({row["id"] for row in rows}) == len(rows)
    by_id = dict(zip(parents.ids, parents.crystals, strict=True))
    for row in rows:
        made, parent = read(row["cif"]), by_id[row["parent"]]
        assert sorted(made.atomic_numbers) != sorted(parent.atomic_numbers)
        assert set(made.atomic_numbers.tolist()) <= set(NUMBERS.values())
        assert 1 / MOST_CHANGE < np.linalg.det(made.lattice) / np.linalg.det(parent.lattice) < MOST_CHANGE
        assert row["n_sites"] == 2
        assert row["formula"] == made.formula
    sodium_bromide = [abs(np.linalg.det(read(row["cif"]).lattice)) for row in rows if row["formula"] == "NaBr"]
    assert np.median(sodium_bromide) == pytest.approx(5.97**3 / 4, rel=0.15)  # the lattice constant of NaBr, 5.97 Å


def test_the_same_seed_makes_the_same_rows_and_another_others():
    first, again, other = (substituted(known(), 20, avoid=set(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert [row["cif"] for row in first] != [row["cif"] for row in other]


def test_formulas_to_avoid_do_not_come_out():
    avoid = {((11, 1), (35, 1)), ((3, 1), (17, 1))}
    rows = substituted(known(), 300, avoid=avoid)
    assert rows
    assert not {row["formula"] for row in rows} & {"NaBr", "LiCl"}


def test_rare_elements_are_not_exchanged_for_others():
    """Fewer crystals than it takes to know the element's size."""
    substitution = Substitution(known(LEAST_KNOWN - 1).crystals, set())
    random = np.random.default_rng(0)
    made = [substitution.draw(rock_salt("Na", "Cl"), random) for _ in range(50)]
    assert {crystal.formula for crystal in made if crystal is not None} <= {"KF", "NaF", "KCl"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {"id": name, "n_sites": 2, "hse_gap_ev": 5.0, "cif": to_cif(crystal)}
        for name, crystal in zip(known().ids, known().crystals, strict=True)
    ]
    rows += [{**rows[0], "id": "metal", "hse_gap_ev": 0.0}, {**rows[0], "id": "broken", "cif": "data_x"}]
    (tmp_path / "known.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "val.jsonl").write_text(json.dumps({"id": "v", "cif": to_cif(rock_salt("Na", "F"))}) + "\n")
    return tmp_path


def substitute(folder: Path, *more: object) -> Any:
    return run_here("substitute", "known.jsonl", "--draws", 30, "-o", "out.jsonl.gz", *more, cwd=folder)


def test_the_gaps_are_what_the_networks_answer(files, told_artifact):
    checkpoint = told_artifact.parent / "told.pt"
    done = substitute(files, "--network", checkpoint, "--network", f"{checkpoint}:3", "--avoid", "val.jsonl")
    assert done.status == 0, done.stderr
    assert "1 known crystals could not be read" in done.stderr
    with gzip.open(files / "out.jsonl.gz", "rt") as lines:
        written = [json.loads(line) for line in lines]
    assert f"{len(written)} crystals made of 181 known ones" in done.stderr
    assert len(written) > 10
    assert "NaF" not in {row["formula"] for row in written}
    assert {row["label_confidence"] for row in written} == {ESTIMATED}
    with Predictor(Artifact.load(told_artifact)) as predictor:
        for row in written[:5]:
            [answer] = predictor.predict([PredictRequest(structure=row["cif"])])
            assert isinstance(answer, Prediction)
            expected = max(answer.gap_raw_ev, 0.0)
            assert row["hse_gap_ev"] == pytest.approx(expected if expected >= 0.05 else 0.0, abs=2e-3)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--network", "absent.pt"), "absent.pt"),
        (("--network", "known.jsonl"), "known.jsonl"),
        (("--network", "a.pt:0"), "above zero"),
        (("--network", "a.pt", "--avoid", "absent.jsonl"), "absent.jsonl"),
        (("--network", "a.pt", "--max-atoms", 1), "at most 1 atoms"),
    ],
)
def test_what_cannot_be_done_is_said(files, more, said):
    done = substitute(files, *more)
    assert done.status in {1, 2}
    assert said in done.stderr
    assert not (files / "out.jsonl.gz").exists()
