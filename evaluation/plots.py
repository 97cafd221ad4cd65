"""Plots of an evaluation as SVG.

Written by hand: where artifacts are evaluated there need be no plotting library, and the same figures give the same
file.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.evaluation.figures import Pair

#: Colours of the families, readable side by side and without colour vision.
COLOURS = {
    "oxides": "#0072b2",
    "halides": "#009e73",
    "chalcogenides": "#e69f00",
    "pnictides": "#cc79a7",
    "others": "#7f7f7f",
    "metals": "#000000",
}
_STYLE = (
    "<style>text{font:13px "
    "system-ui,sans-serif;fill:#222}.axis{stroke:#888;fill:none}.grid{stroke:#e6e6e6}.small{font-size:11px}</style>"
)


def _svg(width: int, height: int, title: str, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img">'
        f'<title>{escape(title)}</title>{_STYLE}<rect width="{width}" height="{height}" '
        f'fill="#fff"/>{"".join(body)}</svg>\n'
    )


def parity(groups: dict[str, list[Pair]], *, title: str) -> str:
    """Predicted against known gaps, one colour per family, intervals as faint lines.

    Args:
        groups: Predictions by family.
        title: What is shown.
    """
    side, left, top = 420, 60, 40
    largest = max([1.0, *(max(pair.gap_ev, pair.answer.gap_ev) for pairs in groups.values() for pair in pairs)])
    scale = side / (int(largest) + 1)

    def x(value: float) -> float:
        return round(left + value * scale, 1)

    def y(value: float) -> float:
        return round(top + side - min(value * scale, side), 1)

    ticks = range(0, int(largest) + 2, 1 if largest < 8 else 2)
    body = [
        f'<text x="{left}" y="22">{escape(title)}</text>',
        *(f'<line class="grid" x1="{x(t)}" y1="{top}" x2="{x(t)}" y2="{top + side}"/>' for t in ticks),
        *(f'<line class="grid" x1="{left}" y1="{y(t)}" x2="{left + side}" y2="{y(t)}"/>' for t in ticks),
        *(f'<text class="small" x="{x(t)}" y="{top + side + 16}" text-anchor="middle">{t}</text>' for t in ticks),
        *(f'<text class="small" x="{left - 8}" y="{y(t) + 4}" text-anchor="end">{t}</text>' for t in ticks),
        f'<rect class="axis" x="{left}" y="{top}" width="{side}" height="{side}"/>',
        f'<line class="axis" x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}" stroke-dasharray="4 3"/>',
        f'<text x="{left + side / 2}" y="{top + side + 36}" text-anchor="middle">known HSE06 gap (eV)</text>',
        f'<text transform="translate(18 {top + side / 2}) rotate(-90)" text-anchor="middle">predicted (eV)</text>',
    ]
    for name, pairs in groups.items():
        for pair in pairs:
            if pair.answer.interval_ev is not None:
                low, high = pair.answer.interval_ev
                at = x(pair.gap_ev)
                body.append(
                    f'<line x1="{at}" y1="{y(low)}" x2="{at}" y2="{y(high)}" stroke="{COLOURS[name]}" '
                    'stroke-opacity=".12"/>'
                )
    for index, (name, pairs) in enumerate(groups.items()):
        body += [
            f'<circle cx="{x(pair.gap_ev)}" cy="{y(pair.answer.gap_ev)}" r="2.6" fill="{COLOURS[name]}" '
            'fill-opacity=".7">'
            f"<title>{escape(pair.id)} {escape(pair.answer.formula)}</title></circle>"
            for pair in pairs
        ]
        body.append(f'<circle cx="{left + side + 20}" cy="{top + 12 + 20 * index}" r="4" fill="{COLOURS[name]}"/>')
        body.append(
            f'<text class="small" x="{left + side + 30}" y="{top + 16 + 20 * index}">{escape(name)} '
            f"({len(pairs)})</text>"
        )
    return _svg(left + side + 160, top + side + 50, title, body)


def bars(values: dict[str, dict[str, Any]], *, title: str) -> str:
    """Mean absolute error per group as horizontal bars, with the number of crystals.

    Args:
        values: ``{"group": {"errors": {"mae": …, "n": …}}}``.
        title: What is shown.
    """
    left, width, row = 120, 360, 24
    known = {name: entry["errors"] for name, entry in values.items() if entry.get("errors")}
    largest = max([0.1, *(entry["mae"] for entry in known.values())])
    body = [f'<text x="12" y="22">{escape(title)}</text>']
    for index, (name, entry) in enumerate(known.items()):
        top, length = 40 + row * index, round(entry["mae"] / largest * width, 1)
        body.append(f'<text x="{left - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>')
        body.append(
            f'<rect x="{left}" y="{top}" width="{length}" height="16" fill="{COLOURS.get(name, "#0072b2")}" '
            'fill-opacity=".75"/>'
        )
        body.append(
            f'<text class="small" x="{left + length + 6}" y="{top + 13}">{entry["mae"]:.2f} eV, {entry["n"]} '
            "crystals</text>"
        )
    return _svg(left + width + 140, 50 + row * len(known), title, body)
