"""Gaps estimated from cheaper ones: better than the cheap ones on crystals not learned from,
and every row's fate said.
"""

from __future__ import annotations

import gzip
import json
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hsegap.training.data import ESTIMATED, read_jsonl
from hsegap.training.errors import DataError
from hsegap.training.transfer import composition_features, transfer
from support.commands import run_here
from support.shared_material import SHARED

if TYPE_CHECKING:
    from pathlib import Path

CATIONS = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Mg": 2, "Ca": 2, "Sr": 2, "Ba": 2, "Zn": 2, "Cd": 2}
#: Charge of the anion, and how much of an alkali salt's gap PBE misses with it, eV:
#: rounded from the alkali halides' and chalcogenides'.
ANIONS = {
    "F": (1, 3.5),
    "Cl": (1, 2.3),
    "Br": (1, 1.9),
    "I": (1, 1.4),
    "O": (2, 2.2),
    "S": (2, 1.2),
    "Se": (2, 1.0),
    "Te": (2, 0.8),
}


def salt(cation: str, anion: str) -> str:
    """Formula of the salt of two ions."""
    positive, negative = CATIONS[cation], ANIONS[anion][0]
    return f"{cation}{anion}" if positive == negative else f"{cation}{negative}{anion}{positive}"


def rows(cations: dict, *, seed: int) -> list[dict]:
    """Salts whose two gaps differ by what their anion says."""
    rng = np.random.default_rng(seed)
    out = []
    for cation, anion in product(cations, ANIONS):
        cheap = round(float(rng.uniform(1, 6)), 3)
        gap = round(cheap + ANIONS[anion][1], 3)
        out.append(
            {
                "id": f"{cation}{anion}",
                "formula": salt(cation, anion),
                "cif": "data_",
                "pbe_gap_ev": cheap,
                "hse_gap_ev": gap,
            }
        )
    return out


def write(path: Path, items: list[dict]) -> Path:
    with gzip.open(path, "wt") as stream:
        stream.writelines(json.dumps(item) + "\n" for item in items)
    return path


def read(path: Path) -> list[dict]:
    with gzip.open(path, "rt") as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture
def known(tmp_path):
    return write(tmp_path / "known.jsonl.gz", [{**row, "source": "here"} for row in rows(CATIONS, seed=1)])


def test_estimates_follow_the_anion(tmp_path, known):
    others = rows({"Li": 1, "Ca": 2, "Zn": 2}, seed=2)
    bare = [{key: value for key, value in row.items() if key != "hse_gap_ev"} for row in others]
    files = [
        write(tmp_path / "pbe.jsonl.gz", [*bare, {"id": "no gap", "formula": "KF", "cif": "data_", "pbe_gap_ev": None}])
    ]
    out = tmp_path / "new" / "estimated.jsonl.gz"
    done = transfer(files, out, learn=[known], measure=[write(tmp_path / "test.jsonl.gz", others)], source="here")
    assert (done.written, done.learnt, done.without_gap, done.measured) == (24, 88, 1, 24)
    assert done.mae < 0.25
    assert done.mae_of_cheap > 1
    written = read(out)
    for row, estimated in zip(others, written, strict=True):
        assert estimated["label_confidence"] == ESTIMATED
        assert {**estimated, "hse_gap_ev": 0, "label_confidence": 0} == {**row, "hse_gap_ev": 0, "label_confidence": 0}
    found = np.array([row["hse_gap_ev"] for row in written])
    assert np.abs(found - [row["hse_gap_ev"] for row in others]).mean() == pytest.approx(done.mae, abs=1e-4)
    weights = {row.weight for row in read_jsonl(str(out), target="hse_gap_ev", weights={ESTIMATED: 0.4})}
    assert weights == {0.4}
    assert all(row.estimated for row in read_jsonl(str(out), target="hse_gap_ev"))
    assert not any(row.estimated for row in read_jsonl(str(known), target="hse_gap_ev"))


def test_large_crystals_are_left_out_when_asked(tmp_path, known):
    items = [{**row, "n_sites": size} for size, row in enumerate(rows({"K": 1}, seed=7), 1)]
    files, out = [write(tmp_path / "pbe.jsonl.gz", items)], tmp_path / "out.jsonl.gz"
    done = transfer(files, out, learn=[known], max_atoms=3)
    assert (done.written, done.too_large) == (3, 5)
    small = read(out)
    assert [row["n_sites"] for row in small] == [1, 2, 3]
    assert transfer(files, out, learn=[known]).too_large == 0
    assert small == read(out)[:3], "the others' estimates are the same"
    files = [write(tmp_path / "silent.jsonl.gz", rows({"K": 1}, seed=7))]
    with pytest.raises(DataError, match="'KF' does not say how many atoms it has"):
        transfer(files, out, learn=[known], max_atoms=3)


