"""What one sentence states about band gaps.

Every energy or "metallic" in it, by which method, and whether it may be used as a PBE gap.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from hsegap.text.fact_pairing import MIXED, Mark, marks_of, pair
from hsegap.text.fact_vocabulary import EXPERIMENT, HSE, OTHER, PBE, PBE_LIKE, UNNAMED, tokens
from hsegap.text.stated import MAX_GAP_EV

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.text.fact_values import Quantity
    from hsegap.text.fact_vocabulary import Token

#: A range or an uncertainty wider than this does not tell a gap; the networks are trained on facts with an error of 0.1
#: eV.
MAX_WIDTH_EV = 0.2

_NAMES = {PBE: "pbe_gap_ev", PBE_LIKE: "pbe_gap_ev", HSE: "hse_gap_ev", EXPERIMENT: "experimental_gap_ev"}
_BOUND_BEFORE = re.compile(
    r"(?:[<>\u2264\u2265]|(?:less|more|greater|larger|smaller|lower|higher|wider)\sthan|below|above|at\s(?:least|most)|up\sto|over|under|exceed(?:s|ing)"
    r"|\u5c0f\u4e8e|\u5927\u4e8e|\u8d85\u8fc7|\u81f3\u5c11|\u81f3\u591a|\u4f4e\u4e8e|\u9ad8\u4e8e)\s{0,8}(?:about\s|ca\.?\s|~\s?)?\Z",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(r"\s{0,3}or\s(?:more|less|higher|lower|above|below)", re.IGNORECASE)
_BY_BEFORE = re.compile(r"\bby\s(?:about\s|ca\.?\s|approximately\s|up\sto\s|~\s?)?\Z", re.IGNORECASE)
_CHANGE_AFTER = re.compile(
    r"\s{0,3}(?:too\s)?(?:smaller|larger|lower|higher|wider|narrower|less|more|below|above|low|high|small|large|off)\b",
    re.IGNORECASE,
)
_CONNECTED = re.compile(
    r"[\s\"'):\]=~|^_>-]{0,24}(?:(?:is|was|are|of|equals?|equal to|about|ca\.?|approx\.?|approximately|around"
    r"|roughly|gives?|yields?|predicts?|shows?|at|to be"
    r"|value|level|functional|calculations?|a|gap|ev|\u4e3a|\u7ea6|\u662f|\u7ea6\u4e3a|\u4e0b|\u6cdb\u51fd)[\s\"':=~)]{0,8}){0,5}\Z",
    re.IGNORECASE,
)
_LIST_LINK = re.compile(
    r"[\s,;/()\[\]\u3001|~]{0,8}(?:(?:and|or|vs\.?|versus|in|with|for|eV|\u548c|\u4e0e)[\s,/()\u3001]{0,4}){0,3}\Z",
    re.IGNORECASE,
)
#: What may stand behind a number without a unit; a word there would be what it counts.
_ENDS_NUMBER = re.compile(
    r"\s{0,4}(?:\Z|[.,;:)\]|/\"'\u3001\u3002\uff1f?(\[}]|(?:and|or|in|at|by|with|from|for|using|within|but|while|whereas|vs|respectively|which)\b|[\u4e00-\u9fff])"
)
#: Behind a number in a sentence about gaps: lengths and counts are no energies.
_COUNTED = re.compile(r"\s{0,4}(?:%|\u00c5|\u00b0|[A-Za-z]{4,}|(?:\u00c5|A|nm|pm|K|GPa|at|of|x)\b|[-\u00b7x^])")
#: ``ENCUT =`` and other symbols that are no gap.
_SYMBOL = re.compile(r"([A-Za-z][\w-]{0,20})\s{0,3}=\s{0,3}\Z")
_NEUTRAL_SYMBOLS = frozenset(("E", "Delta", "value", "gap"))
_IS_BEFORE = re.compile(
    r"(?:is|are|was|be|becomes?|remains?|as|behaves|[:=|])\s{0,3}(?:(?:an?|also|clearly|a good)\s)?\Z", re.IGNORECASE
)
_SENTENCE_FLAGS = {
    "hypothesis": "the sentence supposes or asks, it does not state",
    "condition": "the gap is that of a changed calculation or crystal (strain, pressure, spin-orbit coupling, +U, "
    "doping)",
    "spin": "the gap is that of one spin channel",
    "compare": "the sentence compares and may speak of another crystal",
}
_METHOD_REASONS = {
    HSE: "an HSE gap is what is predicted here, never an input",
    EXPERIMENT: "an experimental gap is no PBE gap",
    OTHER: "only gaps of PBE and similar functionals (GGA) are used, not of LDA, meta-GGA, DFT+U, spin-orbit "
    "coupling, other hybrids or GW",
    UNNAMED: "the sentence names no functional",
    MIXED: "the sentence names several methods and does not say clearly whose gap it is",
    "": "the sentence names no functional",
}


class Context(NamedTuple):
    """What a heading or the sentence before already said: that gaps are spoken of, and by which method."""

    gap: bool = False
    method: str = ""


class Statement(NamedTuple):
    """One gap stated.

    Attributes:
        name: ``pbe_gap_ev``, ``hse_gap_ev``, ``experimental_gap_ev`` or ``other_gap_ev``.
        value: In eV; None where none is stated or it cannot be read.
        reason: Why it cannot be used; empty where it can.
        method: Class of the method.
        kind: ``direct``, ``indirect`` or empty.
    """

    name: str
    value: float | None
    reason: str
    method: str
    kind: str = ""


class _Item(NamedTuple):
    start: int
    end: int
    value: float | None
    reason: str


def context_of(sentence: str) -> Context:
    """What a sentence says for the ones under it."""
    found = tokens(sentence)
    labels = {mark.label for mark in marks_of(found, sentence) if mark.label != UNNAMED}
    gap = any(token.kind == "gap" or (token.kind == "zero" and "gap" in token.text.lower()) for token in found)
    return Context(gap, labels.pop() if len(labels) == 1 else "")


def read_statements(sentence: str, context: Context = Context()) -> list[Statement]:  # noqa: B008 (a named tuple does not change)
    """Read the gaps that a folded sentence states.

    Args:
        sentence: One sentence, or a row of a table written as one.
        context: What stands above it.

    Returns:
        The statements in order; none where the sentence states no gap.
    """
    found = tokens(sentence)
    marks = marks_of(found, sentence)
    gap = context.gap or any(
        token.kind == "gap" or (token.kind == "zero" and "gap" in token.text.lower()) for token in found
    )
    named = any(mark.label not in (UNNAMED, EXPERIMENT) for mark in marks)
    items = sorted(
        _energies(sentence, found, gap=gap, named=named)
        + _metals(sentence, found, spoken_of=gap or bool(marks))
        + _unknowns(found, gap=gap)
    )
    if not items:
        items = _denials(found, gap=gap)
    spans = [(item.start, item.end) for item in items]
    methods = pair(sentence, marks, spans)
    if not any(mark.label != UNNAMED for mark in marks):
        methods = [context.method or method for method in methods]
    kinds = pair(
        sentence,
        [Mark(token.kind, token.start, token.end) for token in found if token.kind in ("direct", "indirect")],
        spans,
    )
    plain = sum(token.kind == "plain" for token in found)
    flags = [
        reason
        for kind, reason in _SENTENCE_FLAGS.items()
        if any(token.kind == kind for token in found) and not (kind == "condition" and plain)
    ]
    statements = []
    for item, method, kind in zip(items, methods, kinds, strict=True):
        reason = _METHOD_REASONS.get(method) or item.reason or (flags[0] if flags else "")
        if not reason and not gap and item.value != 0:
            reason = "the sentence does not say that this energy is a band gap"
        statements.append(Statement(_NAMES.get(method, "other_gap_ev"), item.value, reason, method, kind))
    return statements


def _energies(sentence: str, found: Sequence[Token], *, gap: bool, named: bool) -> list[_Item]:
    """Energies that are gaps, or that no word says to be anything else."""
    if not (gap or named):
        return []
    owners = _Owners(sentence)
    items = []
    for index, token in enumerate(found):
        if token.kind != "value":
            owners.see(token)
            continue
        unit = _unit(sentence, found, index, gap=gap)
        if unit is None:
            continue
        owner = owners.of(token, found[index + 1] if index + 1 < len(found) else None)
        if owner == "foreign" or _is_of_a_symbol(sentence, found, index):
            continue
        value, reason = _value(token.quantity, unit)
        items.append(_Item(token.start, token.end, value, _doubt(sentence, found, index, owner) or reason))
    return items


def _is_of_a_symbol(sentence: str, found: Sequence[Token], index: int) -> bool:
    start = max(0, found[index].start - 30)
    match = _SYMBOL.search(sentence[start : found[index].start])
    if match is None or match[1] in _NEUTRAL_SYMBOLS:
        return False
    end = start + match.end(1)
    return not (index and found[index - 1].end == end and found[index - 1].kind in ("gap", "method", "unit"))


class _Owners:
    """Which quantity a number belongs to.

    The nearest one named before it, or one that follows at once ("520 eV cutoff").
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._last = ""
        self._spent = False
        self._before = ""
        self._last_value = -1

    def see(self, token: Token) -> None:
        if token.kind in ("gap", "foreign", "difference"):
            if token.kind == "gap":
                self._before = "gap"
            self._last, self._spent = token.kind, False

    def of(self, value: Token, following: Token | None) -> str:
        sentence = self._sentence
        listed = self._last_value >= 0 and _LIST_LINK.match(sentence[self._last_value : value.start][:40]) is not None
        if self._last in ("foreign", "difference") and self._spent and not listed:
            self._last = self._before
        self._spent = True
        self._last_value = value.end
        if (
            following is not None
            and following.kind in ("foreign", "difference")
            and not sentence[value.end : following.start].strip(" -")
        ):
            behind = sentence[following.end : following.end + 12]
            if not re.match(r"\s{0,3}(?:[:=]|of\s|is\s)?\s{0,3}[\d.+-]", behind):
                return following.kind
        return self._last


