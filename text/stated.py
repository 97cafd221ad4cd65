"""What is read from a description: facts, whether they are used, and the text that is left.

How they are read is :mod:`hsegap.text.facts`, which a request without a description has no need to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Largest gap that is believed, eV.
MAX_GAP_EV = 30.0
#: Values that lie closer are one fact stated twice, perhaps rounded or by two programs.
SAME_EV = 0.1

Code = Literal["", "fact_not_used", "fact_not_taken", "fact_conflict"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that somebody states about a crystal.

    Attributes:
        name: ``pbe_gap_ev``, ``hse_gap_ev``, ``experimental_gap_ev`` or ``other_gap_ev``.
        value: In ``unit``; None where a sentence states none ("no PBE gap is known").
        unit: ``eV``.
        origin: ``text`` or ``request``.
        span: First character and end of the sentence in the text as given; None for a fact of the request.
        used: Whether the network may get it.
        reason: Why it is not used, as the end of a sentence; empty where it is.
        code: Kind of the warning it is worth (``fact_not_taken``: the network has no input for it); empty where it is
            used or only repeats a fact.
    """

    name: str
    value: float | None
    unit: str
    origin: Literal["text", "request"]
    span: tuple[int, int] | None
    used: bool
    reason: str = ""
    code: Code = ""


@dataclass(frozen=True, slots=True)
class FactReading:
    """What was read from a description.

    Attributes:
        facts: All facts, in the order of the text.
        text: What is left to be encoded, the sentences of the facts cut; the very text where there are none, None where
            nothing is left.
    """

    facts: tuple[Fact, ...]
    text: str | None
