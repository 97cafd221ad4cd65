"""Two fidelities, stated facts and a teacher: what each changes about rows, batches and losses."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math

import numpy as np
import pytest
import torch

from hsegap.models import collate
from hsegap.training.augment import scaled, stated_facts
from hsegap.training.data import read_jsonl
from hsegap.training.dataset import SMALL, CrystalDataset, TextVectors
from hsegap.training.errors import DataError
from hsegap.training.metrics import score_of
from hsegap.training.objective import weighted_loss
from hsegap.training.options import OptionsError, options_from
from hsegap.training.teacher import TeacherFeatures, TeacherHead
from support.networks import TOLD, random_network, some_crystals, some_graphs


def written(path, rows):
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)
    return str(path)


@pytest.fixture
def files(tmp_path):
    """An HSE file and a PBE file that share an id, and have rows without one of the two gaps."""
    hse = [
        {"id": "both", "cif": "one", "hse_gap_ev": 2.0, "pbe_gap_ev": 1.0, "label_confidence": "medium"},
        {"id": "hse only", "cif": "two", "hse_gap_ev": 3.0, "pbe_gap_ev": None},
    ]
    pbe = [
        {"id": "both", "cif": "one again", "pbe_gap_ev": 1.0},
        {"id": "pbe only", "cif": "three", "pbe_gap_ev": 0.0},
        {"id": "neither", "cif": "four"},
    ]
    return f"{written(tmp_path / 'hse.jsonl.gz', hse)},{written(tmp_path / 'pbe.jsonl.gz', pbe)}"


def test_rows_of_two_files_are_joined_by_id(files):
    skipped = []
    rows = read_jsonl(files, target="hse_gap_ev", weights={"medium": 0.7}, skipped=skipped, joint=True)
    assert [row.id for row in rows] == ["both", "hse only", "pbe only"]
    assert [row.structure for row in rows] == ["one", "two", "three"]
    assert [row.pbe_gap for row in rows] == [1.0, None, 0.0]
    assert [row.target for row in rows[:2]] == [2.0, 3.0]
    assert math.isnan(rows[2].target)
    assert skipped == [("neither", "no hse_gap_ev")]
    backwards = read_jsonl(",".join(reversed(files.split(","))), target="hse_gap_ev", joint=True)
    assert {row.id: row.structure for row in backwards}["both"] == "one", (
        "the row with the target, whatever the order of the files"
    )
    assert [row.id for row in read_jsonl(files, target="hse_gap_ev")] == ["both", "hse only"]


def dataset(*, targets, pbe_gaps):
    """The five crystals of tests/support/networks.py as rows in memory."""
    from hsegap.training.data import Row

    graphs = some_graphs()

    class Store:
        def __init__(self):
            self.failures = {}

        def sizes(self, kind="lines"):
            return np.array([len(graph.atomic_numbers if kind == "atoms" else graph.line_src) for graph in graphs])

        def __getitem__(self, index):
            return graphs[index]

    rows = [
        Row(f"c{n}", "", target, None, pbe_gap=pbe)
        for n, (target, pbe) in enumerate(zip(targets, pbe_gaps, strict=True))
    ]
    return CrystalDataset(rows, Store(), TextVectors([], np.full(len(rows), -1), np.zeros((1, 10), dtype=np.float32)))


NAN = float("nan")


@pytest.fixture
def rows():
    return dataset(targets=[2.0, NAN, 1.5, NAN, 0.0], pbe_gaps=[1.0, 0.0, None, 3.0, 0.5])


def test_a_row_without_a_gap_has_no_weight_in_its_loss(rows):
    batch = rows.batch(np.arange(5))
    assert batch.weight.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert batch.pbe_known.tolist() == [True, True, False, True, True]
    assert torch.isfinite(batch.target).all()
    assert torch.isfinite(batch.pbe_gap).all()
    assert rows.known().tolist() == [0, 2, 4]


def test_rows_with_the_target_and_small_crystals_are_drawn_more_often(rows):
    times = np.bincount(rows.draws(repeat=3, repeat_small=2))
    small = np.array([len(crystal.atomic_numbers) <= SMALL for crystal in some_crystals()])
    often = np.array([3, 1, 3, 1, 3])
    assert times.tolist() == np.where(small & (often > 1), 2 * often, often).tolist()
    assert rows.draws().tolist() == [0, 1, 2, 3, 4]


def test_pure_elements_are_drawn_more_often_estimates_too(rows):
    rows.rows[2] = dataclasses.replace(rows.rows[2], estimated=True)
    pure = np.array([len(set(crystal.atomic_numbers.tolist())) == 1 for crystal in some_crystals()])
    assert 0 < pure.sum() < 5
    times = np.bincount(rows.draws(repeat=3, repeat_elements=4))
    assert times.tolist() == (np.where(pure, 4, 1) * [3, 1, 1, 1, 3]).tolist()


def test_estimated_gaps_are_not_drawn_more_often(rows):
    rows.rows[2] = dataclasses.replace(rows.rows[2], estimated=True)
    assert np.bincount(rows.draws(repeat=3)).tolist() == [3, 1, 1, 1, 3]


def test_facts_are_stated_as_users_state_them(rows):
    config = random_network(**TOLD).config
    batch = rows.batch(np.repeat(np.arange(5), 4000))
    torch.manual_seed(0)
    values, known = stated_facts(batch, config, dropout=0.25, jitter=0.1, wrong=0.0)
    stated = known[:, 0]
    assert not stated[~batch.pbe_known].any()
    assert float(stated[batch.pbe_known].float().mean()) == pytest.approx(0.75, abs=0.02)
    zero = batch.pbe_known & (batch.pbe_gap == 0)
    assert not values[zero].any(), "no gap stays no gap"
    noise = (values[:, 0] - batch.pbe_gap)[batch.pbe_known & (batch.pbe_gap > 0.9)]
    assert float(noise.std()) == pytest.approx(0.1, rel=0.05)
    assert float(values.min()) >= 0
    plain, all_known = stated_facts(batch, config, dropout=0.0, jitter=0.0, wrong=0.0)
    assert torch.equal(plain[:, 0], batch.pbe_gap)
    assert torch.equal(all_known[:, 0], batch.pbe_known)
    other, _ = stated_facts(batch, config, dropout=0.0, jitter=0.0, wrong=0.2)
    wrong = float((other[:, 0] != batch.pbe_gap).float().mean())
    assert 0.05 < wrong < 0.2, "some are another crystal's, and never that of a crystal whose gap is not known"


def test_lattices_change_crystal_by_crystal(rows):
    batch = rows.batch(np.arange(5))
    graph = batch.graph
    torch.manual_seed(1)
    moved = scaled(batch, 0.01)
    larger = moved.graph
    assert torch.equal(moved.target, batch.target)
    ratio = (larger.r / graph.r)[graph.r.abs() > 1e-6]
    crystal = graph.atom_crystal[graph.src][:, None].expand(-1, 3)[graph.r.abs() > 1e-6]
    factors = [ratio[crystal == index] for index in range(5)]
    assert all(float(part.max() - part.min()) < 1e-5 for part in factors)
    assert len({round(float(part[0]), 6) for part in factors}) == 5


def test_gaps_change_with_the_lattice_and_none_opens_or_falls_below_zero(rows):
    batch = rows.batch(np.arange(5))
    batch = batch._replace(target=torch.tensor([2.0, 0.0, 3.0, 0.01, 5.0]), pbe_gap=torch.tensor([1.0, 0.0, 0, 2, 3]))
    torch.manual_seed(1)
    moved = scaled(batch, 0.01, -12.0)
    first = moved.graph.r.norm(dim=1) / batch.graph.r.norm(dim=1) - 1
    strain = torch.stack([first[batch.graph.atom_crystal[batch.graph.src] == crystal][0] for crystal in range(5)])
    assert len({round(float(part), 5) for part in strain}) == 5
    for name in ("target", "pbe_gap"):
        gap = getattr(batch, name)
        expected = torch.where(gap > 0, (gap - 12.0 * strain).clamp_min(0.0), gap)
        torch.testing.assert_close(getattr(moved, name), expected, atol=1e-5, rtol=1e-5)


def test_below_zero_is_right_where_there_is_no_gap():
    answer, target, weight = torch.tensor([-3.0, -0.5, 0.4, -1.0]), torch.tensor([0.0, 0.0, 0.0, 2.0]), torch.ones(4)
    plain = weighted_loss(answer, target, weight, options_from({"loss": "mae"}))
    censored = weighted_loss(answer, target, weight, options_from({"loss": "mae", "censored": True}))
    assert float(plain) == pytest.approx((3 + 0.5 + 0.4 + 3) / 4)
    assert float(censored) == pytest.approx((0.4 + 3) / 4)
    assert float(weighted_loss(answer, target, torch.zeros(4), options_from({}))) == 0.0


def test_epochs_are_chosen_by_the_errors_without_and_with_facts():
    entry = {"val_mae": 9.0, "val_mae_without_text": 0.4, "val_mae_known": 0.2}
    assert score_of(entry, classification=False) == pytest.approx(0.3)
    assert score_of({"val_mae": 0.7, "val_mae_without_text": 0.4}, classification=False) == 0.7
    assert score_of({"val_mae": NAN, "val_mae_without_text": 0.4}, classification=False) == math.inf


def teacher_file(folder, rows, *, spoil=()):
    """Features of some rows as ``hsegap teacher`` writes them: row 3 is missing."""
    folder.mkdir()
    numbers = [rows.atomic_numbers(n) for n in (4, 0, 1, 2)]
    random = np.random.default_rng(0)
    atoms = np.concatenate([part[::-1] if n in spoil else part for n, part in zip((4, 0, 1, 2), numbers, strict=True)])
    np.savez(
        folder / "00000.npz",
        ids=np.array(["c4", "c0", "c1", "c2"]),
        first=np.cumsum([0, *map(len, numbers)]),
        numbers=atoms.astype(np.int16),
        features=random.normal(5.0, 2.0, (len(atoms), 3)).astype(np.float16),
        moments=random.random(len(atoms)).astype(np.float16),
    )
    return folder


def test_teacher_features_follow_the_rows(rows, tmp_path):
    teacher = TeacherFeatures.open(teacher_file(tmp_path / "teacher", rows, spoil=(4,)), rows)
    assert (teacher.width, teacher.covered) == (4, 3)
    order = np.array([2, 3, 4, 0])
    targets, known = teacher.batch(order, rows.n_atoms[order])
    sizes = rows.n_atoms[order]
    assert targets.shape == (int(sizes.sum()), 4)
    assert known.tolist() == np.repeat([True, False, False, True], sizes).tolist(), (
        "one has none, one has its atoms in another order"
    )
    alone, _ = teacher.batch(np.array([0]), rows.n_atoms[:1])
    assert torch.equal(targets[-int(sizes[-1]) :], alone)
    with pytest.raises(DataError, match="there are no features in"):
        TeacherFeatures.open(tmp_path, rows)


def test_the_teachers_loss_reaches_the_atoms_that_have_features(rows, tmp_path):
    teacher = TeacherFeatures.open(teacher_file(tmp_path / "teacher", rows), rows)
    network = random_network(**TOLD)
    order = np.arange(5)
    targets, known = teacher.batch(order, rows.n_atoms)
    output = network(
        collate(some_graphs(), for_training=True), torch.zeros(5, 1, 10), None, torch.zeros(5, dtype=torch.bool)
    )
    atoms = output.structure_atoms.detach().requires_grad_()
    TeacherHead(network.config.hidden_features, teacher).loss(atoms, targets, known).backward()
    assert (atoms.grad.abs().sum(dim=1) > 0).tolist() == known.tolist()


def test_options_that_do_not_fit():
    with pytest.raises(OptionsError, match="classification has one head"):
        options_from({"classification": True, "pbe_head": "base"})
    options = options_from(
        {
            "facts": "pbe_gap_ev",
            "use_middle_fusion": True,
            "middle_fusion_layers": "",
            "middle_fusion_gcn_layers": "1",
            "gcn_layers": 2,
        }
    )
    config = options.fusion_config(text_features=8)
    assert (config.facts, config.fusion_layers) == (("pbe_gap_ev",), (5,))
