"""The text with its sentences shaded by what each did to the gap, on a fixed scale in eV, and the numbers beside."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hsegap.ui.maps import CHANGED_EV, scale_for, signed_ev

if TYPE_CHECKING:
    from hsegap.prediction.schemas import Prediction, SentenceReport
    from hsegap.ui.words import Words


def _sentence(text: str, report: SentenceReport, scale: float, words: Words) -> str:
    """One sentence, its shade and its number."""
    effect = report.effect_ev
    if effect is None:
        return f'<span class="hs-part">{escape(text)} <small>{escape(words("weighed.not_tried"))}</small></span>'
    side = "raises" if effect > 0 else "lowers"
    share = min(1.0, abs(effect) / scale)
    return (
        f'<mark class="hs-part hs-{side}" data-effect="{effect:.6f}" style="--share:{100 * share:.0f}%">'
        f"{escape(text)} <small>{signed_ev(effect)} eV</small></mark>"
    )


def _legend(scale: float, words: Words) -> str:
    ends = "".join(f"<span>{label} eV</span>" for label in (f"−{scale:g}", "0", f"+{scale:g}"))
    said = escape(words("weighed.scale", scale=f"{scale:g}"))
    return f'<div class="hs-weighed-bar" aria-hidden="true"><i></i><div>{ends}</div></div><p class="hs-note">{said}</p>'


def weighed_html(prediction: Prediction, words: Words) -> str:
    """The text of a prediction made with ``explain``, as HTML.

    Sentences that are not encoded, those that state a gap above all, stand unshaded and without a number.
    """
    text, reports = prediction.description.text or "", prediction.sentences or []
    if not reports:
        return f'<p class="hs-note">{escape(words("weighed.no_sentence"))}</p>'
    scale = scale_for([report.effect_ev for report in reports if report.effect_ev is not None] or [0.0])
    parts, at = [], 0
    for report in sorted(reports, key=lambda report: report.span):
        start, end = report.span
        parts += [escape(text[at:start]), _sentence(text[start:end], report, scale, words)]
        at = end
    parts.append(escape(text[at:]))
    effect = prediction.text_effect_ev or 0.0
    key = "weighed.nothing" if abs(effect) < CHANGED_EV else "weighed.all"
    said = escape(words(key, change=signed_ev(effect)))
    return f'<p class="hs-told-said">{said}</p><p class="hs-weighed-text">{"".join(parts)}</p>{_legend(scale, words)}'
