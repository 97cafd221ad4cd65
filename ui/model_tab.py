"""The Model tab: which artifact answers, what it was trained on, how wrong it is, and how to name it in a paper."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from hsegap.ui.model_card import model_card

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.prediction.schemas import ModelInfo
    from hsegap.ui.backend import Backend

#: A fact longer than this (a list of quantiles, say) is left to ``GET /model``.
LONGEST_FACT = 120
#: How facts are called in print.
FACTS = {
    "n_rows": "crystals",
    "n_described": "with a description",
    "n_estimated": "more with an estimated gap",
    "median_atoms": "median cell (atoms)",
    "mean_target": "mean gap (eV)",
    "epoch": "epoch chosen",
    "max_atoms": "largest cell (atoms)",
    "max_edges": "graph edges",
    "max_text_chars": "characters of a description",
    "max_items": "crystals in a batch",
    "max_body_bytes": "request (bytes)",
    "max_upload_bytes": "upload (bytes)",
}
#: How measured figures are called in print.
FIGURES = {
    "mae": "MAE (eV)",
    "median_ae": "median error (eV)",
    "rmse": "RMSE (eV)",
    "r2": "R²",
    "n": "crystals",
    "width_ev": "mean width (eV)",
}


def build(core: Backend) -> None:
    """Lay out the tab inside the current ``gr.Blocks``."""
    import gradio as gr

    info = core.model_info()
    with gr.Row(elem_classes="hs-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="hs-card"):
            gr.HTML(facts_html(info), elem_id="hs-model", apply_default_css=False)
        with gr.Column(scale=7, min_width=320, elem_classes="hs-card hs-card-text"):
            gr.Markdown(model_card(core.artifact), elem_id="hs-model-card", container=False)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as pairs of words."""
    for key, value in values.items():
        name = f"{prefix}{FACTS.get(key, key)}".replace("_", " ")
        if isinstance(value, dict):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, bool) or value is None:
            yield name, {True: "yes", False: "no", None: "–"}[value]
        elif isinstance(value, float):
            yield name, f"{value:.4g}"
        elif isinstance(value, int):
            yield name, f"{value:,}".replace(",", "\u202f")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, str(value)


def _table(title: str, pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in pairs)
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    return f'{heading}<table class="hs-facts"><tbody>{rows}</tbody></table>'


def _measured(metrics: dict[str, Any]) -> str:
    """Errors by data set: one line each, one column per figure.

    Breakdowns inside a set (errors by chemistry) are folded away.
    """
    title = "How wrong it is"
    sets = {name: figures for name, figures in metrics.items() if isinstance(figures, dict)}
    plain = {
        name: {key: value for key, value in figures.items() if not isinstance(value, dict | list)}
        for name, figures in sets.items()
    }
    plain = {name: figures for name, figures in plain.items() if figures}
    # Sets measured in other figures (accuracy where others have an error) get a table of their own, not empty columns.
    kinds: dict[bool, dict[str, dict[str, Any]]] = {True: {}, False: {}}
    for name, figures in plain.items():
        kinds["mae" in figures][name] = figures
    rest = list(_flat({key: value for key, value in metrics.items() if key not in sets}))
    if not plain and not rest:
        rest = [("measured", "not yet" if not sets else "see below")]
    made = (
        f"<h3>{title}</h3>{_figures_table(title, kinds[True])}{_figures_table(title, kinds[False])}{_table('', rest)}"
    )
    for name, figures in sets.items():
        for key, section in figures.items():
            if isinstance(section, dict) and section:
                made += _section(f"{name}: {key.replace('_', ' ')}", section)
    return made


def _section(title: str, section: dict[str, Any]) -> str:
    """One breakdown of the errors: a table where each part holds plain figures, else plain facts."""
    nested = (
        value for figures in section.values() for value in (figures.values() if isinstance(figures, dict) else [[]])
    )
    if not any(isinstance(value, dict | list) for value in nested):
        return f'<details class="hs-fold"><summary>{escape(title)}</summary>{_figures_table(title, section)}</details>'
    return _folded(title, [(name, value) for name, value in _flat(section) if len(value) < LONGEST_FACT])


