"""Which functional belongs to which number of a sentence.

People write "PBE gap: 0.6 eV, HSE06: 1.2 eV", "0.6 eV in PBE and 1.2 eV in HSE06", "PBE (HSE06) gap of 0.6 (1.2) eV". A
mark (a functional, or the word *direct*) that follows its number closely is bound to it first; what is left pairs in
runs, and where that is not one to one, nothing is guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hsegap.text.fact_vocabulary import HSE, OTHER, PBE, PBE_LIKE, UNNAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.text.fact_vocabulary import Token

#: Several marks of different meaning and no way to tell which counts.
MIXED = "mixed"

_AFTER = re.compile(
    r"\s{0,3}(?:@\s?|[(\[]\s?(?:(?:from|with|by|in|at|using)\s)?(?:the\s)?"
    r"|(?:,?\s?(?:as\s)?(?:calculated|computed|obtained|predicted|given|found|estimated|determined|reported|derived|measured|according)\s)?"
    r"(?:in|with|by|from|using|at|within|under|via|to|on|for)\s(?:the\s|an?\s)?(?:level\sof\s)?|)\Z",
    re.IGNORECASE,
)
_DIRECTLY = re.compile(r"\s{0,3}[:=]?\s{0,3}\Z")
_JOINED = re.compile(r"[\s(/-]{0,3}\Z")
#: Longest stretch between a number and the mark behind it.
_REACH = 60


class Mark(NamedTuple):
    """A word that says something about a number near it: its class, and its place in the sentence."""

    label: str
    start: int
    end: int


def marks_of(tokens: Sequence[Token], sentence: str) -> list[Mark]:
    """The methods of a sentence, neighbours that name one thing together ("GGA (PBE)", "DFT-PBE") joined."""
    marks: list[Mark] = []
    for token in tokens:
        if token.kind != "method":
            continue
        mark = Mark(token.label, token.start, token.end)
        if (
            marks
            and _JOINED.match(sentence[marks[-1].end : mark.start][:5])
            and (joined := _together(marks[-1].label, mark.label))
        ):
            mark = Mark(joined, marks.pop().start, mark.end)
        marks.append(mark)
    return marks


def pair(sentence: str, marks: Sequence[Mark], spans: Sequence[tuple[int, int]], *, ends: str = ")]") -> list[str]:
    """Give each number its mark.

    Args:
        sentence: The folded sentence.
        marks: Its marks in order.
        spans: First character and end of each number, in order.
        ends: What closes a bracket.

    Returns:
        A label per number: that of a mark, :data:`MIXED`, or empty where no mark speaks of it.
    """
    labels = [""] * len(spans)
    free = _bind_closely(sentence, marks, spans, labels, ends)
    events = sorted(
        [(mark.start, False, index) for index, mark in enumerate(marks) if index in free]
        + [(start, True, index) for index, (start, _) in enumerate(spans) if not labels[index]]
    )
    runs: list[tuple[bool, list[int]]] = []
    for _, is_number, index in events:
        if not runs or runs[-1][0] != is_number:
            runs.append((is_number, []))
        runs[-1][1].append(index)
    for place, (is_number, numbers) in enumerate(runs):
        if not is_number:
            continue
        before = runs[place - 1][1] if place else []
        # The mark behind is taken only by numbers that have none before them, and only if no other number waits for it.
        run = before or (runs[place + 1][1] if place + 2 == len(runs) else [])
        for number, label in zip(numbers, _labels([marks[index].label for index in run], len(numbers)), strict=True):
            labels[number] = label
    return labels


def _bind_closely(
    sentence: str, marks: Sequence[Mark], spans: Sequence[tuple[int, int]], labels: list[str], ends: str
) -> set[int]:
    """Bind marks that stand right behind a number; returns the indices of the others."""
    free = set(range(len(marks)))
    first = 0
    for index, (_, end) in enumerate(spans):
        following = spans[index + 1][0] if index + 1 < len(spans) else len(sentence) + 1
        while first < len(marks) and marks[first].start < end:
            first += 1
        candidate = first
        while candidate < len(marks) and marks[candidate].start - end <= _REACH and marks[candidate].start < following:
            mark = marks[candidate]
            if mark.label != UNNAMED or candidate + 1 >= len(marks):
                break
            candidate += 1
        else:
            continue
        if _AFTER.match(sentence[end : marks[candidate].start]) and not _belongs_to_next(
            sentence, end, marks[candidate], following, ends
        ):
            labels[index] = marks[candidate].label
            free -= set(range(first, candidate + 1))
    return free


def _belongs_to_next(sentence: str, end: int, mark: Mark, following: int, ends: str) -> bool:
    if following > len(sentence):
        return False
    link = sentence[end : mark.start]
    if "(" in link or "[" in link:
        close = min((place for sign in ends if (place := sentence.find(sign, mark.end, following)) >= 0), default=-1)
        return close < 0
    between = sentence[mark.end : following]
    if not link.strip():
        # "0.6 eV PBE 1.2 eV HSE" and "PBE 0.6 eV HSE 1.2 eV" look alike; only a stop behind the mark ties it to what is
        # before.
        return not re.match(r"\s?(?:band\s?)?(?:gap)?\s?[,;.)\u3001]", between)
    return _DIRECTLY.match(between) is not None


def _labels(run: list[str], numbers: int) -> list[str]:
    named = [label for label in run if label != UNNAMED] or run[:1]
    if len(named) == numbers:
        return named
    label = named[0] if named else ""
    for other in named[1:]:
        label = _together(label, other) or MIXED
    return [label] * numbers


def _together(one: str, other: str) -> str | None:
    """The label of two marks that can speak of one thing."""
    if other in (one, UNNAMED):
        return one
    if one == UNNAMED:
        return other
    if {one, other} == {PBE, PBE_LIKE}:
        return PBE
    if {one, other} == {HSE, OTHER}:
        return HSE
    return None
