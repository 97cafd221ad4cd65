"""Spelling folded for reading facts: one character where people write several, with the way back to the text as given.

Unlike :mod:`hsegap.text.normalise`, which prepares a text for the encoder, nothing here reaches a network. Full-width
digits, mathematical letters, typographic dashes and LaTeX or markdown mark-up are brought to plain characters **in
place**, so that a position in the folded text is a position in the original; only characters of no width are taken out,
and their places are remembered.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Zero-width characters and soft hyphens, which come along when a PDF is copied.
_NO_WIDTH = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
#: What compatibility would not do, or would do in a way that loses the end of a Chinese sentence.
_OWN = {
    "\uff0c": "\u3001",  # full-width comma: kept apart from the comma that may be a decimal sign
    "\uff1b": "\u3002",  # full-width semicolon, exclamation mark: ends of sentences without a blank behind them
    "\uff01": "\u3002",
    "\uff1f": "\uff1f",  # full-width question mark
    "\uff5e": "~",
    "\u301c": "~",
    "\u223c": "~",
    "\u2248": "~",
    "\u2243": "~",
    "\u2245": "~",
    "\u2266": "\u2264",
    "\u2267": "\u2265",
    "\u2a7d": "\u2264",
    "\u2a7e": "\u2265",
    "\u00d7": "x",
    "\u22c5": "\u00b7",
    "\u2028": "\n",
    "\u2029": "\n",
    "\x0b": "\n",
    "\x0c": "\n",
    "\x85": "\n",
}
#: LaTeX commands that stand for a sign, and those that only dress their argument.
_SIGNS = {
    "approx": "~",
    "simeq": "~",
    "sim": "~",
    "pm": "\u00b1",
    "geq": "\u2265",
    "ge": "\u2265",
    "gt": ">",
    "leq": "\u2264",
    "le": "\u2264",
    "lt": "<",
    "times": "x",
    "cdot": "\u00b7",
    "item": "\u2022",
}
_LATEX = re.compile(r"\\(?:([A-Za-z]{1,24})|[,;:!% ()\[\]])")
_KEPT_COMMANDS = {"ev", "electronvolt", "milli", "hartree", "rydberg"}
_TAG = re.compile(r"<(/?)([A-Za-z]{1,8})[ ]?/?>")
#: Characters that may have another form: those beyond ASCII, and the two separators in it that end a line.
_FOLDABLE = re.compile("[^\x00-\x0a\x0d-\x7f]")
_MARKUP = re.compile(r"[${}*`]")
_STAR_ITEM = re.compile(r"^([ \t]{0,12})\*(?=[ \t])", re.MULTILINE)


class Folded(NamedTuple):
    """A folded text.

    Attributes:
        text: The characters that facts are read from, mark-up blanked.
        plain: The same with its mark-up, which belongs to the sentence beside it.
        places: Position in the original of each of them; None where nothing was taken out and positions are the same.
        length: Characters of the original.
    """

    text: str
    plain: str
    places: list[int] | None
    length: int

    def original(self, position: int) -> int:
        """Position in the text as given."""
        if self.places is None:
            return position
        return self.places[position] if position < len(self.places) else self.length


def _folded(character: str) -> str:
    """Folded form of a character, one character long."""
    folded = _OWN.get(character)
    if folded is not None:
        return folded
    category = unicodedata.category(character)
    if category == "Pd" or character == "\u2212":
        return "-"
    if category == "Zs":
        return " "
    compatible = unicodedata.normalize("NFKC", character)
    return compatible if len(compatible) == 1 else character


def fold(text: str) -> Folded:
    """Bring a text to plain characters, each in its place.

    Args:
        text: Any text.

    Returns:
        The folded text with the way back. Time grows linearly with the length.
    """
    places = None
    plain = text
    if _NO_WIDTH.search(text):
        places = [place for place, character in enumerate(text) if not _NO_WIDTH.match(character)]
        plain = _NO_WIDTH.sub("", text)
    if not plain.isascii():
        forms = {character: _folded(character) for character in set(_FOLDABLE.findall(plain))}
        plain = _FOLDABLE.sub(lambda match: forms[match[0]], plain)
    plain = plain.replace("\r\n", " \n").replace("\r", "\n")
    blanked = plain
    if "\\" in blanked:
        blanked = _LATEX.sub(_latex, blanked)
    if "<" in blanked:
        blanked = _TAG.sub(_tag, blanked)
    blanked = _MARKUP.sub(" ", _STAR_ITEM.sub("\\1\u2022", blanked))
    return Folded(blanked, plain, places, len(text))


def _latex(match: re.Match[str]) -> str:
    command = match[1] or ""
    if command.lower() in _KEPT_COMMANDS:
        return " " + command
    return _SIGNS.get(command, " ").ljust(len(match[0]))


def _tag(match: re.Match[str]) -> str:
    sign = "_" if match[2].lower() == "sub" and not match[1] else " "
    return sign.ljust(len(match[0]))
