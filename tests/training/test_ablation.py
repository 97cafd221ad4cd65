"""The ablation: what it trains, that it goes on where it was killed, and that tables and plot say what was measured."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess

import pytest
import yaml

from hsegap.models.config import LATE_FUSION_TYPES
from hsegap.structures.summary import to_cif
from hsegap.training.ablation import VARIANTS, finished, plan_runs
from hsegap.training.ablation_report import markdown, plot, summarise, write_tables
from hsegap.training.options import OptionsError
from support.commands import COMMAND, run_here
from support.networks import some_crystals
from support.processes import PATIENCE_S, WATCHED, until
from support.small_data import write_jarvis

RECIPE = {"late_fusion_type": "gated", "use_cross_modal": False, "hidden_features": 12, "alignn_layers": 3}


def test_variants_are_the_guides_four_and_the_five_late_fusions(tmp_path):
    runs = plan_runs(RECIPE, [0], tmp_path)
    by_name = {name: run.options for run in runs for name in run.variants}
    assert list(by_name)[:4] == ["baseline", "+ residual scaling", "+ dynamic gating", "+ both"]
    switches = {
        name: (o.use_improved_middle_fusion, o.middle_fusion_use_residual_scaling, o.middle_fusion_use_dynamic_gating)
        for name, o in by_name.items()
    }
    assert switches["baseline"][0] is False
    assert switches["+ residual scaling"] == (True, True, False)
    assert switches["+ dynamic gating"] == (True, False, True)
    assert switches["+ both"] == (True, True, True)
    assert {by_name[f"late fusion {kind}"].late_fusion_type for kind in LATE_FUSION_TYPES} == set(LATE_FUSION_TYPES)
    assert all(options.use_middle_fusion for options in by_name.values())
    assert set(by_name) == set(VARIANTS)


def test_variants_that_come_to_the_same_share_a_run(tmp_path):
    runs = plan_runs(RECIPE, [0, 1, 1], tmp_path)
    assert len(runs) == 2 * 8
    assert [run.seed for run in runs] == [0] * 8 + [1] * 8, "seed by seed"
    assert sum(run.variants == ("+ both", "late fusion gated") for run in runs) == 2
    assert len({run.options.output_folder for run in runs}) == 16
    assert all(run.options.random_seed == run.seed and run.options.resume for run in runs)


def test_recipes_that_cannot_be_trained(tmp_path):
    with pytest.raises(OptionsError, match="layer 7"):
        plan_runs({**RECIPE, "middle_fusion_layers": "7"}, [0], tmp_path)
    with pytest.raises(OptionsError, match=r"unknown variant x; the recipe has: baseline"):
        plan_runs(RECIPE, [0], tmp_path, only=["x"])
    with pytest.raises(OptionsError, match="variants is a mapping"):
        plan_runs({**RECIPE, "variants": ["a"]}, [0], tmp_path)
    with pytest.raises(OptionsError, match="colour"):
        plan_runs({**RECIPE, "variants": {"mine": {"colour": "blue"}}}, [0], tmp_path)
    assert [run.variants for run in plan_runs({**RECIPE, "variants": {"mine": {"gcn_layers": 2}}}, [0], tmp_path)] == [
        ("mine",)
    ]


def result(variants, seed, val, *, parameters=1000, seconds=2.0, test=0.5):
    return {
        "variants": variants,
        "seed": seed,
        "val_mae": val,
        "val_mae_without_text": val + 0.1,
        "best_epoch": 3,
        "test_mae": test,
        "test_mae_without_text": None if test is None else test + 0.1,
        "parameters": parameters,
        "processor_seconds_per_epoch": seconds,
        "seconds_per_epoch": 3 * seconds,
        "rows": 16,
        "epochs": 4,
    }


RESULTS = [
    result(["baseline"], 0, 0.50),
    result(["baseline"], 1, 0.40, seconds=4.0),
    result(["+ residual scaling"], 0, 0.45, parameters=1001, seconds=3.3),
    result(["+ residual scaling"], 1, 0.42, parameters=1001, seconds=3.3),
    result(["+ both", "late fusion gated"], 0, 0.40, parameters=1100, test=None),
]


def test_means_spreads_and_changes_seed_by_seed():
    rows = {row.variant: row for row in summarise(RESULTS)}
    assert list(rows) == ["baseline", "+ residual scaling", "+ both", "late fusion gated"]
    base, residual, both = rows["baseline"], rows["+ residual scaling"], rows["+ both"]
    assert (base.seeds, base.val_mae, base.change, base.slower, base.more_parameters) == (
        2,
        pytest.approx(0.45),
        None,
        None,
        0,
    )
    assert base.val_spread == pytest.approx(0.0707107, rel=1e-5)
    assert residual.change == pytest.approx((-10 + 5) / 2)
    assert residual.change_spread == pytest.approx(10.6066, rel=1e-4)
    assert (residual.more_parameters, residual.slower) == (1, pytest.approx(10.0))
    assert (both.seeds, both.change, both.val_spread, both.test_mae) == (1, pytest.approx(-20), None, None)


def test_markdown_says_what_the_guide_expects_beside_what_was_measured():
    text = markdown(summarise(RESULTS))
    row = next(line for line in text.splitlines() if line.startswith("| + residual scaling"))
    assert "0.4350 ± 0.0212" in row
    assert "-2.5 ± 10.6 %" in row
    assert "| -2.0 % |" in row
    assert "1,001 (+1)" in row
    assert "3.3 (+10 %)" in row
    assert len({line.count("|") for line in text.splitlines()}) == 1


def test_where_facts_are_told_the_table_says_what_each_is_worth():
    told = [
        {**one, "val_mae_known": one["val_mae"] + 0.02, "val_mae_described": one["val_mae"] + 0.07} for one in RESULTS
    ]
    head, _, first, *rest = markdown(summarise(told)).splitlines()
    cells = dict(zip(head.split(" | "), first.split(" | "), strict=True))
    assert cells["description alone, eV"] == "0.5200"
    assert cells["facts alone, eV"] == "0.4700"
    assert cells["nothing told, eV"] == "0.5500"
    assert {line.count("|") for line in rest} == {head.count("|")}


def test_tables_and_plot_are_written(tmp_path):
    write_tables(RESULTS, tmp_path)
    with (tmp_path / "ablation.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["variant"] for row in rows] == ["baseline", "+ residual scaling", "+ both", "late fusion gated"]
    assert float(rows[1]["val_mae"]) == pytest.approx(0.435)
    with (tmp_path / "ablation_runs.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == 5
    picture = plot(RESULTS, tmp_path / "ablation.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


@pytest.fixture
def recipe(tiny_encoder, tmp_path):
    write_jarvis(tmp_path / "data")
    values = {
        "root_dir": str(tmp_path / "data"),
        "property": "gap",
        "cache_dir": str(tmp_path / "cache"),
        "text_encoder": str(tiny_encoder),
        "epochs": 2,
        "batch_size": 8,
        "checkpoint_steps": 1,
        "n_train": 16,
        "n_val": 4,
        "n_test": 4,
        "alignn_layers": 1,
        "gcn_layers": 1,
        "hidden_features": 12,
        "embedding_features": 8,
        "middle_fusion_layers": "0",
        "middle_fusion_hidden_dim": 8,
        "use_cross_modal": False,
        "late_fusion_type": "gated",
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "recipe.yaml", values


def test_with_facts_the_error_is_that_with_everything_told(recipe, tmp_path):
    path, values = recipe
    rows = [
        {
            "id": f"r{n}",
            "cif": to_cif(crystal),
            "hse_gap_ev": 0.5 + n,
            "pbe_gap_ev": 0.8 * n,
            "description": "salt " * n,
        }
        for n, crystal in enumerate(some_crystals(), 1)
    ]
    for name in ("train", "val", "test"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = {f"{name}_file": str(tmp_path / f"{name}.jsonl") for name in ("train", "val", "test")}
    told |= {"target": "hse_gap_ev", "facts": "pbe_gap_ev", "pbe_head": "base", "epochs": 1, "only_described": True}
    left = {key: value for key, value in values.items() if not key.startswith(("n_", "root"))}
    path.write_text(yaml.safe_dump({**left, **told}))
    chosen = ("--seeds", 0, "--jobs", 1, "--only", "+ both")
    done = run_here("ablate", "--config", path, "-o", tmp_path / "out", *chosen, cwd=tmp_path)
    assert done.status == 0, done.stderr
    [result] = tmp_path.glob("out/runs/*/*/result.json")
    found = json.loads(result.read_text())
    history = json.loads((result.parent / "history.json").read_text())[0]
    test = json.loads((result.parent / "test_metrics.json").read_text())
    assert found["val_mae"] == history["val_mae_told"]
    assert found["val_mae_described"] == history["val_mae"]
    assert found["val_mae_known"] == history["val_mae_known"]
    assert found["test_mae"] == test["test_told"]["mae"]
    assert len({value for name, value in found.items() if name.startswith("val_mae")}) == 4
    assert "facts alone" in done.stdout


def ablate(*arguments, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen(
        [*WATCHED, COMMAND, "ablate", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_killed_in_the_middle_it_goes_on_where_it_stopped(recipe, tmp_path):
    path, values = recipe
    only = ("--only", "baseline")
    out = tmp_path / "out"
    first = ablate("--config", path, "--seeds", 0, 1, "-o", out, "--jobs", 1, *only, cwd=tmp_path)
    runs = plan_runs(values, [0, 1], out, only=["baseline"])
    assert len(runs) == 2
    assert until(lambda: finished(runs[0]) is not None or first.poll() is not None, within_s=2 * PATIENCE_S)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = [run for run in runs if finished(run) is not None]
    assert done == runs[:1]
    before = (runs[0].options.output_folder / "result.json").read_bytes()

    second = run_here("ablate", "--config", path, "--seeds", 0, 1, "-o", out, "--jobs", 2, *only, cwd=tmp_path)
    assert second.status == 0, second.stderr
    assert "2 runs, 1 of them finished before" in second.stderr
    assert (runs[0].options.output_folder / "result.json").read_bytes() == before
    assert "| baseline | 2 |" in second.stdout
    for name in ("ablation.csv", "ablation_runs.csv", "ablation.md", "ablation.png"):
        assert (out / name).is_file()

    # Another recipe in the same folder is refused, whatever is finished there.
    path.write_text(yaml.safe_dump({**values, "hidden_features": 16}))
    third = run_here("ablate", "--config", path, "--seeds", 0, "-o", out, *only, cwd=tmp_path)
    assert third.status == 2
    assert "another recipe (hidden_features)" in third.stderr


def test_a_recipe_that_is_not_there(tmp_path):
    done = run_here("ablate", "--config", "nowhere.yaml", "--seeds", 0, cwd=tmp_path)
    assert done.status == 2
    assert "nowhere.yaml" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_says_why_in_its_log_and_the_others_are_kept(recipe, tmp_path, capfd):
    path, values = recipe
    path.write_text(
        yaml.safe_dump({**values, "epochs": 1, "variants": {"sound": {}, "broken": {"init_from": "nowhere.pt"}}})
    )
    done = run_here("ablate", "--config", path, "--seeds", 0, "-o", tmp_path / "out", "--jobs", 1, cwd=tmp_path)
    assert done.status == 1
    assert "| sound | 1 |" in done.stdout
    assert "1 of 2 runs failed: broken-seed0" in done.stderr
    assert "closed file" not in capfd.readouterr().err, "from the runs' own processes"
    assert (
        "there is no checkpoint nowhere.pt"
        in (tmp_path / "out" / "runs" / "broken-seed0" / "gap" / "log.txt").read_text()
    )
