"""What is known of a crystal beside its structure.

Facts of the request and of its text brought together, and what the network is told.

The sentences of a text that state a fact are cut before it is encoded, whether the fact is used or not
(:mod:`hsegap.text.facts`). A fact of the request counts before one of the text. What a network has no input for is
listed and not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from hsegap.prediction.schemas import FactReport, Warn
from hsegap.text.stated import SAME_EV, Fact, FactReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hsegap.prediction.schemas import Known

#: Facts listed in an answer, and warnings about them: a text may hold thousands of numbers.
MOST_LISTED = 50
MOST_WARNINGS = 10
#: A stated PBE gap this far from the network's own estimate, eV, is worth a warning. The estimate is off by 0.3 to 0.4
#: eV on average.
FAR_FROM_ESTIMATE_EV = 1.5

_NAMES = {
    "pbe_gap_ev": "PBE gap",
    "hse_gap_ev": "HSE gap",
    "experimental_gap_ev": "experimental gap",
    "other_gap_ev": "band gap",
}


@dataclass(frozen=True)
class Told:
    """What is said about a crystal.

    Attributes:
        facts: All facts stated, those of the request first, then in the order of the text.
        text: What is left of the description for the encoder; None for none.
        values: What the network is told, by name, eV.
        warnings: Why facts are not used.
    """

    facts: tuple[Fact, ...] = ()
    text: str | None = None
    values: dict[str, float] = field(default_factory=dict)
    warnings: tuple[Warn, ...] = ()

    @property
    def pbe_gap_ev(self) -> float | None:
        """The PBE gap that counts among those stated, whether the network takes it or not; None if none does."""
        usable = (
            fact.value
            for fact in self.facts
            if fact.name == "pbe_gap_ev" and (fact.used or fact.code == "fact_not_taken")
        )
        return next(usable, None)

    def reports(self, effects: Mapping[str, float]) -> list[FactReport]:
        """The facts as the answer lists them.

        Args:
            effects: By how many eV each used fact moved the gap.
        """
        listed = [fact for place, fact in enumerate(self.facts) if place < MOST_LISTED or fact.used]
        return [
            FactReport(
                name=fact.name,
                value=fact.value,
                unit=fact.unit,
                origin=fact.origin,
                span=fact.span,
                used=fact.used,
                effect_ev=effects.get(fact.name) if fact.used else None,
                reason=fact.reason or None,
            )
            for fact in listed
        ]


@lru_cache(maxsize=64)
def _read(description: str | None) -> FactReading:
    """Facts of a text; those of recent texts are remembered, for reading a long one takes milliseconds."""
    if description is None:
        return FactReading((), None)
    # A request without a description is answered without its patterns, which take a tenth of a command's time.
    from hsegap.text.facts import extract_facts

    return extract_facts(description)


def gather(description: str | None, known: Known | None, *, takes: Sequence[str]) -> Told:
    """Bring the facts of a text and of a request together.

    Args:
        description: The text as given; None for none.
        known: Facts of the request.
        takes: Names of the facts that the network has an input for.
    """
    reading = _read(description)
    facts = list(reading.facts)
    asked = known.pbe_gap_ev if known is not None else None
    if asked is not None:
        facts = [
            Fact("pbe_gap_ev", float(asked), "eV", "request", None, used=True),
            *(_yielding(fact, asked) for fact in facts),
        ]
    facts = [_not_taken(fact) if fact.used and fact.name not in takes else fact for fact in facts]
    values = {fact.name: fact.value for fact in facts if fact.used and fact.value is not None}
    return Told(tuple(facts), reading.text, values, tuple(_warnings(facts, description or "")))


def far_from_estimate(told: Told, estimate_ev: float | None) -> Warn | None:
    """A warning where a stated PBE gap does not fit the crystal.

    Args:
        told: What is said about the crystal.
        estimate_ev: The network's estimate of the PBE gap; None where it makes none.
    """
    stated = told.pbe_gap_ev
    if stated is None or estimate_ev is None or abs(stated - estimate_ev) <= FAR_FROM_ESTIMATE_EV:
        return None
    message = (
        f"The PBE gap stated, {stated:.2f} eV, lies far from the {max(0.0, estimate_ev):.2f} eV that the structure "
        "lets expect: "
        "check that it belongs to this crystal, and whether spin or +U changed it."
    )
    return Warn(code="fact_far_from_estimate", message=message)


def _yielding(fact: Fact, asked: float) -> Fact:
    """A fact of the text beside the same fact of the request."""
    if not fact.used or fact.value is None:
        return fact
    if abs(fact.value - asked) <= SAME_EV + 1e-9:
        return replace(fact, used=False, reason="the request states it")
    return replace(fact, used=False, reason=f"the request states {asked:g} eV, which counts", code="fact_conflict")


def _not_taken(fact: Fact) -> Fact:
    return replace(fact, used=False, reason="this model takes no known facts", code="fact_not_taken")


def _warnings(facts: Sequence[Fact], text: str) -> list[Warn]:
    warnings: list[Warn] = []
    said: set[tuple[str, str, float | None]] = set()
    worth = [fact for fact in facts if fact.code and fact.reason]
    for fact in worth:
        if (same := (fact.name, fact.reason, fact.value)) in said:
            continue
        said.add(same)
        if len(warnings) == MOST_WARNINGS:
            rest = len({(one.name, one.reason, one.value) for one in worth}) - MOST_WARNINGS
            warnings.append(Warn(code="fact_not_used", message=f"{rest} more statements about gaps are not used."))
            break
        value = "" if fact.value is None else f" of {fact.value:g} eV"
        where = "in the request" if fact.span is None else f"in the text ({_quoted(text[slice(*fact.span)])})"
        code = "fact_conflict" if fact.code == "fact_conflict" else "fact_not_used"
        warnings.append(
            Warn(
                code=code, message=f"The {_NAMES.get(fact.name, fact.name)}{value} {where} is not used: {fact.reason}."
            )
        )
    return warnings


def _quoted(sentence: str, most: int = 80) -> str:
    plain = " ".join(sentence[: 4 * most].split())
    return f'"{plain}"' if len(plain) <= most else f'"{plain[:most].rstrip()} …"'
