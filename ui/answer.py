"""A prediction, or the named error in its place, as HTML. Everything that came from outside is escaped here."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from hsegap.ui import texts
from hsegap.ui.scale import edge_in_words, scale_html

if TYPE_CHECKING:
    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import Prediction
    from hsegap.structures import Summary


def formula_html(formula: str) -> str:
    """``TiO2`` → ``TiO<sub>2</sub>``."""
    return re.sub(r"(\d+(?:\.\d+)?)", r"<sub>\1</sub>", escape(formula))


def signed(value: float) -> str:
    """A number with its sign, as print does it."""
    return f"{'−' if value < 0 else '+'}{abs(value):.2f}"


def error_html(failure: Failure) -> str:
    """A named error beside the input: what is wrong, what to do next, and the name to look up."""
    error = failure.error
    return (
        '<div class="hs-error" role="alert">'
        f"<strong>{escape(error.message)}</strong>"
        f"<span>{escape(error.hint)}</span>"
        f"<code>{escape(error.code)}</code></div>"
    )


def empty_html() -> str:
    """What stands where the answer will be."""
    return f'<div class="hs-empty"><p>{escape(texts.EMPTY_ANSWER)}</p></div>'


def _interval(prediction: Prediction) -> str:
    if prediction.interval_ev is None:
        return f'<p class="hs-interval-words">{escape(texts.NO_INTERVAL)}</p>'
    low, high = prediction.interval_ev
    share = f"{100 * prediction.coverage:.0f} %" if prediction.coverage else "Calibrated"
    return (
        f'<p class="hs-interval-words"><strong>{low:.2f} – {high:.2f} eV</strong> '
        '<span title="Of crystals like those of the calibration set, this share has its true HSE06 gap inside '
        'such an interval.">'
        f"{share} interval</span></p>"
    )


def _compared(prediction: Prediction, alone: Prediction | None) -> str:
    """The prediction with text beside the one without it."""
    if alone is None:
        return ""
    change = prediction.gap_ev - alone.gap_ev
    return (
        '<dl class="hs-compare">'
        f'<div><dt><i class="hs-dot"></i>With the description</dt><dd>{prediction.gap_ev:.2f} eV</dd></div>'
        f'<div><dt><i class="hs-dot hs-dot-alone"></i>Structure alone</dt><dd>{alone.gap_ev:.2f} eV</dd></div>'
        f"<div><dt>The text moved it by</dt><dd>{signed(change)} eV</dd></div></dl>"
    )


def _modalities(prediction: Prediction) -> str:
    """How much the last fusion took from the graph and from the text."""
    if prediction.description.origin == "none":
        return ""
    graph, text = prediction.modality_weights.graph, prediction.modality_weights.text
    total = graph + text
    if total <= 0:
        return ""
    share = 100 * graph / total
    return (
        f'<div class="hs-modal" role="img" aria-label="{texts.WEIGHTS}: structure {share:.0f}, text '
        f'{100 - share:.0f} percent.">'
        f'<div class="hs-modal-bar" aria-hidden="true"><span style="width:{share:.1f}%"></span></div>'
        f'<div class="hs-modal-words" aria-hidden="true"><span>structure {share:.0f} %</span>'
        f"<span>{texts.WEIGHTS}</span>"
        f"<span>text {100 - share:.0f} %</span></div></div>"
    )


def _warnings(prediction: Prediction) -> str:
    if not prediction.warnings:
        return ""
    items = "".join(
        f"<li><span>{escape(warning.message)}</span> "
        f'<code title="name of the warning">{escape(warning.code)}</code></li>'
        for warning in prediction.warnings
    )
    return f'<div class="hs-warnings" role="note"><h3>Read the gap with care</h3><ul>{items}</ul></div>'


def _timings(prediction: Prediction) -> str:
    timings = prediction.timings_ms
    stages = [
        f"{words} {getattr(timings, name):.0f} ms" for name, words in texts.STAGES if getattr(timings, name) >= 0.5
    ]
    return (
        f'<p class="hs-timings">{escape(" · ".join([*stages, f"total {timings.total:.0f} ms"]))} · '
        f"{escape(prediction.model.name)} {escape(prediction.model.version)} "
        f'<code title="SHA-256 of the artifact">{escape(prediction.model.sha256[:10])}</code></p>'
    )


def _share() -> str:
    """Downloads and copies are made by the browser from the answer it already has: nothing is written on the server."""
    buttons = [
        ("json", "JSON", "The whole answer"),
        ("csv", "CSV", "The table of atoms and their maps"),
        ("cif", "CIF", "The crystal with its maps as site properties"),
        ("png", "PNG", "The picture as it stands"),
        ("curl", "Copy as curl", "This very request for the command line"),
        ("python", "Copy as Python", "This very request for a script"),
    ]
    made = [
        f'<button type="button" class="hs-button" data-hs-share="{what}" title="{title}">{label}</button>'
        for what, label, title in buttons
    ]
    said = '<span class="hs-said" role="status"></span>'
    return f'<div class="hs-share" role="group" aria-label="Take the answer with you">{"".join(made)}{said}</div>'


def _read(summary: Summary | None) -> str:
    """Space group, cell and density as read, so that nothing is answered unseen."""
    if summary is None:
        return ""
    cell, group = summary.lattice, summary.space_group
    parts = [
        f"space group {group.symbol} ({group.number})" if group is not None else "",
        f"a {cell.a:.3f} b {cell.b:.3f} c {cell.c:.3f} Å",
        f"α {cell.alpha:.1f} β {cell.beta:.1f} γ {cell.gamma:.1f}°",
        f"{summary.density:.2f} g/cm³",
    ]
    return (
        f'<p class="hs-read" title="{escape(texts.READ_TITLE)}">'
        f"<span>As read</span> {escape(' · '.join(filter(None, parts)))}</p>"
    )


def answer_html(prediction: Prediction, alone: Prediction | None = None, read: Summary | None = None) -> str:
    """The answer.

    Args:
        prediction: What was asked for.
        alone: The same crystal without text, where the prediction used text.
        read: What was read from the file.
    """
    kind, why = texts.KINDS[prediction.kind]
    atoms = f"{prediction.n_atoms} atom{'s' if prediction.n_atoms != 1 else ''} in the cell"
    edge = escape(edge_in_words(prediction.gap_ev))
    raw = ""
    if prediction.gap_raw_ev < 0:
        raw = (
            f'<p class="hs-raw">The network gave {prediction.gap_raw_ev:.3f} eV; a gap below zero is reported as 0.</p>'
        )
    return (
        '<article class="hs-answer" aria-label="Answer">'
        f"<header><h2>{formula_html(prediction.formula)}</h2>"
        f'<span class="hs-kind hs-kind-{prediction.kind}" title="{escape(why)}">{kind}</span>'
        f'<span class="hs-from">{atoms} · from {texts.ORIGINS[prediction.description.origin]}</span>'
        f"</header>{_read(read)}"
        f'<div class="hs-gap-row"><p class="hs-gap" data-gap="{prediction.gap_ev:.6f}">'
        f"<span>{prediction.gap_ev:.2f}</span> eV</p>"
        f'<div class="hs-gap-side">{_interval(prediction)}'
        f'<p class="hs-edge" title="{escape(texts.HINT_EDGE_TITLE)}"><span>{texts.HINT_EDGE}</span> {edge}</p>'
        "</div></div>"
        f"{raw}{scale_html(prediction.gap_ev, prediction.interval_ev, without_text_ev=alone.gap_ev if alone else None)}"
        f"{_compared(prediction, alone)}{_modalities(prediction)}{_warnings(prediction)}"
        f"{_share()}{_timings(prediction)}</article>"
    )