def _unit(sentence: str, found: Sequence[Token], index: int, *, gap: bool) -> str | None:
    """Unit of a number: written, shared with its list, from a heading such as "gap (eV)", or eV behind "gap =".

    None if it is no energy.

    Empty where it stands for a gap and a strange unit follows.
    """
    token = found[index]
    quantity = token.quantity
    if quantity is None or quantity.unit is not None:
        return "ev" if quantity is None else quantity.unit
    if re.search(r"[A-Za-z]-\Z", sentence[max(0, token.start - 2) : token.start]):
        return None
    plain = _ENDS_NUMBER.match(sentence[token.end : token.end + 16]) is not None
    shared = (_listed_unit(sentence, found, index, 1) or _listed_unit(sentence, found, index, -1)) if plain else None
    if shared is not None:
        return shared
    place = index - 1
    while place >= 0 and found[place].kind == "separator" and found[place].text in "()[]|":
        place -= 1
    if place < 0 or not gap or found[place].kind not in ("gap", "method", "unit", "direct", "indirect"):
        return None
    if not _CONNECTED.match(sentence[found[place].end : token.start][:80]):
        return None
    if not plain:
        strange = found[place].kind in ("gap", "method") and not _COUNTED.match(sentence[token.end : token.end + 16])
        return "" if strange else None
    return next(
        (earlier.label for earlier in reversed(found[max(0, place - 11) : place + 1]) if earlier.kind == "unit"), "ev"
    )


