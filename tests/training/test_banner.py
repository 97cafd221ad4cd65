"""The banner names the module, the layers, each switch and each initial value."""

from __future__ import annotations

import pytest

from hsegap.training.banner import banner
from hsegap.training.flags import parse_options


def shown(arguments: str) -> str:
    return banner(parse_options(arguments.split()).fusion_config(text_features=768))


def test_the_recommended_run():
    text = shown(
        "--use_middle_fusion True --use_improved_middle_fusion True --middle_fusion_layers 2 "
        "--middle_fusion_use_gate_norm True --middle_fusion_use_learnable_scale True "
        "--middle_fusion_initial_scale 12.0"
    )
    frame, features = text.split("┘")
    for piece in (
        "ImprovedMiddleFusionModule",
        "Fusion layers: [2]",
        "Residual scaling: True",
        "Dynamic gating: True",
        "Learnable text scale: True",
        "Gate LayerNorm: True",
    ):
        assert piece in frame
    assert "12.00" in features
    assert "node scale starting at 1.00" in features
    assert len({len(line) for line in frame.strip().split("\n")[:-1]}) == 1, "the frame is straight"


@pytest.mark.parametrize(
    ("arguments", "present", "absent"),
    [
        (
            "--middle_fusion_use_dynamic_gating False",
            ["Residual scaling: True", "Dynamic gating: False"],
            ["importance"],
        ),
        (
            "--middle_fusion_use_residual_scaling False",
            ["Residual scaling: False", "Dynamic gating: True"],
            ["node scale"],
        ),
        (
            "--middle_fusion_layers 2,3 --middle_fusion_initial_node_scale 0.5",
            ["[2, 3]", "node scale starting at 0.50"],
            ["text scale, starting"],
        ),
    ],
)
def test_switches(arguments, present, absent):
    text = shown(f"--use_middle_fusion True --use_improved_middle_fusion True {arguments}")
    assert all(piece in text for piece in present)
    assert not any(piece in text for piece in absent)


def test_the_baseline_and_no_middle_fusion():
    text = shown("--use_middle_fusion True --use_improved_middle_fusion False")
    assert "MiddleFusionModule" in text
    assert "Improved" not in text
    assert "Residual scaling: False" in text
    assert "Middle fusion: off" in shown("--late_fusion_type tucker")
    assert "does nothing without" in shown("--use_improved_middle_fusion True")
    assert "does nothing without" not in shown("")
    assert "tucker" in shown("--late_fusion_type tucker")