def test_of_the_metals_some_are_left_out_when_asked(tmp_path, known):
    items = [{**row, "pbe_gap_ev": 0.0} for row in rows(CATIONS, seed=8)] + [
        {**row, "id": "gap"} for row in rows({"K": 1}, seed=8)[:1]
    ]
    files, out = [write(tmp_path / "pbe.jsonl.gz", items)], tmp_path / "out.jsonl.gz"
    done = transfer(files, out, learn=[known], one_metal_in=4)
    kept = [row["id"] for row in read(out)]
    assert "gap" in kept
    assert done.written == len(kept) == 89 - done.thinned
    assert 10 < len(kept) < 35, "about a quarter of 88"
    transfer([write(tmp_path / "reversed.jsonl.gz", items[::-1])], out, learn=[known], one_metal_in=4)
    assert {row["id"] for row in read(out)} == set(kept), "drawn by id, in whatever order"


def test_metals_that_are_given_a_gap_by_a_source_without_metals_are_counted(tmp_path):
    metals = [{**row, "source": "all", "pbe_gap_ev": 0.0, "hse_gap_ev": 0.0} for row in rows(CATIONS, seed=9)]
    gapped = [{**row, "source": "gapped"} for row in rows(CATIONS, seed=10)]
    learn = [write(tmp_path / "known.jsonl.gz", [*metals, *gapped])]
    files, out = [write(tmp_path / "pbe.jsonl.gz", metals[:5])], tmp_path / "out.jsonl.gz"
    assert transfer(files, out, learn=learn, source="gapped").invented == 5
    assert np.mean([row["hse_gap_ev"] for row in read(out)]) > 0.5
    assert transfer(files, out, learn=learn, source="all").invented == 0
    assert np.mean([row["hse_gap_ev"] for row in read(out)]) < 0.1
    done = run_here("transfer", *files, "--learn", *learn, "--source", "gapped", "-o", out, cwd=tmp_path)
    assert done.status == 0
    assert "follow a source that has metals" in done.stderr


def test_no_estimate_is_negative(tmp_path):
    falling = [{**row, "hse_gap_ev": 0.0} for row in rows(CATIONS, seed=3)]
    files = [write(tmp_path / "pbe.jsonl.gz", [{"id": "metal", "formula": "LiTe", "cif": "", "pbe_gap_ev": 0.0}])]
    out = tmp_path / "out.jsonl.gz"
    transfer(files, out, learn=[write(tmp_path / "known.jsonl.gz", falling)])
    assert [row["hse_gap_ev"] for row in read(out)] == [0]


def test_features_of_a_composition():
    features = composition_features("Al2O3")
    assert features.shape == (148,)
    assert features[12] == pytest.approx(0.4)
    assert features[7] == pytest.approx(0.6)
    assert features[:118].sum() == pytest.approx(1)
    # Means, largest, smallest, mean deviation, most frequent: of the atomic number first.
    assert features[118::6] == pytest.approx([10, 13, 8, 2.4, 8])
    assert np.isnan(composition_features("He")[121])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("formula"), "row 1 has no formula"),
        (lambda row: row.update(formula="Xx2"), "Xx2"),
    ],
)
def test_damaged_rows_are_named(tmp_path, known, change, said):
    row = rows({"K": 1}, seed=4)[0]
    change(row)
    out = tmp_path / "out.jsonl.gz"
    with pytest.raises(DataError, match=said):
        transfer([write(tmp_path / "damaged.jsonl.gz", [row])], out, learn=[known])
    assert not out.exists()


def test_what_cannot_be_learned_from_is_said(tmp_path, known):
    few = write(tmp_path / "few.jsonl.gz", rows({"K": 1}, seed=5))
    with pytest.raises(DataError, match="8 rows have both pbe_gap_ev and hse_gap_ev; at least 20"):
        transfer([few], tmp_path / "out.jsonl.gz", learn=[few])
    with pytest.raises(DataError, match="'elsewhere'; there are: here"):
        transfer([few], tmp_path / "out.jsonl.gz", learn=[known], source="elsewhere")


def test_the_command_says_what_it_did(tmp_path, known):
    files = write(tmp_path / "pbe.jsonl.gz", rows({"K": 1}, seed=6))
    out = tmp_path / "out.jsonl.gz"
    done = run_here("transfer", files, "--learn", known, "--measure", files, "-o", out, cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "8 rows with an estimated hse_gap_ev, learned from 88" in done.stderr
    assert "mean absolute error on 8 other crystals" in done.stderr
    missing = run_here("transfer", tmp_path / "none.jsonl", "--learn", known, "-o", out, cwd=tmp_path)
    assert missing.status == 1
    assert missing.stderr.startswith("hsegap: ")
    assert "none.jsonl does not exist" in missing.stderr


def test_on_real_gaps_the_error_falls_to_a_third(tmp_path):
    folder = SHARED / "data" / "hse"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/hse, which is not beside this repository")
    val = [folder / "val.jsonl.gz"]
    done = transfer(val, tmp_path / "out.jsonl.gz", learn=[folder / "train.jsonl.gz"], measure=val, source="snumat")
    assert done.mae < done.mae_of_cheap / 3
