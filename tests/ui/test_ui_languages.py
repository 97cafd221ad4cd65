"""The catalogues: no key missing, none left over, every place filled in; and whose language a request gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from hsegap.batch.problems import INPUT_ERROR_CODES
from hsegap.prediction.errors import ErrorCode, Failure
from hsegap.ui import skeletons
from hsegap.ui.answer import answer_html, error_html
from hsegap.ui.components import STATIC_FOLDER
from hsegap.ui.words import LANGUAGES, Marks, Words, catalogue, language_of, with_words
from support.ui_samples import prediction

UI = Path(__file__).resolve().parents[2] / "ui"
DOCS = UI.parent / "docs"
#: Named by codes: the server's own English sentences are shown in English.
BY_CODE = ("error.", "hint.", "told.")
NAMES = re.compile(r"\{(\w+)\}")


def sources() -> str:
    files = [*UI.glob("*.py"), *STATIC_FOLDER.glob("*.js")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def plain(language: str) -> dict[str, str]:
    return {key: words for key, words in catalogue(language).items() if not key.startswith(BY_CODE)}


def test_every_language_has_every_key_and_fills_in_the_same_names() -> None:
    english = plain("en")
    for language in LANGUAGES[1:]:
        other = plain(language)
        assert other.keys() == english.keys()
        wrong = [key for key in english if set(NAMES.findall(english[key])) != set(NAMES.findall(other[key]))]
        assert not wrong
        # What is the same in both is a name, a sign or an example.
        same = [key for key in english if english[key] == other[key] and re.search(r"[a-z]{4}", english[key])]
        assert set(same) <= {"format.pymatgen"}, same


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_hold_what_html_json_or_a_mark_would_read(language: str) -> None:
    wrong = {key for key, words in plain(language).items() if re.search(r"""["\\\n`$]|%%|<[a-z/!]|&\w""", words)}
    assert not wrong


def test_every_key_that_the_page_asks_for_is_there_and_every_other_is_used() -> None:
    text = sources()
    asked = set(re.findall(r"%%([a-z0-9_.]+)%%", text))
    asked |= set(re.findall(r"""(?:words|said|found|\bt)\(\s*["'`]([a-z0-9_]+\.[a-z0-9_.]+)["'`]""", text))
    known = catalogue("en").keys()
    assert asked <= known, asked - known
    assert len(asked) > 100
    # Others are put together from a beginning and a name, or stand quoted in a table.
    beginnings = {
        "format.",
        "kind.",
        "origin.",
        "stage.",
        "share.",
        "landmark.",
        "edge.",
        "fact.",
        "warning.",
        "figure.",
        "model.",
        "cell.",
        "batch.column_",
        "map.",
        "strain.axis_",
    }
    left = {key for key in known - asked if f'"{key}"' not in text and not key.startswith(tuple(beginnings))}
    assert not left, left


def test_other_languages_have_words_for_every_code() -> None:
    table = re.compile(r"^\| `([a-z_]+)` \|", re.MULTILINE)
    warned = {
        *table.findall((DOCS / "errors.md").read_text().split("## Warnings")[1].split("## Artifacts")[0]),
        *table.findall((DOCS / "reading.md").read_text()),
    }
    assert len(warned) > 25
    assert {code for code in warned if f"warning.{code}" not in catalogue("en")} == set()
    for language in LANGUAGES[1:]:
        for code in (*get_args(ErrorCode), *INPUT_ERROR_CODES):
            assert {f"error.{code}", f"hint.{code}"} <= catalogue(language).keys(), code


def test_skeletons_hold_no_words_of_their_own() -> None:
    for name in ("HEADER", "SOURCE", "GATE", "CRYSTAL", "WEIGHED", "STRAIN", "BATCH"):
        shown = re.sub(r"<[^>]*>|%%[^%]*%%", " ", getattr(skeletons, name))
        assert set(re.findall(r"[A-Za-z]{2,}", shown)) <= {"hsegap", "CSV", "JSON"}, name


def test_an_answer_is_written_in_the_visitors_language() -> None:
    made = answer_html(prediction(interval=(2.9, 3.6)), Words("zh"))
    assert "不确定" in made
    assert "吸收边" in made
    assert 'lang="en">The training set has no Ti.' in made
    failed = error_html(Failure.make("unreadable_structure", "Line 9 has no value.", "Look."), Words("zh"))
    assert "无法读取结构文件" in failed
    assert 'lang="en">Line 9 has no value. Look.' in failed
    assert "<code>unreadable_structure</code>" in failed


def test_marks_become_words_with_their_values() -> None:
    marks = Marks()
    page = f'{{"label": "{marks("tab.batch")}", "n": "{marks("answer.atoms", n=8)}"}}'
    assert with_words(page, "en") == '{"label": "Batch", "n": "8 atoms in the cell"}'
    assert with_words(page, "zh") == '{"label": "批量", "n": "晶胞中 8 个原子"}'
    assert with_words("%%no.such_key%%", "zh") == "%%no.such_key%%"
    with pytest.raises(KeyError):
        marks("no.such_key")
    with pytest.raises(KeyError):
        marks("answer.atoms", m=8)
    with pytest.raises(ValueError, match="cannot stand"):
        marks("answer.atoms", n="%|")


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ([], "en"),
        ([(b"accept-language", b"zh-CN,zh;q=0.9,en;q=0.8")], "zh"),
        ([(b"accept-language", b"en-US,en;q=0.9,zh;q=0.8")], "en"),
        ([(b"accept-language", b"de-DE,de;q=0.9,zh-TW;q=0.3")], "zh"),
        ([(b"accept-language", b"fr")], "en"),
        ([(b"accept-language", b"zh;q=0, en;q=0.1")], "en"),
        ([(b"accept-language", b"zh;q=\xff;;,,="), (b"cookie", b"\xff=;;")], "en"),
        ([(b"accept-language", b"zh"), (b"cookie", b"a=b; hsegap_language=en")], "en"),
        ([(b"accept-language", b"en"), (b"cookie", b"hsegap_language=zh")], "zh"),
        ([(b"accept-language", b"en"), (b"cookie", b"hsegap_language=../../etc")], "en"),
    ],
)
def test_the_switch_counts_before_the_browser(headers: list[tuple[bytes, bytes]], language: str) -> None:
    assert language_of(headers) == language
