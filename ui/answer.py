"""A prediction, or the named error in its place, as HTML. Everything that came from outside is escaped here."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from hsegap.ui.care import is_unsure, notes_html, warnings_html
from hsegap.ui.scale import edge_range, scale_html
from hsegap.ui.words import Words

if TYPE_CHECKING:
    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import FactReport, Prediction

#: Stages of an answer whose milliseconds are shown.
STAGES = ("read", "graph", "describe", "text", "network")
#: Ways to take an answer along, made by the browser from what it already has: nothing is written on the server.
SHARED = ("json", "csv", "cif", "png", "curl", "python", "link")


def formula_html(formula: str) -> str:
    """``TiO2`` → ``TiO<sub>2</sub>``."""
    return re.sub(r"(\d+(?:\.\d+)?)", r"<sub>\1</sub>", escape(formula))


def signed(value: float) -> str:
    """A number with its sign, as print does it."""
    return f"{'−' if value < 0 else '+'}{abs(value):.2f}"


def error_html(failure: Failure, words: Words | None = None) -> str:
    """A named error beside the input: what is wrong, what to do next, and the name to look up.

    In another language than English the code's own sentences come first; the server's, which name the atom or the
    line, follow as they are.
    """
    words = words or Words()
    error = failure.error
    message, hint = words.find(f"error.{error.code}"), words.find(f"hint.{error.code}")
    if words.is_english or message is None or hint is None:
        said = f"<strong>{escape(error.message)}</strong><span>{escape(error.hint)}</span>"
    else:
        own = f"{error.message} {error.hint}"
        said = f'<strong>{escape(message)}</strong><span>{escape(hint)}</span><small lang="en">{escape(own)}</small>'
    return f'<div class="hs-error" role="alert">{said}<code>{escape(error.code)}</code></div>'


def empty_html(words: Words) -> str:
    """What stands where the answer will be."""
    return f'<div class="hs-empty"><p>{escape(words("answer.empty"))}</p></div>'


def _interval(prediction: Prediction, words: Words, *, unsure: bool) -> str:
    """The interval as a range, and what it means."""
    if prediction.interval_ev is None or not prediction.coverage:
        return f'<p class="hs-interval-words">{escape(words("answer.no_interval"))}</p>'
    low, high = prediction.interval_ev
    meaning = words(
        "answer.interval_unsure" if unsure else "answer.interval_meaning", share=f"{100 * prediction.coverage:.0f}"
    )
    return f'<p class="hs-interval-words"><strong>{low:.2f} – {high:.2f} eV</strong> <span>{escape(meaning)}</span></p>'


def _edge(prediction: Prediction, words: Words) -> str:
    """The absorption edge over the interval; nothing for a metal, which has none."""
    if prediction.kind == "metal":
        return ""
    shown = edge_range(prediction.interval_ev or (prediction.gap_ev, prediction.gap_ev), words)
    return (
        f'<p class="hs-edge"><span>{escape(words("answer.edge"))}</span> {escape(shown + words("sentence.end"))} '
        f"<small>{escape(words('answer.edge_shifted'))}</small></p>"
    )


def _told(prediction: Prediction) -> bool:
    """Whether the network was told anything beside the structure."""
    return prediction.description.origin != "none" or any(fact.used for fact in prediction.facts)


def _compared(prediction: Prediction, words: Words) -> str:
    """The prediction beside the one from the structure alone, which the network computed with it."""
    if not _told(prediction):
        return ""
    change = prediction.gap_ev - prediction.gap_without_text_ev
    rows = (
        ('<i class="hs-dot"></i>', "answer.with_text", f"{prediction.gap_ev:.2f}"),
        ('<i class="hs-dot hs-dot-alone"></i>', "answer.alone", f"{prediction.gap_without_text_ev:.2f}"),
        ("", "answer.moved", signed(change)),
    )
    made = (f"<div><dt>{dot}{escape(words(key))}</dt><dd>{value} eV</dd></div>" for dot, key, value in rows)
    return f'<dl class="hs-compare">{"".join(made)}</dl>'


def _fact(fact: FactReport, words: Words) -> str:
    """One stated gap and what became of it."""
    name = words.find(f"fact.{fact.name}") or words("fact.other_gap_ev")
    value = "" if fact.value is None else f" {fact.value:g} {fact.unit}"
    where = words(f"fact.from_{fact.origin}")
    if fact.used:
        became = (
            words("fact.used") if fact.effect_ev is None else words("fact.moved", change=f"{signed(fact.effect_ev)} eV")
        )
    else:
        became = words("fact.not_used")
    reason = f' <small lang="en">({escape(fact.reason)})</small>' if fact.reason and not fact.used else ""
    said = words("fact.said", name=f"{name}{value}", where=where, became=became)
    return f"<li>{escape(said)}{reason}</li>"


def _facts(prediction: Prediction, words: Words) -> str:
    """Gaps that the field or the text states, and the PBE gap that the network expects."""
    items = [_fact(fact, words) for fact in prediction.facts]
    if prediction.pbe_gap_estimate_ev is not None:
        expected = words("fact.estimate", gap=f"{prediction.pbe_gap_estimate_ev:.2f} eV")
        items.append(f"<li>{escape(expected)}</li>")
    return f'<ul class="hs-told">{"".join(items)}</ul>' if items else ""


def _modalities(prediction: Prediction, words: Words) -> str:
    """How much the last fusion took from the graph and from the text."""
    if prediction.description.origin == "none":
        return ""
    graph, text = prediction.modality_weights.graph, prediction.modality_weights.text
    total = graph + text
    if total <= 0:
        return ""
    share = 100 * graph / total
    ends = [words("answer.weight_graph", share=f"{share:.0f}"), words("answer.weight_text", share=f"{100 - share:.0f}")]
    title = words("answer.weights")
    spoken = words("answer.weights_spoken", graph=ends[0], text=ends[1])
    return (
        f'<div class="hs-modal" role="img" aria-label="{escape(spoken)}">'
        f'<div class="hs-modal-bar" aria-hidden="true"><span style="width:{share:.1f}%"></span></div>'
        f'<div class="hs-modal-words" aria-hidden="true"><span>{escape(ends[0])}</span><span>{escape(title)}</span>'
        f"<span>{escape(ends[1])}</span></div></div>"
    )


def _timings(prediction: Prediction, words: Words) -> str:
    timings = prediction.timings_ms
    stages = [
        f"{words(f'stage.{name}')} {getattr(timings, name):.0f} ms" for name in STAGES if getattr(timings, name) >= 0.5
    ]
    total = words("stage.total")
    return (
        f'<p class="hs-timings">{escape(" · ".join([*stages, f"{total} {timings.total:.0f} ms"]))} · '
        f"{escape(prediction.model.name)} {escape(prediction.model.version)} "
        f'<code title="{escape(words("answer.sha"))}">{escape(prediction.model.sha256[:10])}</code></p>'
    )


def _share(words: Words) -> str:
    made = [
        f'<button type="button" class="hs-button" data-hs-share="{what}" '
        f'title="{escape(words(f"share.{what}_title"))}">{escape(words(f"share.{what}"))}</button>'
        for what in SHARED
    ]
    said = '<span class="hs-said" role="status"></span>'
    return f'<div class="hs-share" role="group" aria-label="{escape(words("share.label"))}">{"".join(made)}{said}</div>'


def _badge(prediction: Prediction, words: Words, *, unsure: bool) -> str:
    """The kind of material; "unsure" where the crystal is unlike all that the network has seen, whatever the number."""
    kind = "unsure" if unsure else prediction.kind
    title = escape(words(f"kind.{kind}_title"))
    return f'<span class="hs-kind hs-kind-{kind}" title="{title}">{escape(words(f"kind.{kind}"))}</span>'


def answer_html(prediction: Prediction, words: Words | None = None) -> str:
    """The answer.

    Args:
        prediction: What was asked for.
        words: In which language; None takes English.
    """
    words = words or Words()
    unsure = is_unsure(prediction)
    atoms = words("answer.atom" if prediction.n_atoms == 1 else "answer.atoms", n=prediction.n_atoms)
    origin = words(f"origin.{prediction.description.origin}")
    raw = ""
    if prediction.gap_raw_ev < 0:
        raw = f'<p class="hs-raw">{escape(words("answer.raw", gap=f"{prediction.gap_raw_ev:.3f}"))}</p>'
    alone = prediction.gap_without_text_ev if _told(prediction) else None
    sign = f'<span class="hs-sign" role="img" aria-label="{escape(words("kind.unsure"))}">!</span>' if unsure else ""
    return (
        f'<article class="hs-answer{" hs-unsure" if unsure else ""}" aria-label="{escape(words("answer.label"))}">'
        f"<header><h2>{formula_html(prediction.formula)}</h2>{_badge(prediction, words, unsure=unsure)}"
        f'<span class="hs-from">{escape(f"{atoms} · {origin}")}</span></header>'
        f'<div class="hs-gap-row"><p class="hs-gap" data-gap="{prediction.gap_ev:.6f}">'
        f"<span>{prediction.gap_ev:.2f}</span> eV{sign}</p>"
        f'<div class="hs-gap-side">{warnings_html(prediction, words)}{_interval(prediction, words, unsure=unsure)}'
        f"{_edge(prediction, words)}{notes_html(prediction, words)}</div></div>"
        f"{raw}{scale_html(prediction.gap_ev, prediction.interval_ev, without_text_ev=alone, words=words)}"
        f"{_compared(prediction, words)}{_facts(prediction, words)}{_modalities(prediction, words)}{_share(words)}"
        f"{_timings(prediction, words)}</article>"
    )