def _listed_unit(sentence: str, found: Sequence[Token], index: int, step: int) -> str | None:
    """Unit of a number's neighbours in a list, such as "0.6 (PBE) and 1.2 eV (HSE06)".

    ``step`` is the direction in which to look.
    """
    edge = found[index].end if step > 0 else found[index].start
    for token in found[index + 1 : index + 9] if step > 0 else reversed(found[max(0, index - 8) : index]):
        between = sentence[edge : token.start] if step > 0 else sentence[token.end : edge]
        if not _LIST_LINK.match(between[:40].replace(":", " ")):
            return None
        if step < 0 and edge == found[index].start and token.text in ("(", "["):
            return None  # a number alone in brackets behind another one is a reference or a year
        if token.kind == "unit":
            return token.label
        if token.kind == "value":
            if token.quantity is None:
                return None
            if token.quantity.unit is not None:
                return token.quantity.unit
        elif token.kind not in ("separator", "method"):
            return None
        edge = token.end if step > 0 else token.start
    return None


def _value(quantity: Quantity | None, unit: str) -> tuple[float | None, str]:
    """The value in eV, and why it cannot be used."""
    if quantity is None:
        return None, "the number cannot be read"
    energy = quantity.in_ev(unit)
    if energy is None:
        return None, "the energy is not given in eV, meV, hartree or rydberg"
    value = (energy.low + energy.high) / 2
    if not math.isfinite(value):
        return None, "the number cannot be read"
    value = round(value, 9)
    if energy.low < 0 or value > MAX_GAP_EV:
        return value, f"a gap lies between 0 and {MAX_GAP_EV:g} eV"
    if energy.high - energy.low > MAX_WIDTH_EV + 1e-9:
        return value, f"the range is wider than {MAX_WIDTH_EV:g} eV"
    if energy.spread > MAX_WIDTH_EV + 1e-9:
        return value, f"the uncertainty is larger than {MAX_WIDTH_EV:g} eV"
    return value, ""


