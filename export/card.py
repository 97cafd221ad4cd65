"""The model card, written from the manifest so that the two cannot disagree."""

from __future__ import annotations

from typing import Any

TEMPLATE = """# {name} {version}

Predicts the HSE06 band gap (eV) of an ordered, periodic crystal from its structure and, optionally, a text description.

## The network
{parameters:,} parameters: {alignn} ALIGNN and {gcn} edge-gated convolutions, {width} wide; middle fusion after layer {layers}
({module}), late fusion `{late}`. Text encoder: {encoder} ({encoder_width} wide, at most {max_tokens} tokens, {encoder_licence}).
Crystal graphs: flavour `{flavour}`, {neighbours} nearest neighbours and ties.

## Training data
{training}

## Measured
{metrics}

## Intervals
{calibration}
{extra}
## Not for
Molecules and clusters without a lattice, disordered crystals, surfaces and defects (none in training); elements that
the training set lacks (the answer carries a warning); decisions that need better than the errors above. HSE06 itself
differs from experiment.
"""


def model_card(manifest: dict[str, Any], extra: str = "") -> str:
    """Fill the card from a manifest; ``extra`` is inserted before the limits."""
    config, encoder, training = manifest["config"], manifest["text_encoder"], manifest["training"]
    fused = config["use_text"] and config["use_middle_fusion"]
    facts = {
        "n_rows": "crystals",
        "n_described": "of them with a description",
        "median_atoms": "atoms in the median cell",
        "max_atoms": "atoms in the largest cell",
    }
    known = [f"- {training[key]:g} {text}" for key, text in facts.items() if key in training]
    elements = [f"- {len(manifest['elements'])} elements"] if training.get("known", True) else ["- unknown: the checkpoint does not say"]
    return TEMPLATE.format(
        name=manifest["name"],
        version=manifest["version"],
        parameters=manifest["n_parameters"],
        alignn=config["alignn_layers"],
        gcn=config["gcn_layers"],
        width=config["hidden_features"],
        layers=", ".join(map(str, config["middle_fusion_layers"])) if fused else "none",
        module=("improved" if config["use_improved_middle_fusion"] else "baseline") if fused else "off",
        late=config["late_fusion_type"],
        encoder=encoder["name"],
        encoder_width=encoder["width"],
        max_tokens=encoder["max_tokens"],
        encoder_licence=encoder.get("licence", "licence unknown"),
        flavour=config["graph_flavour"],
        neighbours=config["max_neighbors"],
        training="\n".join([*known, *elements]),
        metrics=_metrics(manifest["metrics"]),
        calibration="None yet: this version answers without an interval."
        if manifest["calibration"] is None
        else "Split-conformal, see the manifest.",
        extra=f"\n{extra.strip()}\n\n" if extra else "\n",
    )


def _metrics(metrics: dict[str, Any]) -> str:
    """One table row per measurement."""
    rows = [
        f"| {name} | " + ", ".join(f"{key} {value:.4g}" for key, value in values.items()) + " |"
        for name, values in metrics.items()
        if isinstance(values, dict)
    ]
    return "\n".join(["| data | figures |", "|---|---|", *rows]) if rows else "Nothing yet."
