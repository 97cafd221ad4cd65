"""``train_with_cross_modal_attention.py`` as people run it: a process, with the guide's own commands."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hsegap.training.flags import parse_options
from support.processes import PATIENCE_S, WATCHED, until
from support.shared_material import SHARED
from support.small_data import write_jarvis

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "train_with_cross_modal_attention.py"
SMALL = [
    "--property",
    "gap",
    "--n_train",
    "16",
    "--n_val",
    "4",
    "--n_test",
    "4",
    "--batch_size",
    "8",
    "--hidden_features",
    "12",
    "--embedding_features",
    "8",
    "--alignn_layers",
    "2",
    "--gcn_layers",
    "1",
    "--use_middle_fusion",
    "True",
    "--use_improved_middle_fusion",
    "True",
    "--middle_fusion_layers",
    "1",
    "--middle_fusion_use_gate_norm",
    "True",
    "--middle_fusion_use_learnable_scale",
    "True",
    "--middle_fusion_initial_scale",
    "12.0",
    "--use_cross_modal",
    "False",
    "--late_fusion_type",
    "gated",
]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


def front_door(*arguments, cwd, timeout=300):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working directory with ``./data`` in it."""
    folder = tmp_path_factory.mktemp("work")
    write_jarvis(folder / "data")
    return folder


def test_help(tmp_path):
    done = front_door("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "published flags" in done.stdout
    assert "options added by hsegap" in done.stdout
    assert "--middle_fusion_initial_scale" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--use_middle_fusion True --middle_fusion_layers 9", "layer 9"),
        ("--root_dir ./data --property colour", "Folders in data/jarvis: gap."),
        ("--root_dir ./nowhere", "give --root_dir"),
        ("--root_dir ./data --property gap --init_from nowhere.pt", "there is no checkpoint nowhere.pt"),
        ("--root_dir ./data --property gap --text_encoder ./no/such/folder", "no folder"),
    ],
)
def test_a_wrong_command_says_so_and_leaves_nothing_behind(place, arguments, said, monkeypatch, capfd):
    """In this process: each of its own would take longest for importing torch."""
    before = sorted(place.rglob("*"))
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 2
    assert said in capfd.readouterr().err
    assert sorted(place.rglob("*")) == before


def test_a_run_killed_with_sigkill_and_resumed(place, tiny_encoder):
    """The whole way: command, SIGKILL from outside, the same command with --resume 1."""
    common = [
        "--root_dir",
        "./data",
        "--text_encoder",
        tiny_encoder,
        "--epochs",
        "4",
        "--checkpoint_steps",
        "1",
        "--cache_dir",
        "cache",
        *SMALL,
    ]
    whole = front_door(*common, "--output_dir", "whole", cwd=place)
    assert whole.returncode == 0, whole.stderr
    assert "ImprovedMiddleFusionModule" in whole.stdout
    assert "12.00" in whole.stdout
    assert "results in whole/gap" in whole.stdout

    killed = subprocess.Popen(
        [*WATCHED, sys.executable, SCRIPT, *map(str, common), "--output_dir", "killed"],
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    last = place / "killed" / "gap" / "last_checkpoint.pt"
    assert until(last.exists, within_s=2 * PATIENCE_S)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL

    resumed = front_door(*common, "--output_dir", "killed", "--resume", "1", cwd=place)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed at epoch" in resumed.stdout
    for name in ("history.json", "test_metrics.json", "prediction_results_test_set.csv"):
        assert (place / "killed" / "gap" / name).read_text() == (place / "whole" / "gap" / name).read_text(), name


def guide_commands():
    """The commands of the source guide, ablation included."""
    path = SHARED / "guide.md"
    if not path.is_file():
        pytest.skip("needs ../shared/guide.md, which is not beside this repository")
    text = path.read_text()
    blocks = [block.replace("\\\n", " ").strip() for block in re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)]
    commands = [shlex.split(block) for block in blocks if block.startswith("python train_with")]
    ablation = [shlex.split(part) for part in re.findall(r"^\d\. .*?`(--use_improved[^`]*)`", text, flags=re.MULTILINE)]
    return [command[2:] for command in commands] + [["--use_middle_fusion", "True", *part] for part in ablation]


@pytest.mark.shared_data
def test_the_guide_has_the_commands_we_know():
    assert len(guide_commands()) == 7


@pytest.mark.shared_data
@pytest.mark.parametrize("index", range(7))
def test_every_command_of_the_guide_is_understood(index):
    commands = guide_commands()
    options = parse_options(commands[index])
    config = options.fusion_config(text_features=384)
    assert config.fusion_layers == (2,)
    if index == 2:
        assert (options.late_fusion_type, options.learning_rate, options.weight_decay, options.use_cross_modal) == (
            "gated",
            5e-4,
            1e-3,
            False,
        )
    if index > 2:
        wanted = [(False, True, True), (True, True, False), (True, False, True), (True, True, True)][index - 3]
        got = (
            config.use_improved_middle_fusion,
            config.middle_fusion_use_residual_scaling,
            config.middle_fusion_use_dynamic_gating,
        )
        assert got == wanted


@pytest.mark.shared_data
@pytest.mark.slow
def test_the_recommended_command_of_the_guide_runs_as_written(tmp_path, tiny_encoder):
    """On data unpacked by ../shared/data/unpack.py; only sizes are added, and a small text encoder."""
    commands = guide_commands()
    unpacked = subprocess.run(
        [
            sys.executable,
            SHARED / "data" / "unpack.py",
            SHARED / "data" / "hse" / "val_metals.jsonl.gz",
            tmp_path / "DATASET",
        ],
        capture_output=True,
        text=True,
    )
    assert unpacked.returncode == 0, unpacked.stderr
    sizes = ["--epochs", "1", "--n_train", "8", "--n_val", "4", "--n_test", "4"]
    done = front_door(*commands[2], *sizes, "--text_encoder", tiny_encoder, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ImprovedMiddleFusionModule" in done.stdout
    folder = tmp_path / "hse_improved_middle" / "hse_bandgap-2"
    assert len(json.loads((folder / "history.json").read_text())) == 1
    assert (folder / "best_model.pt").is_file()
