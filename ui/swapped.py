"""The crystals with one element in another's place, as a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hsegap.ui.answer import formula_html, signed
from hsegap.ui.care import in_short

if TYPE_CHECKING:
    from hsegap.prediction.what_if import SwapReport, WhatIf
    from hsegap.ui.words import Words

COLUMNS = (
    "swap.swap",
    "swap.formula",
    "swap.gap",
    "swap.change",
    "swap.interval",
    "swap.pbe",
    "swap.warnings",
)


def _row(one: SwapReport, words: Words, *, estimates: bool) -> str:
    low_high = "–" if one.interval_ev is None else f"{one.interval_ev[0]:.2f} – {one.interval_ev[1]:.2f}"
    warned = [
        f'<span title="{escape(warning.message)}" data-code="{escape(warning.code)}">'
        f"{escape(in_short(warning.code, words))}</span>"
        for warning in one.warnings
    ]
    cells = [
        f"{escape(one.element)} → {escape(one.by)}",
        formula_html(one.formula),
        f"{one.gap_ev:.2f}",
        f"{signed(one.change_ev)}",
        low_high,
        *(["–" if one.pbe_gap_estimate_ev is None else f"{one.pbe_gap_estimate_ev:.2f}"] if estimates else []),
        "; ".join(warned) or escape(words("swap.no_warning")),
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def swaps_html(found: WhatIf, words: Words) -> str:
    """All swaps as HTML; words in their place where there are none."""
    if not found.swaps:
        return f'<p class="hs-note">{escape(words("swap.none"))}</p>'
    estimates = any(one.pbe_gap_estimate_ev is not None for one in found.swaps)
    names = [name for name in COLUMNS if estimates or name != "swap.pbe"]
    head = "".join(f'<th scope="col">{escape(words(name))}</th>' for name in names)
    rows = "".join(_row(one, words, estimates=estimates) for one in found.swaps)
    return (
        f'<div class="hs-scroller" tabindex="0"><table class="hs-table hs-near hs-swaps"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
