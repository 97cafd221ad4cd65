"""The benchmark of training prints what it promises, and the guide to training names flags and recipes that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hsegap.training.options import TrainingOptions

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "training.md").read_text()


def test_crystals_per_second_of_each_variant():
    sizes = ["--crystals", "8", "--batch-size", "2", "--steps", "1", "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "benchmarks/training.py", "--small", *sizes, "--variants", "plain", "all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in done.stdout.splitlines()
        if line.startswith("| ")
    ]
    assert rows[0][:3] == ["variant", "crystals per second", "per second of processor time"]
    assert [row[0] for row in rows[1:]] == ["plain", "all"]
    assert all(float(row[1]) > 0 and float(row[2]) > 0 and float(row[4]) > 0 for row in rows[1:])


def test_the_guide_to_training_names_flags_that_exist_and_all_of_the_network():
    named = set(re.findall(r"`--(\w+)", re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL)))
    assert named <= TrainingOptions.model_fields.keys() | {"help"}
    parts = ("middle_fusion", "fine_grained", "cross_modal", "late_fusion", "text_", "use_", "contrastive", "graph_")
    # Accepted for the published script's sake: one acts on nothing, the other has a single value.
    without_choice = {"middle_fusion_num_heads", "cross_modal_attention_type"}
    assert {name for name in TrainingOptions.model_fields if name.startswith(parts)} - without_choice <= named


def test_every_recipe_is_told_of():
    recipes = {path.name for path in (ROOT / "training" / "recipes").glob("*.yaml")}
    assert recipes == set(re.findall(r"recipes/([\w.]+\.yaml)\)", GUIDE))