def _doubt(sentence: str, found: Sequence[Token], index: int, owner: str) -> str:
    """Why a number is not the gap itself: a bound, a difference, a negation."""
    token = found[index]
    before = sentence[max(0, token.start - 40) : token.start]
    after = sentence[token.end : token.end + 40]
    clause = _clause(found, index)
    if (
        owner == "difference"
        or any(part.kind == "difference" for part in clause)
        or _BY_BEFORE.search(before)
        or _CHANGE_AFTER.match(after)
    ):
        return "the energy is a change or a difference, not a gap"
    if _BOUND_BEFORE.search(before) or _BOUND_AFTER.match(after):
        return "the sentence states a bound, not a value"
    if any(part.kind == "negation" for part in clause):
        return "the sentence denies it"
    return ""


def _clause(found: Sequence[Token], index: int) -> Sequence[Token]:
    """Tokens before a number or "metallic" in its clause; a list of numbers is one clause.

    Looks back over 40 tokens at most.
    """
    spoken = False
    for place in range(index - 1, max(-1, index - 41), -1):
        kind = found[place].kind
        if kind == "separator" and found[place].text not in "()[]/":
            if spoken:
                return found[place + 1 : index]
        elif kind != "value":
            spoken = True
    return found[max(0, index - 40) : index]


def _metals(sentence: str, found: Sequence[Token], *, spoken_of: bool) -> list[_Item]:
    items = []
    known = any(token.kind == "known" for token in found)
    for index, token in enumerate(found):
        if token.kind == "spin" and spoken_of and token.text.lower().startswith("half"):
            items.append(_Item(token.start, token.end, 0.0, ""))
        if token.kind == "nonmetal" and spoken_of:
            items.append(_Item(token.start, token.end, None, "the sentence denies it"))
        if token.kind != "zero":
            continue
        if (
            not spoken_of
            and token.text.lower().endswith(("metallic", "metallicity"))
            and not _IS_BEFORE.search(sentence[max(0, token.start - 30) : token.start])
        ):
            continue
        if known and token.text.lower().startswith(("no", "without")):
            items.append(_Item(token.start, token.end, None, "no value is stated"))
        elif any(part.kind == "negation" for part in _clause(found, index)):
            items.append(_Item(token.start, token.end, None, "the sentence denies it"))
        else:
            items.append(_Item(token.start, token.end, 0.0, ""))
    return items


def _unknowns(found: Sequence[Token], *, gap: bool) -> list[_Item]:
    reasons = {"unknown": "no value is stated", "words": "the number is not written in digits"}
    return [
        _Item(token.start, token.end, None, reasons[token.kind]) for token in found if gap and token.kind in reasons
    ]


def _denials(found: Sequence[Token], *, gap: bool) -> list[_Item]:
    """Sentences such as "No PBE gap is known", which state nothing but are about a gap all the same."""
    negations = [index for index, token in enumerate(found) if token.kind == "negation"]
    if not gap or not negations:
        return []
    first = negations[0]
    kinds = [token.kind for token in found]
    missing = "known" in kinds or kinds[first + 1 : first + 3] == ["method", "gap"]
    return [_Item(found[first].start, found[first].end, None, "no value is stated")] if missing else []
