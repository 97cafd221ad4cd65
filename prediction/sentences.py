"""The effect of each sentence of a description.

The answer minus the one without that sentence, facts kept as they are.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import SentenceReport
from hsegap.text.facts import extract_facts
from hsegap.text.folding import fold
from hsegap.text.sentences import split_sentences

if TYPE_CHECKING:
    from hsegap.prediction.loaded import Loaded
    from hsegap.prediction.prepared import Prepared

#: Sentences left out one after the other. An encoder of 256 tokens reads some fifteen.
MOST_SENTENCES = 40


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text start and end, white space around them left out."""
    folded = fold(text)
    spans = []
    for sentence in split_sentences(folded):
        end = sentence.start + len(folded.plain[sentence.start : sentence.end].rstrip())
        spans.append((folded.original(sentence.start), folded.original(end)))
    return spans


def sentence_effects(
    item: Prepared, loaded: Loaded, *, gap_raw_ev: float, expires_at: float
) -> list[SentenceReport] | Failure:
    """Leave out one sentence after the other.

    Sentences that state a band gap are not encoded in the first place and are not listed: their effect is the fact's.

    Args:
        item: The crystal with its description.
        loaded: Network and encoder.
        gap_raw_ev: The answer with the whole description.
        expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.

    Returns:
        One report per sentence in the order of the text, empty without text; a failure where the time was up.
    """
    text = item.description.text
    if text is None or not item.network_input.has_text:
        return []
    network, known = loaded.network(), item.network_input
    effects: dict[str | None, float] = {}
    reports = []
    for start, end in sentence_spans(text):
        left = extract_facts(text[:start] + text[end:].lstrip()).text
        left = left if left and left.strip() else None  # nothing left is no text, not an empty one
        if _same(left, item.told.text):
            continue
        if left not in effects:
            if len(effects) == MOST_SENTENCES:
                reports.append(SentenceReport(span=(start, end), effect_ev=None))
                continue
            if time.monotonic() > expires_at:
                return Failure.make(
                    "timeout",
                    "The time was up before every sentence was left out once.",
                    "Ask without `explain`, or shorten the text.",
                )
            bare = replace(known, tokens=loaded.encode(left).tokens, has_text=left is not None)
            effects[left] = gap_raw_ev - loaded.compute(partial(network.run, bare)).gap
        reports.append(SentenceReport(span=(start, end), effect_ev=effects[left]))
    return reports


def _same(one: str | None, other: str | None) -> bool:
    """Whether two texts are the same but for white space: the sentence left out was not encoded."""
    return (one or "").split() == (other or "").split()
