"""What stands below the maps: the answer at ± 1 % of the lattice, and the training crystals that lie nearest."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsegap.prediction.schemas import NeighbourReport, Prediction
    from hsegap.ui.words import Words

COLUMNS = ("near.formula", "near.group", "near.hse", "near.pbe", "near.distance")


def _row(one: NeighbourReport) -> str:
    cells = (
        f"{escape(one.formula)} <small>{escape(one.id)}</small>",
        "–" if one.space_group is None else str(one.space_group),
        f"{one.hse_gap_ev:.2f}",
        "–" if one.pbe_gap_ev is None else f"{one.pbe_gap_ev:.2f}",
        f"{one.distance:.2f}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def explained_html(prediction: Prediction, words: Words) -> str:
    """Sensitivity and neighbours as HTML; empty where the prediction has neither."""
    parts = []
    if prediction.sensitivity_ev is not None:
        low, high = sorted(prediction.sensitivity_ev)
        said = words("near.sensitivity", low=f"{low:.2f}", high=f"{high:.2f}")
        parts.append(f'<p class="hs-sensitivity">{escape(said)}</p>')
    if prediction.neighbours:
        head = "".join(f'<th scope="col">{escape(words(name))}</th>' for name in COLUMNS)
        rows = "".join(_row(one) for one in prediction.neighbours)
        parts.append(
            f"<h3>{escape(words('near.title'))}</h3>"
            f'<p class="hs-meaning">{escape(words("near.meaning"))}</p>'
            f'<div class="hs-scroller" tabindex="0"><table class="hs-table hs-near"><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
    return "".join(parts)
