"""Where the sentences of a description begin and end.

A description may be prose, bullets, lines of ``key: value``, headings and rows of tables.

A sentence is what is cut when it states a fact, so that two errors count differently: one cut too long loses a little
of the description, one cut too short leaves a number behind that the encoder would read. Where a line break is in
doubt, lines are joined.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.text.folding import Folded

Kind = Literal["prose", "item", "heading", "row"]

_ITEM = re.compile(
    r"[ \t>]{0,12}(?:[-+][ \t]|[\u2022\u2023\u25aa\u25e6\u00b7]|\(?\d{1,3}[.)](?!\d)|\([a-z]\))[ \t]*(?=\S)"
)
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]")
#: ``Band gap: 1.2 eV``, ``E_g = 1.2``, and a formula or a name before a dash.
_KEY = re.compile(r"[ \t]*[^\s:=][^:=\n]{0,60}[:=]")
#: Lines as long as this are prose that a narrow window broke, whatever the next one starts with.
_WRAPPED = 50
_CONTINUES = re.compile(
    r"[ \t]*(?:[=(~<>\u00b1+\u2264\u2265]|(?:in|at|by|with|from|using|for|of|to|on|within|is|are|was|and|or|but"
    r"|while|which|the|an?|than|as|not|gap|band|bandgap|energy|m?ev|level|calculations?|functional|predicted|calculated|computed|given|about|between|per)\b)",
    re.IGNORECASE,
)
_VALUE_FIRST = re.compile(r"[ \t]*[=~<>\u2264\u2265+-]?[ \t]*\d")
_CLOSING = "\"'\u201d\u2019)\\]"
_COMPLETE = re.compile(rf"[.!?;\u3002\uff1f][{_CLOSING}]{{0,8}}\s*\Z")
#: Ends of sentences. Possessive and anchored at the start of a run, so that a megabyte of full stops is read once.
_END = re.compile(rf"[\u3002\uff1f]++[{_CLOSING}]*+|(?<![.!?;])[.!?;]++[{_CLOSING}]*+(?=\s|\Z|[^\x00-\x7f])")
_LAST_WORD = re.compile(r"[A-Za-z.]+\Z")
_LIST_NUMBER = re.compile(r"\s*\(?\d{1,3}\Z")
_ABBREVIATIONS = frozenset(
    word
    for words in (
        (
            "ca",
            "approx",
            "e.g",
            "i.e",
            "eg",
            "vs",
            "fig",
            "figs",
            "ref",
            "refs",
            "eq",
            "eqs",
            "al",
            "cf",
            "resp",
            "exp",
            "expt",
            "exptl",
        ),
        ("calc", "calcd", "theor", "est", "dr", "prof", "sec", "tab", "viz", "incl", "max", "min", "avg", "temp"),
    )
    for word in words
)
_ROW_RULE = re.compile(r"[\s|:+\-=]+\Z")


class Sentence(NamedTuple):
    """A piece of a text.

    Attributes:
        start: Its first character, white space before it left out.
        end: Where the next one starts (the white space behind belongs to it).
        kind: Prose, item of a list, heading, or row of a table.
        introduces: Whether it ends in a colon or is a heading: what follows is to be read under it.
        paragraph: Number of the paragraph; blank lines part them.
    """

    start: int
    end: int
    kind: Kind
    introduces: bool
    paragraph: int


class _Line(NamedTuple):
    start: int
    end: int
    kind: Kind
    paragraph: int


def is_rule(row: str) -> bool:
    """Whether a table's row only parts the header from the body (``|---|---|``)."""
    return "-" in row and _ROW_RULE.match(row) is not None


def split_sentences(folded: Folded) -> list[Sentence]:
    """Split a folded text; linear in its length.

    Args:
        folded: What :func:`hsegap.text.folding.fold` gave.

    Returns:
        The sentences in order, without the blank stretches before the first one.
    """
    text, plain = folded.text, folded.plain
    found: list[tuple[int, int, Kind, int]] = []
    for start, end, kind, paragraph in _blocks(text):
        if kind in ("row", "heading"):
            found.append((start, end, kind, paragraph))
            continue
        lowest = start
        for first, last in _within(text, start, end):
            # Stars, dollars and braces before a sentence are cut with it.
            opening = first
            while opening > lowest and not plain[opening - 1].isspace():
                opening -= 1
            found.append((opening, last, kind, paragraph))
            lowest = last
    sentences = []
    for index, (start, end, kind, paragraph) in enumerate(found):
        following = found[index + 1][0] if index + 1 < len(found) else len(text)
        introduces = kind == "heading" or text[max(start, end - 4) : end].rstrip().endswith(":")
        sentences.append(Sentence(start, following, kind, introduces, paragraph))
    return sentences


def _lines(text: str) -> Iterator[_Line]:
    paragraph = 0
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        head = text[start : min(end, start + 200)]
        if not head.strip() and not text[start:end].strip():
            paragraph += 1
        else:
            yield _Line(start, end, _kind(text, start, end, head), paragraph)
        start = end + 1


def _kind(text: str, start: int, end: int, head: str) -> Kind:
    if _HEADING.match(head):
        return "heading"
    if text.find("|", start, end) >= 0 or (text.find("\t", start, end) >= 0 and "\t" in text[start:end].strip()):
        return "row"
    if text.find("&", start, end) >= 0 and text[max(start, end - 12) : end].rstrip().endswith("\\\\"):
        return "row"
    return "item" if _ITEM.match(head) else "prose"


def _blocks(text: str) -> Iterator[_Line]:
    """Lines with those joined that only a narrow window parted."""
    block: _Line | None = None
    last_start = 0
    for line in _lines(text):
        if block is not None and _goes_on(text, block, last_start, line):
            block = block._replace(end=line.end)
        else:
            if block is not None:
                yield block
            block = line
        last_start = line.start
    if block is not None:
        yield block


def _goes_on(text: str, block: _Line, last_start: int, line: _Line) -> bool:
    if line.kind != "prose" or block.kind in ("row", "heading") or line.paragraph != block.paragraph:
        return False
    tail = text[max(last_start, block.end - 60) : block.end].rstrip()
    head = text[line.start : min(line.end, line.start + 100)]
    if tail.endswith((":", "=")):
        return _VALUE_FIRST.match(head) is not None
    if _COMPLETE.search(tail):
        return False
    if _VALUE_FIRST.match(head):
        return True
    if _KEY.match(head):
        return False
    if block.end - last_start >= _WRAPPED:
        return True
    return _CONTINUES.match(head) is not None


def _within(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Sentences of one block, without the white space around them."""
    first = _skip_blanks(text, start, end)
    for match in _END.finditer(text, start, end):
        if match[0][0] == "." and _abbreviates(text, first, match.start(), match[0]):
            continue
        if match.end() > first:
            yield first, match.end()
            first = _skip_blanks(text, match.end(), end)
    if first < end:
        yield first, end


def _abbreviates(text: str, first: int, stop: int, mark: str) -> bool:
    """Whether a full stop belongs to "ca." or to the number of a list rather than to the end of a sentence."""
    if len(mark.rstrip("\"')]\u201d\u2019")) > 1:
        return False
    if stop - first <= 4 and _LIST_NUMBER.match(text[first:stop]):
        return True
    word = _LAST_WORD.search(text[max(first, stop - 8) : stop])
    return word is not None and word[0].lower() in _ABBREVIATIONS


_NOT_BLANK = re.compile(r"\S")


def _skip_blanks(text: str, start: int, end: int) -> int:
    match = _NOT_BLANK.search(text, start, end)
    return match.start() if match else end
