"""The model card, written from the manifest so that the two cannot disagree."""

from __future__ import annotations

from typing import Any

from hsegap.evaluation.card_figures import data_of

#: Said of a network with known facts.
TAKES_FACTS = "\nIt takes the PBE gap as an input where the request or the text states it."
TEMPLATE = """# {name} {version}

Predicts the HSE06 band gap (eV) of an ordered, periodic crystal from its structure and, optionally, a text description.

## The network
{parameters:,} parameters: {alignn} ALIGNN and {gcn} edge-gated convolutions, {width} wide; middle fusion after layer
{layers} ({module}), late fusion `{late}`. Text encoder: {encoder} ({encoder_width} wide, at most {max_tokens} tokens,
{encoder_licence}).
Crystal graphs: flavour `{flavour}`, {neighbours} nearest neighbours and ties.{facts}

## Training data
{training}

{data}

{recipe}

## Intervals and warnings
{calibration}

{measured}
{extra}
## Not for
- Molecules and clusters without a lattice, disordered crystals, surfaces, defects and slabs in vacuum: the training set
  has next to none.
- Elements that the training set lacks, and cells larger than its largest: the answer carries a warning.
- Telling a metal from a crystal with a small gap: read the interval, not the word.
- Decisions that need better than the errors above; a gap to be published should be computed.
- Measured optical or transport gaps: the labels are HSE06 at zero temperature on PBE-relaxed structures, without
  excitons, with spin-orbit coupling in some sources and not in others, and HSE06 itself differs from experiment.
"""


def model_card(manifest: dict[str, Any], extra: str = "", *, measured: str = "") -> str:
    """Fill the card.

    Args:
        manifest: Of the artifact.
        extra: Inserted before the limits.
        measured: Sections on the errors, from ``hsegap evaluate``; empty takes what the manifest says of them.
    """
    config, encoder, training = manifest["config"], manifest["text_encoder"], manifest["training"]
    fused = config["use_text"] and config["use_middle_fusion"]
    facts = {
        "n_rows": "crystals",
        "n_described": "of them with a description",
        "n_estimated": "more with a gap estimated from another method's, to learn from only",
        "median_atoms": "atoms in the median cell",
        "max_atoms": "atoms in the largest cell",
    }
    known = [f"- {training[key]:g} {text}" for key, text in facts.items() if key in training]
    elements = (
        [f"- {len(manifest['elements'])} elements"]
        if training.get("known", True)
        else ["- unknown: the checkpoint does not say"]
    )
    return TEMPLATE.format(
        name=manifest["name"],
        version=manifest["version"],
        parameters=manifest["n_parameters"],
        alignn=config["alignn_layers"],
        gcn=config["gcn_layers"],
        width=config["hidden_features"],
        layers=", ".join(map(str, _fused_after(config))) if fused else "none",
        module=("improved" if config["use_improved_middle_fusion"] else "baseline") if fused else "off",
        late=config["late_fusion_type"],
        encoder=encoder["name"],
        encoder_width=encoder["width"],
        max_tokens=encoder["max_tokens"],
        encoder_licence=encoder.get("licence", "licence unknown"),
        flavour=config["graph_flavour"],
        neighbours=config["max_neighbors"],
        training="\n".join([*known, *elements]),
        facts=TAKES_FACTS if config.get("facts") else "",
        data=data_of(training),
        recipe=_recipe(training),
        measured=measured or "## Measured\n" + _metrics(manifest["metrics"]),
        calibration=_calibration(manifest["calibration"]),
        extra=f"\n{extra.strip()}\n\n" if extra else "\n",
    )


def _fused_after(config: dict[str, Any]) -> list[int]:
    """Layers after which the text enters, counted from 0, the ALIGNN convolutions first."""
    later = config.get("middle_fusion_gcn_layers") or ()
    return [*config["middle_fusion_layers"], *(config["alignn_layers"] + layer for layer in later)]


def _metrics(metrics: dict[str, Any]) -> str:
    """One table row per measurement."""
    rows = [
        f"| {name} | " + ", ".join(f"{key} {value:.4g}" for key, value in values.items()) + " |"
        for name, values in metrics.items()
        if isinstance(values, dict)
    ]
    return "\n".join(["| data | figures |", "|---|---|", *rows]) if rows else "Nothing yet."


def _recipe(training: dict[str, Any]) -> str:
    """How the network was trained, as far as the checkpoint says."""
    options = training.get("options") or {}
    names: tuple[str, ...] = (
        "init_from",
        "train_file",
        "target",
        "loss",
        "epochs",
        "batch_size",
        "learning_rate",
        "weight_decay",
        "text_dropout",
    )
    names += ("confidence_weights", "graph_dropout", "coordinate_noise", "ema_decay", "random_seed")
    known = [f"`{name}` {options[name]}" for name in names if options.get(name) not in (None, "", 0, False)]
    if not known:
        return "Recipe: the checkpoint does not say."
    told = ", ".join(known) + (
        f"; weights of epoch {training['epoch']}" if isinstance(training.get("epoch"), int) else ""
    )
    if isinstance(training.get("averaged"), int):
        told += f"; the mean of the weights of {training['averaged']} networks, of which this is the first"
    return f"Recipe: {told}. All options stand in the manifest (`GET /model`); docs/experiments.md says why."


def _calibration(calibration: dict[str, Any] | None) -> str:
    """What the intervals rest on."""
    if calibration is None:
        return "None yet: this version answers without an interval."
    lines = [
        (
            f"Made to hold {calibration['coverage']:.0%} of the gaps. "
            f"{calibration.get('method', 'split conformal').capitalize()}."
        )
    ]
    lines += [f"- {name}: {value}" for name, value in (calibration.get("rows") or {}).items()]
    scaled = calibration.get("scaled")
    if scaled:
        lines.append(f"- factor with a text {scaled['quantile']:.3f}, without {scaled['quantile_no_text']:.3f}")
        lines.append(
            "- limits of the distances: " + ", ".join(f"{name} {value:.2f}" for name, value in scaled["limits"].items())
        )
    if "metal_below_ev" in calibration:
        lines.append(f"- called a metal below {calibration['metal_below_ev']:g} eV")
    return "\n".join([*lines, "", "docs/uncertainty.md explains the method. Command: `hsegap calibrate`."])