def _figures_table(title: str, sets: dict[str, dict[str, Any]]) -> str:
    """Lines by name, columns by figure."""
    if not sets:
        return ""
    columns = list(dict.fromkeys(key for figures in sets.values() for key in figures))
    head = "".join(f'<th scope="col">{escape(FIGURES.get(key, key.replace("_", " ")))}</th>' for key in columns)
    lines = []
    for name, figures in sets.items():
        cells = "".join(f"<td>{escape(_figure(figures.get(key)))}</td>" for key in columns)
        lines.append(f'<tr><th scope="row">{escape(str(name))}</th>{cells}</tr>')
    table = (
        f'<table class="hs-measured"><thead><tr><th scope="col">data</th>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )
    return f'<div class="hs-scroll-x" tabindex="0" role="region" aria-label="{escape(title)}">{table}</div>'


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–" if value is None else str(value)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Without the sections."""
    return {key: value for key, value in values.items() if not isinstance(value, dict)}


def _folded(title: str, pairs: list[tuple[str, str]]) -> str:
    """A long table that opens on request."""
    return f'<details class="hs-fold"><summary>{escape(title)}</summary>{_table("", pairs)}</details>' if pairs else ""


def citation(info: ModelInfo) -> str:
    """A line for a paper: name, version and the fingerprint that makes it unambiguous."""
    return f"{info.name}, version {info.version}, SHA-256 {info.sha256[:16]}, created {info.created[:10]}, with hsegap."


def facts_html(info: ModelInfo) -> str:
    """Everything the service knows about its model, as tables."""
    config = info.config
    encoder, graph = info.text_encoder, info.graph
    layers = config.get("middle_fusion_layers") if config.get("use_middle_fusion", True) else None
    fusion = [
        ("ALIGNN layers, GCN layers", f"{config.get('alignn_layers', '–')}, {config.get('gcn_layers', '–')}"),
        ("width", str(config.get("hidden_features", "–"))),
        ("middle fusion after layer", ", ".join(map(str, layers)) if layers else "none"),
        ("late fusion", str(config.get("late_fusion_type", "–"))),
        ("text encoder", f"{encoder.get('name', '–')}, up to {encoder.get('max_tokens', '–')} tokens"),
        (
            "crystal graph",
            f"{graph.get('flavour')}, {graph.get('max_neighbors')} neighbours within {graph.get('cutoff'):g} Å",
        ),
    ]
    calibrated = list(_flat(info.calibration)) if info.calibration else [("interval", "none: not calibrated yet")]
    short = [(name, value) for name, value in calibrated if len(value) < LONGEST_FACT]
    # The method, the coverage and the widths are for everybody; the numbers of the error model for those who ask.
    inner = [pair for pair in short if ":" in pair[0]]
    short = [pair for pair in short if ":" not in pair[0]]
    training = [(name, value) for name, value in _flat(_plain(info.training)) if len(value) < LONGEST_FACT]
    options = [
        pair
        for value in info.training.values()
        if isinstance(value, dict)
        for pair in _flat(value)
        if len(pair[1]) < LONGEST_FACT
    ]
    return (
        f"<h2>{escape(info.name)} <small>{escape(info.version)}</small></h2>"
        f'<p class="hs-meaning">Answers with the HSE06 gap in eV. Below {info.kinds["metal_below"]:g} eV a crystal '
        "is called a metal, from "
        f"{info.kinds['insulator_from']:g} eV on an insulator.</p>"
        f"{_measured(info.metrics)}"
        f"{_table('Interval', short)}{_folded('How the interval was calibrated', inner)}"
        f"{_table('Network', fusion)}{_table('Training', training)}{_folded('Training options', options)}"
        f"{_table('Limits', list(_flat(info.limits)))}"
        f"<h3>Elements seen in training ({len(info.elements)})</h3>"
        f'<p class="hs-elements">{escape(" ".join(info.elements))}</p>'
        f'<h3>How to cite</h3><p class="hs-cite">{escape(citation(info))}</p>'
        f'<p class="hs-sha">SHA-256 <code>{escape(info.sha256)}</code></p>'
        '<p><a href="../docs.json" data-hs-link="docs.json">API document (OpenAPI)</a></p>'
    )
