"""Known facts in a description: band gaps that a text states, read out of it and cut from what the encoder gets.

Only the gap of PBE or of a functional like it (GGA, PBEsol, PW91, revPBE, RPBE, AM05, Wu-Cohen; the Materials Project's
gaps are PBE's) is a fact a network can use. Gaps of HSE and other hybrids, GW, meta-GGA, mBJ, LDA and DFT+U, measured
and optical ones, and gaps of which a sentence does not say how they were computed are recognised and listed with the
reason why they are not used. **Every sentence recognised is cut**, used or not: no number of it reaches the encoder,
and a fact moves an answer only by the way that facts have into the network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hsegap.text.fact_reading import Context, Statement, context_of, read_statements
from hsegap.text.fact_tables import read_table
from hsegap.text.fact_vocabulary import PBE, may_state_a_gap
from hsegap.text.folding import fold
from hsegap.text.sentences import split_sentences
from hsegap.text.stated import SAME_EV, Fact, FactReading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hsegap.text.folding import Folded
    from hsegap.text.sentences import Sentence

#: Longest heading that is read for what stands under it.
_MAX_HEADING = 400


def extract_facts(description: str | None) -> FactReading:
    """Read the known facts from a description and cut their sentences.

    At most one PBE gap is used. Where a text states several that lie within 0.1 eV the first counts; where they differ
    by more, none does. Of an indirect and a direct gap the indirect one counts, PBE's before those of functionals like
    it. Ranges and uncertainties up to 0.2 eV give their middle. A number without a unit right behind "gap =" is in eV.

    Args:
        description: Any text, or None.

    Returns:
        The facts and the text that is left. Time grows linearly with the length of the text; nothing is raised.
    """
    if description is None:
        return FactReading((), None)
    folded = fold(description)
    if not may_state_a_gap(folded.text):
        return FactReading((), description)
    stated: list[tuple[Statement, tuple[int, int]]] = []
    cut: list[tuple[int, int]] = []
    for sentence, statements in _read(folded):
        end = sentence.start + len(folded.plain[sentence.start : sentence.end].rstrip())
        stated.extend((statement, (folded.original(sentence.start), folded.original(end))) for statement in statements)
        cut.append((folded.original(sentence.start), folded.original(sentence.end)))
    if not cut:
        return FactReading((), description)
    return FactReading(_decide(stated), _without(description, cut))


def _read(folded: Folded) -> Iterator[tuple[Sentence, list[Statement]]]:
    """Sentences to cut, in order, with what they state."""
    text = folded.text
    sentences = split_sentences(folded)
    context = Context()
    heading: Sentence | None = None
    previous = Context()
    index = 0
    while index < len(sentences):
        sentence = sentences[index]
        if sentence.kind == "row":
            stop = next(
                (
                    place
                    for place in range(index, len(sentences))
                    if sentences[place].kind != "row" or sentences[place].paragraph != sentence.paragraph
                ),
                len(sentences),
            )
            above = context if heading is not None else previous
            read = list(_read_rows(text, sentences[index:stop], above))
            index = stop
        else:
            if (
                heading is not None
                and sentence.kind == "prose"
                and sentence.paragraph > heading.paragraph + (heading.kind == "heading")
            ):
                heading, context = None, Context()
            piece = text[sentence.start : sentence.end]
            above = Context(context.gap or (previous.gap and not sentence.introduces), context.method)
            statements = read_statements(piece.rstrip(), above) if may_state_a_gap(piece) else []
            read = [(sentence, statements)] if statements else []
            following = sentences[index + 1] if index + 1 < len(sentences) else None
            same = following is not None and following.paragraph == sentence.paragraph
            said = (
                context_of(piece)
                if len(piece) <= _MAX_HEADING and (same or sentence.introduces) and may_state_a_gap(piece)
                else Context()
            )
            index += 1
            if sentence.introduces:
                heading, context, previous = sentence, said, Context()
                if (said.gap or said.method) and not statements:
                    continue
                heading = heading if said.gap or said.method else None
            else:
                previous = Context(said.gap or (bool(statements) and same))
        if read and heading is not None and heading.start < read[0][0].start:
            yield heading, []
            heading = heading._replace(start=len(text), end=len(text))
        yield from read


def _read_rows(text: str, rows: Sequence[Sentence], above: Context) -> Iterator[tuple[Sentence, list[Statement]]]:
    table = read_table([text[row.start : row.end].rstrip("\n") for row in rows])
    read = [
        [statement for sentence in row.sentences for statement in read_statements(sentence, above)] for row in table
    ]
    whole = any(read) and all(found or row.is_head for found, row in zip(read, table, strict=True))
    for row, found in zip(rows, read, strict=True):
        if found or whole:
            yield row, found


def _without(description: str, cut: Sequence[tuple[int, int]]) -> str | None:
    kept = []
    place = 0
    for start, end in cut:
        kept.append(description[place:start])
        place = end
    kept.append(description[place:])
    left = "".join(kept).strip()
    return left if any(character.isalnum() for character in left) else None


def _decide(stated: Sequence[tuple[Statement, tuple[int, int]]]) -> tuple[Fact, ...]:
    """Which of the stated gaps is used."""
    facts = [
        Fact(
            one.name,
            one.value,
            "eV",
            "text",
            span,
            used=not one.reason,
            reason=one.reason,
            code="fact_not_used" if one.reason else "",
        )
        for one, span in stated
    ]
    usable = [index for index, fact in enumerate(facts) if fact.used]
    for keep, reason in (
        ({index for index in usable if stated[index][0].method == PBE}, "the text states a gap of PBE itself"),
        (
            {index for index in usable if stated[index][0].kind == "indirect"},
            "the smallest gap counts, and the text states an indirect one",
        ),
    ):
        if (
            keep
            and keep != set(usable)
            and (reason.startswith("the text") or any(stated[index][0].kind == "direct" for index in usable))
        ):
            for index in set(usable) - keep:
                facts[index] = replace(facts[index], used=False, reason=reason, code="fact_not_used")
            usable = sorted(keep)
    values = [value for index in usable if (value := facts[index].value) is not None]
    if values and max(values) - min(values) > SAME_EV + 1e-9:
        reason = f"the text states PBE gaps from {min(values):g} to {max(values):g} eV"
        for index in usable:
            facts[index] = replace(facts[index], used=False, reason=reason, code="fact_conflict")
    else:
        for index in usable[1:]:
            facts[index] = replace(facts[index], used=False, reason="the text states it before")
    return tuple(facts)
