"""A run that is killed with SIGKILL and resumed gives the numbers of one that ran through, to the last digit."""

from __future__ import annotations

import json
import random
import time

import pytest
import torch

from support.killed_runs import finish, start
from support.small_data import textbook, write_jarvis

FILES = ("history.json", "test_metrics.json", "prediction_results_test_set.csv", "prediction_results_holdout.csv")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Options of a small run with every kind of randomness (dropout, text dropout, shuffled batches)
    and of memory (averaged weights).
    """
    root = tmp_path_factory.mktemp("data")
    return {
        "root_dir": str(write_jarvis(root)),
        "property": "gap",
        "cache_dir": str(root / "cache"),
        "epochs": 3,
        "batch_size": 7,
        "hidden_features": 12,
        "embedding_features": 8,
        "alignn_layers": 2,
        "gcn_layers": 1,
        "graph_dropout": 0.1,
        "coordinate_noise": 0.02,
        "text_dropout": 0.4,
        "learning_rate": 0.01,
        "use_middle_fusion": True,
        "use_improved_middle_fusion": True,
        "middle_fusion_layers": "1",
        "middle_fusion_hidden_dim": 16,
        "middle_fusion_use_learnable_scale": True,
        "use_cross_modal": False,
        "late_fusion_type": "gated",
        "n_train": 16,
        "n_val": 4,
        "n_test": 4,
        "checkpoint_steps": 1,
        "text_encoder": "tiny",
        "ema_decay": 0.9,
        "holdout": "0/4",
    }


@pytest.fixture(scope="module")
def uninterrupted(base, tiny_encoder, tmp_path_factory):
    """Folder of a run that nobody killed."""
    out = tmp_path_factory.mktemp("uninterrupted")
    assert finish({**base, "output_dir": str(out)}, tiny_encoder) == 0
    return out / "gap"


def assert_same(folder, reference):
    for name in FILES:
        assert (folder / name).read_text() == (reference / name).read_text(), name
    for name in ("best_model.pt", "last_checkpoint.pt"):
        one, other = (torch.load(place / name, weights_only=True) for place in (folder, reference))
        assert one.keys() == other.keys()
        assert one["model"].keys() == other["model"].keys()
        assert all(torch.equal(one["model"][key], other["model"][key]) for key in one["model"]), name
        averages = one.get("average", {"model": {}})["model"]
        assert all(torch.equal(value, other["average"]["model"][key]) for key, value in averages.items()), name
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")], "half-written files are left"


def test_the_run_itself(uninterrupted):
    history = json.loads((uninterrupted / "history.json").read_text())
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert all(entry["val_mae_without_text"] > 0 for entry in history)
    assert len(json.loads((uninterrupted / "timings.json").read_text())["seconds_per_epoch"]) == 3


def test_two_runs_are_the_same(base, uninterrupted, tiny_encoder, tmp_path):
    assert finish({**base, "output_dir": str(tmp_path)}, tiny_encoder) == 0
    assert_same(tmp_path / "gap", uninterrupted)


def test_killed_again_and_again_at_random_moments(base, uninterrupted, tiny_encoder, tmp_path):
    values = {**base, "output_dir": str(tmp_path), "resume": True}
    last = tmp_path / "gap" / "last_checkpoint.pt"
    clock, kills = random.Random(7), 0
    for _ in range(5):
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = start(values, tiny_encoder)
        deadline = time.monotonic() + 120
        while process.is_alive() and time.monotonic() < deadline:
            if last.exists() and last.stat().st_mtime_ns != before:
                time.sleep(clock.uniform(0, 0.05))
                break
            time.sleep(0.002)
        process.kill()
        process.join()
        kills += process.exitcode == -9
        if process.exitcode == 0:
            break
    assert kills >= 2, "nothing was interrupted"
    assert finish(values, tiny_encoder) == 0
    assert_same(tmp_path / "gap", uninterrupted)


@pytest.mark.parametrize(
    "die_at",
    [
        ("half-written checkpoint", 0),
        ("half-written checkpoint", 5),
        ("before a rename", 5),
        ("after a rename", 3),
        ("between best and last", 0),
        ("before the history", 2),
    ],
    ids=str,
)
def test_killed_at_the_worst_moments(base, uninterrupted, tiny_encoder, tmp_path, die_at):
    values = {**base, "output_dir": str(tmp_path)}
    assert finish(values, tiny_encoder, die_at) == -9
    assert finish({**values, "resume": True}, tiny_encoder) == 0
    assert_same(tmp_path / "gap", uninterrupted)


def test_a_checkpoint_on_disk_is_whole_whenever_it_is_looked_at(base, uninterrupted, tiny_encoder, tmp_path):
    process = start({**base, "output_dir": str(tmp_path)}, tiny_encoder)
    seen = 0
    while process.is_alive():
        for name in ("last_checkpoint.pt", "best_model.pt"):
            path = tmp_path / "gap" / name
            if path.exists():
                assert torch.load(path, weights_only=True)["model"].keys()
                seen += 1
    process.join()
    assert process.exitcode == 0
    assert seen > 3


def test_resuming_a_finished_run_changes_nothing(base, uninterrupted, tiny_encoder, tmp_path):
    values = {**base, "output_dir": str(tmp_path)}
    assert finish(values, tiny_encoder) == 0
    (tmp_path / "gap" / "history.json").unlink()
    assert finish({**values, "resume": True}, tiny_encoder) == 0
    assert_same(tmp_path / "gap", uninterrupted)


@pytest.mark.parametrize("change", [{"num_workers": 2}, {"checkpoint_steps": 3}])
def test_options_that_do_not_change_the_numbers_may_change(base, uninterrupted, tiny_encoder, tmp_path, change):
    values = {**base, "output_dir": str(tmp_path)}
    assert finish(values, tiny_encoder, ("before a rename", 5)) == -9
    assert finish({**values, **change, "resume": True}, tiny_encoder) == 0
    assert_same(tmp_path / "gap", uninterrupted)


def run_here(values, encoder, lines):
    from hsegap.text import TextEncoder
    from hsegap.training.options import options_from
    from hsegap.training.run import run_training

    return run_training(
        options_from(values), load_encoder=lambda _options: TextEncoder.load(encoder), report=lines.append
    )


def test_changed_options_are_refused_by_name(base, tiny_encoder, tmp_path):
    from hsegap.training.options import OptionsError

    values = {**base, "output_dir": str(tmp_path)}
    assert finish(values, tiny_encoder, ("before a rename", 5)) == -9
    changed = {**values, "resume": True, "learning_rate": 0.5, "hidden_features": 16}
    with pytest.raises(OptionsError) as error:
        run_here(changed, tiny_encoder, [])
    assert "--learning_rate was 0.01, is 0.5" in str(error.value)
    assert "--hidden_features was 12, is 16" in str(error.value)
    assert "--resume 0" in str(error.value)
    assert "epochs" not in str(error.value)


def test_changed_rows_are_refused(base, tiny_encoder, tmp_path):
    from hsegap.training.data import DataError

    samples = textbook()
    values = {**base, "output_dir": str(tmp_path / "out"), "root_dir": str(write_jarvis(tmp_path, samples=samples))}
    assert finish(values, tiny_encoder, ("before a rename", 5)) == -9
    write_jarvis(tmp_path, samples=[sample._replace(target=sample.target + 1) for sample in samples])
    with pytest.raises(DataError, match="the rows are not those"):
        run_here({**values, "resume": True}, tiny_encoder, [])


def test_nothing_to_resume_starts_from_the_beginning_and_a_new_run_forgets_the_old(
    base, uninterrupted, tiny_encoder, tmp_path
):
    out = {**base, "output_dir": str(tmp_path)}
    assert finish({**out, "resume": True}, tiny_encoder) == 0
    assert_same(tmp_path / "gap", uninterrupted)
    # A new run with other options, killed before its first checkpoint: what lies there is not its own.
    other = {**out, "learning_rate": 0.002}
    assert finish(other, tiny_encoder, ("half-written checkpoint", 0)) == -9
    lines = []
    run_here({**other, "resume": True}, tiny_encoder, lines)
    assert not any("resumed" in line or "already" in line for line in lines)
