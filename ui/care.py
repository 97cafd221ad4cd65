"""What the reader of a gap should know before believing it: warnings in words, sorted by what they are about."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsegap.prediction.schemas import Prediction, Warn
    from hsegap.ui.words import Words

#: Warnings that the crystal itself is unlike all that the network has seen: its number, and the kind of material that
#: follows from it, may be anything.
UNSURE = frozenset({"crystal_unlike_training", "element_not_in_training"})
#: What is said in passing: a text is cut as in training, and hardly any is short enough not to be.
IN_PASSING = frozenset({"text_truncated"})
#: Warnings of the prediction; every other comes from reading the file and stands beside the picture.
ABOUT_GAP = UNSURE | {
    "larger_than_training",
    "text_unlike_training",
    "text_contradicts_crystal",
    "text_not_english",
    "fact_not_used",
    "fact_conflict",
    "fact_far_from_estimate",
    "swap_changes_size",
    "neighbours_changed",
}


def is_unsure(prediction: Prediction) -> bool:
    """Whether the crystal is unlike those of the training set."""
    return any(warning.code in UNSURE for warning in prediction.warnings)


def reading_notices(prediction: Prediction) -> list[Warn]:
    """What was repaired or assumed while the file was read."""
    return [warning for warning in prediction.warnings if warning.code not in ABOUT_GAP | IN_PASSING]


def in_short(code: str, words: Words) -> str:
    """A warning in a few words; its code where there are none."""
    return words.find(f"warning.{code}") or code.replace("_", " ")


def warning_item(warning: Warn, words: Words) -> str:
    """One warning as a list item: the message in English; elsewhere the code's own words, then the message."""
    code = f'<code title="{escape(words("care.code"))}">{escape(warning.code)}</code>'
    if words.is_english:
        return f"<li><span>{escape(warning.message)}</span> {code}</li>"
    said = escape(words.find(f"told.{warning.code}") or in_short(warning.code, words))
    return f'<li><span>{said}</span> <small lang="en">{escape(warning.message)}</small> {code}</li>'


def warnings_html(prediction: Prediction, words: Words) -> str:
    """The warnings about a gap, to stand beside it; how many more came from reading the file."""
    items = [warning_item(warning, words) for warning in prediction.warnings if warning.code in ABOUT_GAP]
    if notices := len(reading_notices(prediction)):
        items.append(f"<li><span>{escape(words('care.notices', n=notices))}</span></li>")
    if not items:
        return ""
    title = escape(words("care.unsure" if is_unsure(prediction) else "care.title"))
    return f'<div class="hs-warnings" role="note"><h3>{title}</h3><ul>{"".join(items)}</ul></div>'


def notes_html(prediction: Prediction, words: Words) -> str:
    """What is said in passing, below the gap; nothing where there is nothing to say."""
    return "".join(
        f'<p class="hs-note">{escape(warning.message if words.is_english else in_short(warning.code, words))}</p>'
        for warning in prediction.warnings
        if warning.code in IN_PASSING
    )
