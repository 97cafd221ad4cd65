"""Which characters reach the tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsegap.text import TextEncoderError, normalise, read_table


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("SrTiO₃ at 300 K, 10⁻³ Å", "SrTiO3 at 300 K, 10-3 A"),  # subscripts, superscripts, the ångström's ring
        ("1.95 Å", "1.95 A"),  # the ångström sign proper
        ("2.35–2.40 −1 — x", "2.35-2.40 -1 - x"),  # en dash, minus, em dash
        ("Fm3̅m and P4̅3m", "Fm-3m and P-43m"),  # a bar over the digit is a rotoinversion axis, no accent
        ("½ and 2×2", "1/2 and 2x2"),
        ("Ba(1)2+\tis\r\n bonded  to  atoms \n", "Ba(1)2+ is bonded to atoms"),
        ("a\x00b\u200dc\ufffdd", "abcd"),  # control characters, zero-width joiner, replacement character
        ("caf\u00e9 cafe\u0301", "cafe cafe"),
        ("α-quartz", "α-quartz"),  # Greek letters stay: the tokenizer knows them
        ("MgO is CUBIC", "MgO is CUBIC"),  # folding case is the tokenizer's own decision
        ("ab\ud800c", "ab c"),  # half a surrogate pair
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_characters_become_what_the_tokenizer_knows(given_text, expected):
    assert normalise(given_text) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=80))
def test_any_text_is_accepted_and_normalising_again_changes_nothing(text):
    once = normalise(text)
    once.encode()  # no lone surrogate is left
    assert once == once.strip()
    assert normalise(once) == once


def test_table_maps_what_it_knows_and_blanks_the_rest(tmp_path):
    path = tmp_path / "vocab_mappings.txt"
    # The separator of lines U+2028 is a key here: only the line feed may end a line of the table.
    path.write_text("A A\na a\nα alpha\n\u2028 |\n  -", encoding="utf-8")
    table = read_table(path)
    assert table["\u2028"] == "|"
    assert table[" "] == "-"
    assert normalise("Aαaé日", table={k: v for k, v in table.items() if k != " "}) == "Aalphaa"
    assert normalise("Å", table=table) == "A"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00a"])
def test_a_broken_table_is_refused(tmp_path, content):
    path = tmp_path / "table.txt"
    path.write_bytes(content)
    with pytest.raises(TextEncoderError, match=r"table\.txt"):
        read_table(path)
    with pytest.raises(TextEncoderError, match="cannot be read"):
        read_table(tmp_path / "missing.txt")
