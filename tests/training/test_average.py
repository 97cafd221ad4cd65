"""Averaged weights, rows held out, and the half of the validation rows that selects."""

from __future__ import annotations

import csv
import json

import pytest
import torch

from hsegap.models import read_checkpoint
from hsegap.structures.subsets import fold_of, in_second_half
from hsegap.text import TextEncoder
from hsegap.training.average import WeightAverage, average_weights
from hsegap.training.data import load_splits
from hsegap.training.options import OptionsError, options_from
from hsegap.training.run import run_training
from support.networks import random_network
from support.small_data import small_training

pytestmark = pytest.mark.usefixtures("one_thread")


def small(root, **values):
    return {**small_training(root, root / "runs"), **values}


def test_the_average_follows_the_weights():
    network = random_network()
    average = WeightAverage(network, 0.5)
    name, weight = next(iter(network.named_parameters()))
    start = weight.detach().clone()
    with torch.no_grad():
        weight += 1.0
    average.update(network)
    # One step: the memory is (1 + 1) / (10 + 1), shorter than 0.5, so the start is soon forgotten.
    torch.testing.assert_close(dict(average.network.named_parameters())[name], start + 9 / 11)
    for _ in range(60):
        average.update(network)
    torch.testing.assert_close(dict(average.network.named_parameters())[name], start + 1.0)
    assert not average.network.training


def test_the_average_is_what_is_validated_and_kept(root, tiny_encoder, tmp_path):
    def train(decay):
        options = options_from(small(root, output_dir=str(tmp_path / str(decay)), ema_decay=decay, epochs=1))
        return run_training(
            options, load_encoder=lambda _options: TextEncoder.load(tiny_encoder), report=lambda _line: None
        )

    plain, averaged = train(0.0), train(0.98)
    # Averaging changes what is kept, not how the network is trained.
    one, other = (json.loads((folder / "history.json").read_text()) for folder in (plain, averaged))
    assert [entry["train_loss"] for entry in one] == [entry["train_loss"] for entry in other]
    assert one[-1]["val_mae"] != other[-1]["val_mae"]
    last = torch.load(averaged / "last_checkpoint.pt", weights_only=True)
    kept = read_checkpoint(averaged / "best_model.pt").network.state_dict()
    # After one epoch, which is the best so far: what is kept is its average.
    assert all(torch.equal(kept[key], value) for key, value in last["average"]["model"].items())
    assert any(not torch.equal(kept[key], value) for key, value in last["model"].items())


def test_weights_of_several_runs():
    networks = [random_network(seed=seed) for seed in (0, 1)]
    mean = average_weights([network.state_dict() for network in networks])
    name, weight = next(iter(networks[0].named_parameters()))
    torch.testing.assert_close(mean[name], (weight + dict(networks[1].named_parameters())[name]).detach() / 2)
    counters = [key for key, value in mean.items() if not value.is_floating_point()]
    assert counters
    assert all(mean[key].dtype == networks[0].state_dict()[key].dtype for key in counters)
    wider = networks[1].state_dict() | {name: torch.zeros(3, 3)}
    with pytest.raises(ValueError, match=name):
        average_weights([networks[0].state_dict(), wider])


def test_a_fold_is_held_out_and_predicted(root, tiny_encoder, tmp_path):
    whole = {row.id for row in load_splits(options_from(small(root))).train}
    options = options_from(small(root, holdout="1/3", output_dir=str(tmp_path)))
    splits = load_splits(options)
    assert {row.id for row in splits.train} | {row.id for row in splits.holdout} == whole
    assert {row.id for row in splits.holdout} == {name for name in whole if fold_of(name, 3) == 1}
    folder = run_training(
        options, load_encoder=lambda _options: TextEncoder.load(tiny_encoder), report=lambda _line: None
    )
    with (folder / "prediction_results_holdout.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["id"] for row in rows} == {row.id for row in splits.holdout}
    assert {"target", "prediction", "prediction_without_text"} <= rows[0].keys()
    assert json.loads((folder / "holdout_metrics.json").read_text())["holdout"]["mae"] > 0


@pytest.mark.parametrize("holdout", ["3/3", "1", "a/b", "0/1", "-1/3"])
def test_a_fold_that_is_none_is_refused(holdout):
    with pytest.raises(OptionsError, match="holdout"):
        options_from({"holdout": holdout})


def test_halves_of_the_validation_rows(root):
    halves = [
        load_splits(options_from(small(root, n_train=8, n_val=12, val_half=half))).val
        for half in ("both", "first", "second")
    ]
    names = [{row.id for row in half} for half in halves]
    assert names[1] | names[2] == names[0]
    assert names[1]
    assert names[2]
    assert not any(in_second_half(name) for name in names[1])
    assert all(in_second_half(name) for name in names[2])
