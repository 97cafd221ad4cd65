"""The words of the page: a catalogue per language in ``catalogue/``, and which one a visitor gets.

Gradio's own ``I18n`` follows the browser's language alone, offers no switch and does not reach what the server or the
page's scripts write. So Gradio is built with marks (``%%tab.batch%%``), which become words when the page is sent; the
answers are written in the visitor's language; and the scripts get the same catalogue.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING

from hsegap.prediction.chinese import HINTS_ZH, MESSAGES_ZH, WARNINGS_ZH
from hsegap.prediction.language import preferred

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).resolve().parent / "catalogue"
#: Languages there is a catalogue of; the first is taken where a visitor wants none of them.
LANGUAGES = ("en", "zh")
#: What a browser calls each, as an attribute of the page.
TAGS = {"en": "en", "zh": "zh-CN"}
#: Where the switch leaves the visitor's choice.
COOKIE = "hsegap_language"
#: What a language says of codes whose English sentences come with the case at hand, by the beginning of the key.
_OF_CODES = {"zh": {"error.": MESSAGES_ZH, "hint.": HINTS_ZH, "told.": WARNINGS_ZH}}
_MARK = re.compile(r"%%([a-z0-9_.]+)((?:\|[a-z_]+=[^|%]*)*)%%")


@lru_cache(maxsize=len(LANGUAGES))
def catalogue(language: str) -> dict[str, str]:
    """All words of a language, by key."""
    found: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    for beginning, words in _OF_CODES.get(language, {}).items():
        found |= {beginning + code: said for code, said in words.items()}
    return found


class Words:
    """The words of one language: ``words("answer.raw", gap="-0.10")``.

    Args:
        language: One of :data:`LANGUAGES`; anything else, a stranger's word included, gives the first of them.
    """

    def __init__(self, language: str = LANGUAGES[0]) -> None:
        self.language = language if language in LANGUAGES else LANGUAGES[0]
        self._catalogue = catalogue(self.language)

    def __call__(self, key: str, **values: object) -> str:
        """The words under a key, its ``{names}`` filled in.

        Raises:
            KeyError: If there is no such key, or a name in the words has no value.
        """
        words = self._catalogue[key]
        return words.format(**values) if values else words

    def find(self, key: str) -> str | None:
        """The words under a key that need not be there, such as those of a warning's code."""
        return self._catalogue.get(key)

    @property
    def is_english(self) -> bool:
        """Whether messages of the server, which are English, are in this language already."""
        return self.language == "en"


class Marks(Words):
    """Gives marks in place of words, for what is built once for all; :func:`with_words` puts the words in."""

    def __call__(self, key: str, **values: object) -> str:
        """The mark of a key and of the values that belong into its words."""
        super().__call__(key, **values)  # a key or a name that there is not is noticed here, not by a visitor
        given = "".join(f"|{name}={value}" for name, value in values.items())
        made = f"%%{key}{given}%%"
        if not _MARK.fullmatch(made):
            raise ValueError(f"the values of {key} cannot stand in a mark")
        return made

    def find(self, key: str) -> str | None:
        """The mark of a key that need not be there."""
        return f"%%{key}%%" if key in self._catalogue else None


def with_words(page: str, language: str) -> str:
    """A text with each mark replaced by the words of a language.

    Catalogues hold nothing that HTML or JSON would read as its own.
    """
    words = Words(language)

    def worded(found: re.Match[str]) -> str:
        if words.find(found[1]) is None:
            return found[0]
        return words(found[1], **dict(pair.split("=", 1) for pair in found[2].split("|")[1:]))

    return _MARK.sub(worded, page)


def language_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The language of a request: that of the switch's cookie, else the one that ``Accept-Language`` likes best.

    Args:
        headers: As ASGI has them, names in lower case.
    """
    cookies, accepted = [], []
    for name, value in headers:
        if name == b"cookie":
            cookies.append(value.decode("latin-1"))
        elif name == b"accept-language":
            accepted.append(value.decode("latin-1"))
    try:
        chosen = SimpleCookie("; ".join(cookies)).get(COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return chosen.value
    return preferred(",".join(accepted))
