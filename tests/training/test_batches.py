"""Batches of equal work, text vectors in them, and caches that are keyed by content."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.structures import build_graph, read
from hsegap.text import TextEncoder, VectorCache
from hsegap.training.data import Row
from hsegap.training.dataset import CrystalDataset, TextVectors, epoch_plan, in_order
from hsegap.training.graphs import graph_store
from hsegap.training.run import facts
from support.networks import random_network, some_graphs
from support.small_data import cif_text, textbook

SETTINGS = {"flavour": "symmetric", "cutoff": 8.0, "max_neighbors": 12}


def rows_of(samples, *, described=True):
    return [Row(s.id, cif_text(s.crystal), s.target, s.description if described else None) for s in samples]


@pytest.mark.parametrize(("n", "size"), [(100, 16), (17, 16), (16, 16), (3, 64), (65, 64), (1, 4), (741, 64)])
def test_a_plan_deals_every_row_once_into_batches_of_about_the_size(n, size):
    sizes = np.random.default_rng(0).integers(10, 10_000, n)
    plan = epoch_plan(sizes, size, seed=1, epoch=0)
    assert sorted(np.concatenate(plan).tolist()) == list(range(n))
    assert max(map(len, plan)) <= size * 1.5
    assert max(map(len, plan)) - min(map(len, plan)) <= 1
    assert n == 1 or min(map(len, plan)) > 1


def test_batches_of_an_epoch_hold_about_the_same_work():
    sizes = np.random.default_rng(0).lognormal(7, 1.2, 3000).astype(int)
    work = np.array([sizes[batch].sum() for batch in epoch_plan(sizes, 64, seed=1, epoch=0)])
    shuffled = np.random.default_rng(1).permutation(sizes)
    by_chance = np.array([shuffled[start : start + 64].sum() for start in range(0, 3000, 64)][:-1])
    assert work.std() / work.mean() < 0.6 * by_chance.std() / by_chance.mean()


def test_without_its_line_graph_a_batch_is_the_same_to_a_network_without_angles(tmp_path):
    samples = textbook(4)
    rows, store = rows_of(samples), graph_store(rows_of(samples), cache_dir=tmp_path, **SETTINGS)
    texts = TextVectors([], np.full(4, -1), np.zeros((1, 10), dtype=np.float32))
    whole, bare = (CrystalDataset(rows, store, texts, line_graph=kept).batch(np.arange(4)) for kept in (True, False))
    assert len(whole.graph.line_src) > 0
    assert len(bare.graph.line_src) == 0
    network = random_network(alignn_layers=0, gcn_layers=3, bond_readout=True)
    with torch.no_grad():
        answers = [network(batch.graph, batch.tokens, batch.mask, batch.has_text).gap for batch in (whole, bare)]
    assert torch.equal(*answers)


def test_plans_follow_seed_and_epoch():
    sizes = np.arange(1, 200)

    def flat(seed, epoch):
        return np.concatenate(epoch_plan(sizes, 16, seed=seed, epoch=epoch)).tolist()

    assert flat(1, 0) == flat(1, 0)
    assert len({tuple(flat(seed, epoch)) for seed in (1, 2) for epoch in (0, 1, 2)}) == 6


def test_evaluation_goes_in_order():
    assert [batch.tolist() for batch in in_order(5, 2)] == [[0, 1], [2, 3], [4]]


def test_graphs_are_built_once_and_found_by_content_and_settings(tmp_path, monkeypatch):
    rows = rows_of(textbook(5))
    store = graph_store(rows, cache_dir=tmp_path, **SETTINGS)
    folders = list((tmp_path / "graphs").iterdir())
    assert len(folders) == 1
    for index, row in enumerate(rows):
        wanted = build_graph(read(row.structure))
        got = store[index]
        for name in ("atomic_numbers", "src", "dst", "r", "line_src", "line_dst"):
            np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name))

    with monkeypatch.context() as patch:
        patch.setattr("hsegap.training.graphs._build", lambda *_a, **_k: pytest.fail("built again"))
        again = graph_store(rows, cache_dir=tmp_path, **SETTINGS)
        assert np.array_equal(again.sizes(), store.sizes())
        # Ids and targets are not part of a graph.
        graph_store([Row("other", row.structure, 9.0, None) for row in rows], cache_dir=tmp_path, **SETTINGS)
    for changed in ({"flavour": "jarvis"}, {"max_neighbors": 8}):
        graph_store(rows, cache_dir=tmp_path, **{**SETTINGS, **changed})
    graph_store(rows[:4], cache_dir=tmp_path, **SETTINGS)
    assert len(list((tmp_path / "graphs").iterdir())) == 4


def test_unreadable_structures_are_failures_with_reasons_not_rows(tmp_path, tiny_encoder):
    rows = rows_of(textbook(4))
    rows[1] = Row("broken", "this is no CIF", 1.0, "text")
    with VectorCache(tmp_path / "text") as cache:
        dataset = CrystalDataset.prepare(
            rows,
            TextEncoder.load(tiny_encoder),
            vectors=cache,
            cache_dir=str(tmp_path),
            all_tokens=False,
            label="x",
            **SETTINGS,
        )
    assert [row.id for row in dataset.rows] == ["sample-0", "sample-2", "sample-3"]
    assert dataset.failures[0][0] == "broken"
    assert dataset.failures[0][1]
    batch = dataset.batch(np.array([1, 2]))
    assert batch.target.tolist() == pytest.approx([rows[2].target, rows[3].target])


def test_what_is_only_estimated_is_not_known(tmp_path, tiny_encoder):
    """An artifact warns of elements that no known crystal had, whatever else the network was shown."""
    rows = rows_of(textbook(4))
    encoder = TextEncoder.load(tiny_encoder)
    rows.append(Row("estimated", "uranium\n2.8\n1 0 0\n0 1 0\n0 0 1\nU\n1\nDirect\n0 0 0\n", 0.0, None, estimated=True))
    with VectorCache(tmp_path / "text") as cache:
        dataset = CrystalDataset.prepare(
            rows, encoder, vectors=cache, cache_dir=str(tmp_path), all_tokens=False, label="x", **SETTINGS
        )
    said = facts(dataset, encoder)
    assert (said["n_rows"], said["n_estimated"]) == (4, 1)
    assert "U" not in said["elements"]
    assert said["mean_target"] == pytest.approx(np.mean([row.target for row in rows[:4]]))


def test_large_line_graphs_can_be_left_out(tmp_path, tiny_encoder):
    rows = rows_of(textbook(4))
    with VectorCache(tmp_path / "text") as cache:
        shared = {"vectors": cache, "cache_dir": str(tmp_path), "all_tokens": False, "label": "x", **SETTINGS}
        whole = CrystalDataset.prepare(rows, TextEncoder.load(tiny_encoder), **shared)
        limit = int(np.sort(whole.sizes)[-2])
        some = CrystalDataset.prepare(rows, TextEncoder.load(tiny_encoder), max_line_edges=limit, **shared)
    assert len(some) == 3
    assert "line-graph edges" in some.failures[0][1]


@pytest.mark.parametrize("all_tokens", [False, True])
def test_text_vectors_are_those_of_the_encoder_that_serves(tmp_path, tiny_encoder, all_tokens):
    encoder = TextEncoder.load(tiny_encoder)
    texts = ["GaAs is Zincblende structured.", None, "NaCl", "GaAs is Zincblende structured."]
    with VectorCache(tmp_path) as cache:
        vectors = TextVectors.encode(texts, encoder, cache=cache, all_tokens=all_tokens)
    assert len(vectors.vectors) == 2, "an equal text is held once"
    tokens, mask, present = vectors.batch(np.arange(4))
    assert present.tolist() == [True, False, True, True]
    for row, text in enumerate(texts):
        wanted = encoder.encode(text or "")
        wanted = wanted if all_tokens else wanted[:1]
        np.testing.assert_array_equal(tokens[row, : len(wanted)], wanted)
        assert mask[row].tolist() == [1] * len(wanted) + [0] * (mask.shape[1] - len(wanted))
        assert not tokens[row, len(wanted) :].any()


def test_hidden_texts_become_the_empty_text(tmp_path, tiny_encoder):
    encoder = TextEncoder.load(tiny_encoder)
    rows = rows_of(textbook(3))
    with VectorCache(tmp_path / "text") as cache:
        dataset = CrystalDataset.prepare(
            rows, encoder, vectors=cache, cache_dir=str(tmp_path), all_tokens=True, label="x", **SETTINGS
        )
    batch = dataset.batch(np.arange(3))
    tokens, mask, present = dataset.hidden_texts(batch.tokens, batch.mask, torch.tensor([False, True, False]))
    empty = encoder.encode("")
    assert present.tolist() == [True, False, True]
    assert torch.equal(tokens[0], batch.tokens[0])
    np.testing.assert_array_equal(tokens[1, : len(empty)], empty)
    assert mask[1].sum() == len(empty)
    assert mask.any(dim=1).all(), "never an all-zero mask"


def test_graphs_in_a_batch_carry_plans():
    from hsegap.models import collate

    batch = collate(some_graphs(), for_training=True)
    assert batch.graph_plan is not None
    assert batch.to("cpu").line_plan is not None
    assert collate(some_graphs()).graph_plan is None


def test_graphs_are_built_by_processes_beside_a_discarded_text_encoder(tmp_path, monkeypatch):
    """A copy of this process that collected the encoder's ONNX Runtime session would wait
    for threads that it does not have.
    """
    import gc

    import onnxruntime

    from hsegap.artifact.artifact import default_artifact

    rows = rows_of(textbook(6))
    alone = graph_store(rows, cache_dir=tmp_path / "alone", **SETTINGS)
    monkeypatch.setattr("hsegap.training.graphs.WORTH_PROCESSES", 1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    gc.disable()
    try:
        ring: list[object] = [onnxruntime.InferenceSession(default_artifact() / "network.onnx", options)]
        ring.append(ring)
        del ring
        store = graph_store(rows, cache_dir=tmp_path / "many", **SETTINGS)
    finally:
        gc.enable()
    assert np.array_equal(store.sizes(), alone.sizes())
    assert np.array_equal(store[3].r, alone[3].r)
