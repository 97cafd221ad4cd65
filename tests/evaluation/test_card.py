"""The model card says what the network is, what it can be told and whom it learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.artifact import Artifact
from hsegap.evaluation.card import model_card

if TYPE_CHECKING:
    from pathlib import Path


def test_facts_a_late_fusion_and_the_teacher_are_named(told_artifact: Path) -> None:
    manifest = Artifact.load(told_artifact).manifest.model_dump(mode="json")
    config = manifest["config"]
    text = model_card(manifest)
    assert config["middle_fusion_gcn_layers"] == [0]
    assert f"middle fusion after layer\n{config['alignn_layers']} (improved)" in text
    assert "It takes the PBE gap as an input" in text
    assert "CHGNet" not in text
    taught = {**manifest, "training": {**manifest["training"], "options": {"teacher": "runs/features"}}}
    assert "CHGNet 0.4.2" in model_card(taught)
    silent = {
        **manifest,
        "config": {**config, "facts": [], "middle_fusion_gcn_layers": [], "middle_fusion_layers": [0, 1]},
    }
    text = model_card(silent)
    assert "middle fusion after layer\n0, 1 (improved)" in text
    assert "It can be told" not in text
