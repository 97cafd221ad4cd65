"""Recipes of several steps: what is finished is kept, what was interrupted goes on,
a mistake is said before anything starts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
import torch
import yaml

from hsegap.models import read_checkpoint
from hsegap.training.options import OptionsError
from hsegap.training.pipeline import read_recipe, run_recipe
from support.commands import COMMAND, run_here
from support.processes import WATCHED, until
from support.small_data import write_jarvis

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def recipe(tmp_path, tiny_encoder):
    """A small copy of the shipped recipe's shape: pretraining, fine-tuning of two folds, their mean."""
    root = write_jarvis(tmp_path / "data")
    common = {
        "root_dir": str(root),
        "property": "gap",
        "cache_dir": str(tmp_path / "cache"),
        "text_encoder": str(tiny_encoder),
        "n_train": 12,
        "n_val": 4,
        "n_test": 2,
        "batch_size": 4,
        "hidden_features": 12,
        "embedding_features": 8,
        "alignn_layers": 1,
        "gcn_layers": 1,
        "cross_modal_hidden_dim": 8,
        "threads": 1,
        "checkpoint_steps": 1,
    }

    def folder(name):
        return str(tmp_path / "runs" / name)

    start = f"{folder('pretrain')}/gap/best_model.pt"
    steps = [{"name": "pretrain", "train": {"output_dir": folder("pretrain"), "epochs": 3}}]
    steps += [
        {
            "name": f"fold {fold}",
            "train": {"output_dir": folder(f"fold{fold}"), "epochs": 1, "init_from": start, "holdout": f"{fold}/2"},
        }
        for fold in (0, 1)
    ]
    steps += [
        {
            "name": "mean",
            "average": [f"{folder('fold0')}/gap/best_model.pt", f"{folder('fold1')}/gap/best_model.pt"],
            "output": folder("mean.pt"),
        }
    ]
    path = tmp_path / "recipe.yaml"

    def write(change=lambda content: None):
        content = {"common": dict(common), "steps": json.loads(json.dumps(steps))}
        change(content)
        path.write_text(yaml.safe_dump(content))
        return path

    write.runs = tmp_path / "runs"
    return write


def hsegap(path, *more):
    """`hsegap train RECIPE …` in this process: what each of its own would take longest for is importing torch."""
    return run_here("train", path, *more, cwd=path.parent)


def test_killed_and_repeated_it_comes_to_the_same_network(recipe):
    path = recipe()
    process = subprocess.Popen([*WATCHED, COMMAND, "train", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last = recipe.runs / "pretrain" / "gap" / "last_checkpoint.pt"
    assert until(last.is_file)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had ended by itself"
    assert last.is_file()
    assert not (recipe.runs / "mean.pt").exists()
    second = hsegap(path)
    assert second.status == 0, second.stderr
    interrupted = read_checkpoint(recipe.runs / "mean.pt").network.state_dict()

    third = hsegap(path)
    assert third.stderr.count("finished before") == 3

    finished = recipe.runs.rename(recipe.runs.with_name("first"))
    assert hsegap(path).status == 0
    assert all(
        torch.equal(value, interrupted[key])
        for key, value in read_checkpoint(recipe.runs / "mean.pt").network.state_dict().items()
    )
    parts = [
        read_checkpoint(finished / f"fold{fold}" / "gap" / "best_model.pt").network.state_dict() for fold in (0, 1)
    ]
    name = "fc.weight" if "fc.weight" in interrupted else next(iter(interrupted))
    torch.testing.assert_close(interrupted[name], (parts[0][name] + parts[1][name]) / 2)


def test_what_a_changed_step_leads_to_is_trained_anew(recipe):
    assert hsegap(recipe(), "--only", "pretrain", "--only", "fold 0").status == 0

    def longer(content):
        content["steps"][0]["train"]["epochs"] = 2

    again = hsegap(recipe(longer), "--only", "pretrain", "--only", "fold 0")
    assert again.status == 0, again.stderr
    assert "finished before" not in again.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content["steps"][2]["train"].update(holdout="5/2"), "step 'fold 1'.*holdout"),
        (lambda content: content["steps"][1].update(hsegap=["verify"]), "one of train, average and hsegap"),
        (lambda content: content["steps"][3].pop("output"), "average and output"),
        (lambda content: content["steps"].clear(), "steps"),
        (lambda content: content["steps"][1].update(tarin={}), "tarin"),
    ],
)
def test_a_mistake_is_said_before_anything_starts(recipe, change, said):
    with pytest.raises(OptionsError, match=f"(?s){said}"):
        read_recipe(recipe(change))


def test_a_step_that_is_not_there(recipe):
    with pytest.raises(OptionsError, match="unknown step nowhere; the recipe has: pretrain, fold 0"):
        run_recipe(
            read_recipe(recipe()), load_encoder=lambda _options: None, report=lambda _line: None, only=["nowhere"]
        )


def test_a_command_that_fails_stops_the_recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"steps": [{"name": "check", "hsegap": ["verify", "--artifact", str(tmp_path)]}]}))
    done = hsegap(path)
    assert done.status == 1
    assert "step failed" in done.stderr
