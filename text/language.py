"""Whether a text is in the language that the encoder was trained on."""

from __future__ import annotations

#: Share of a text's letters that may be of other alphabets: formulas and names stand in Chinese texts, too.
_MOST_FOREIGN = 0.3


def is_english(text: str) -> bool:
    """Whether most letters of a text are Latin ones. A text without letters counts as English."""
    letters = [character for character in text if character.isalpha()]
    foreign = sum(character > "\u024f" for character in letters)
    return foreign <= _MOST_FOREIGN * len(letters)
