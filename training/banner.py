"""What a run says about itself before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsegap.models import FusionConfig


def banner(config: FusionConfig) -> str:
    """A framed summary of the fusion: layers, enabled improvements and initial scales."""
    if not config.fusion_layers:
        lines = [f"Late fusion: {config.late_fusion_type}"]
        if config.use_improved_middle_fusion:
            lines.append("use_improved_middle_fusion does nothing without use_middle_fusion")
        return _framed("Middle fusion: off", lines, [])
    improved = config.use_improved_middle_fusion
    residual = improved and config.middle_fusion_use_residual_scaling
    dynamic = improved and config.middle_fusion_use_dynamic_gating
    lines = [
        f"Fusion layers: {list(config.fusion_layers)}",
        f"Residual scaling: {residual}",
        f"Dynamic gating: {dynamic}",
        f"Learnable text scale: {config.middle_fusion_use_learnable_scale}",
        f"Gate LayerNorm: {config.middle_fusion_use_gate_norm}",
        f"Late fusion: {config.late_fusion_type}",
    ]
    features = []
    if config.middle_fusion_use_learnable_scale:
        features.append(f"Learnable text scale, starting at {config.middle_fusion_initial_scale:.2f}")
    if residual:
        features.append(f"Residual scaling, node scale starting at {config.middle_fusion_initial_node_scale:.2f}")
    if dynamic:
        features.append("Dynamic gating, importance modulation starting at 1.00")
    return _framed("ImprovedMiddleFusionModule" if improved else "MiddleFusionModule", lines, features)


def _framed(title: str, lines: list[str], features: list[str]) -> str:
    width = max(map(len, [title, *lines, *features])) + 4
    rule = "─" * width
    framed = [
        f"┌{rule}┐",
        f"│{title:^{width}}│",
        f"├{rule}┤",
        *(f"│ {line:<{width - 1}}│" for line in lines),
        f"└{rule}┘",
    ]
    return "\n".join([*framed, *(f"✓ {feature}" for feature in features)])
