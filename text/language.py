"""Whether a text is in the language that the encoder was trained on."""

from __future__ import annotations

import re

_BEYOND_LATIN = re.compile("[^\u0000-\u024f]")
#: Share of a text's letters that may be of other alphabets: formulas and names stand in Chinese texts, too.
_MOST_FOREIGN = 0.3


def is_english(text: str) -> bool:
    """Whether most letters of a text are Latin ones. A text without letters counts as English."""
    foreign = sum(character.isalpha() for character in _BEYOND_LATIN.findall(text))
    # Counting all letters of a long text takes longer than reading it with the encoder a second time.
    return not foreign or foreign <= _MOST_FOREIGN * sum(character.isalpha() for character in text)
