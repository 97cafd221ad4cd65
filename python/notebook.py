"""A result as HTML for a notebook: gap, scale, picture, warnings.

Its styles stand in it and it has no script, so that every notebook shows it; all words from outside are escaped.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from hsegap.ui.answer import formula_html
from hsegap.ui.scale import EV_NM, VISIBLE_NM, edge_in_words, landmarks_for, scale_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame

    from hsegap.prediction.schemas import FactReport, Prediction

#: Width of the scale and place of its line, px.
WIDTH, LINE = 440.0, 30.0
#: Characters shown of a description.
MOST_TEXT = 240
#: Atoms listed.
MOST_ATOMS = 12
_SOFT = "opacity:.7;font-size:.9em"


def result_html(result: Prediction, *, sites: Sequence[tuple[str, Sequence[float]]], atoms: DataFrame | None) -> str:
    """What a notebook shows of a result.

    Args:
        result: The answer.
        sites: Element and fractional coordinates of each atom, for the picture; none where they are not known.
        atoms: One row per atom; None without the per-atom values.
    """
    parts = [
        (
            f'<div style="font-size:1.05em"><b>{formula_html(result.formula)}</b> <span '
            f'style="{_SOFT}">{_count(result)}</span></div>'
        ),
        f'<div><b style="font-size:1.7em">{result.gap_ev:.2f} eV</b> HSE06 gap, {result.kind}</div>',
        f'<div style="{_SOFT}">{_interval(result)}{escape(edge_in_words(result.gap_ev))}</div>',
        scale_svg(result),
        _description(result),
        *(f'<div style="{_SOFT}">{_fact(fact)}</div>' for fact in result.facts),
        *(
            f'<div style="color:#b26a00">⚠ {escape(warning.message)} <code>{escape(warning.code)}</code></div>'
            for warning in result.warnings
        ),
        _atoms(atoms),
        (
            f'<div style="{_SOFT}">{escape(result.model.name)} {escape(result.model.version)}, '
            f"{result.timings_ms.total:.0f} ms</div>"
        ),
    ]
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start">'
        f'<div style="max-width:{WIDTH:.0f}px">{"".join(parts)}</div><div>{_picture(result, sites)}</div></div>'
    )


def _count(result: Prediction) -> str:
    name = f" · {escape(result.id)}" if result.id else ""
    return f"{result.n_atoms} atom{'' if result.n_atoms == 1 else 's'} in the cell{name}"


def _interval(result: Prediction) -> str:
    if result.interval_ev is None or result.coverage is None:
        return ""
    low, high = result.interval_ev
    return f"{result.coverage:.0%} interval {low:.2f} – {high:.2f} eV · "


def _description(result: Prediction) -> str:
    text = result.description.text
    if not text:
        return f'<div style="{_SOFT}">predicted from the structure alone</div>'
    shown = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()} …"
    return f'<div style="{_SOFT}"><i>{result.description.origin} text:</i> {escape(shown)}</div>'


def _fact(fact: FactReport) -> str:
    """A stated gap, and its effect."""
    name = fact.name.removesuffix("_ev").replace("_", " ")
    value = "" if fact.value is None else f" {fact.value:g} {fact.unit}"
    became = f"moved the gap by {fact.effect_ev:+.2f} eV" if fact.effect_ev is not None else f"not used: {fact.reason}"
    return escape(f"stated {name}{value} ({fact.origin}), {became}")


def _picture(result: Prediction, sites: Sequence[tuple[str, Sequence[float]]]) -> str:
    """The crystal; nothing where it is not known."""
    from hsegap.python.picture import picture_svg

    if result.lattice is None or not sites:
        return ""
    coords = np.array([coords for _, coords in sites])
    return picture_svg([element for element, _ in sites], coords, np.array(result.lattice))


def _atoms(frame: DataFrame | None) -> str:
    """A folded table of the first atoms."""
    if frame is None:
        return ""
    more = f", the first {MOST_ATOMS} of {len(frame)}" if len(frame) > MOST_ATOMS else ""
    table = frame.head(MOST_ATOMS).to_html(border=0, float_format=lambda value: f"{value:.4f}", na_rep="–")
    return f"<details><summary>atoms{more}</summary>{table}</details>"


def scale_svg(result: Prediction) -> str:
    """The gap and its interval on a scale beside materials everybody knows."""
    end = scale_end(result.gap_ev, *(result.interval_ev or ()))

    def at(energy: float) -> float:
        return WIDTH * min(max(energy, 0.0), end) / end

    low, high = (EV_NM / wavelength for wavelength in reversed(VISIBLE_NM))
    marks = [
        (
            f'<rect x="{at(low):.1f}" y="{LINE - 3}" width="{at(high) - at(low):.1f}" height="6" fill="#e0b000" '
            'fill-opacity=".45"/>'
        ),
        f'<line x1="0" x2="{WIDTH}" y1="{LINE}" y2="{LINE}" stroke="currentColor" stroke-opacity=".4"/>',
    ]
    if result.interval_ev is not None:
        left, right = (at(energy) for energy in result.interval_ev)
        size = f'width="{max(2.0, right - left):.1f}" height="10" rx="5"'
        marks.append(f'<rect x="{left:.1f}" y="{LINE - 5}" {size} fill="#1f6f8b" fill-opacity=".4"/>')
    for landmark in landmarks_for(end):
        if landmark.major:
            x = min(max(at(landmark.gap_ev), 10.0), WIDTH - 12)
            marks.append(
                f'<text x="{x:.1f}" y="14" text-anchor="middle" font-size="11" fill="currentColor" fill-opacity=".7">'
                f"<title>{landmark.name}: {landmark.gap_ev:g} eV, measured</title>{landmark.label}</text>"
                f'<line x1="{at(landmark.gap_ev):.1f}" x2="{at(landmark.gap_ev):.1f}" y1="18" y2="{LINE}" '
                'stroke="currentColor" stroke-opacity=".4"/>'
            )
    for tick in range(0, int(end) + 1, 2 if end <= 10 else 4):
        x = min(max(at(tick), 4.0), WIDTH - 16)
        unit = " eV" if tick else ""
        marks.append(
            f'<text x="{x:.1f}" y="{LINE + 20}" text-anchor="middle" font-size="11" '
            f'fill="currentColor">{tick}{unit}</text>'
        )
    marks.append(f'<circle cx="{at(result.gap_ev):.1f}" cy="{LINE}" r="6" fill="#d1495b" stroke="#fff"/>')
    spoken = f"Scale from 0 to {end:g} eV, predicted gap {result.gap_ev:.2f} eV"
    return (
        f'<svg width="{WIDTH:.0f}" height="{LINE + 26:.0f}" viewBox="-8 0 {WIDTH + 16:.0f} {LINE + 26:.0f}" role="img" '
        f'aria-label="{spoken}">{"".join(marks)}</svg>'
    )
