"""What extract_facts promises for any text: no number of a fact reaches the encoder, real descriptions stay,
hostile texts cost little.
"""

from __future__ import annotations

import gzip
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsegap.text.facts import extract_facts
from support.shared_material import SHARED

BEFORE = "MgO is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."
AFTER = "Mg2+ is bonded to six equivalent O2- atoms."
#: Sentences with a place for a number with its unit, and what they name.
UNUSED = {
    "Its HSE06 band gap is {}.": "hse_gap_ev",
    "Band gap (HSE06): {}": "hse_gap_ev",
    "The experimental gap is {}.": "experimental_gap_ev",
    "A band gap of {} was measured.": "experimental_gap_ev",
    "实验测得的带隙为{}。": "experimental_gap_ev",
    "HSE06带隙为{}。": "hse_gap_ev",
    "G0W0 gives a gap of {}.": "other_gap_ev",
    "The band gap is {}.": "other_gap_ev",
    "With PBE+U, Eg = {}.": "other_gap_ev",
    "$E_g^{{HSE}}$ = {}": "hse_gap_ev",
    "| HSE06 gap | {} |": "hse_gap_ev",
    "- gap (HSE06): {}": "hse_gap_ev",
}
numbers = st.integers(0, 29_999).map(lambda thousandths: thousandths / 1000)
spellings = st.sampled_from(
    [
        lambda value: f"{value} eV",
        lambda value: f"{value}eV",
        lambda value: f"{value:.3f}\u202feV",
        lambda value: f"{value * 1000:.0f} meV",
        lambda value: f"{value:.3f} eV".replace(".", ","),
        lambda value: f"{value:.3f} eV".translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}),
        lambda value: f"≈{value} eV",
        lambda value: f"ca. {value} eV",
        lambda value: f"about {value} electronvolts",
        lambda value: f"{value:.3e} eV",
        lambda value: f"{value:.2f}(3) eV",
        lambda value: rf"{value}\,\mathrm{{eV}}",
        lambda value: f"{value} 电子伏特",
    ]
)


@settings(deadline=None, max_examples=200)
@given(numbers, spellings)
def test_numbers_and_units_are_read_as_written(value, spelling):
    (fact,) = extract_facts(f"{BEFORE} Its PBE band gap is {spelling(value)}. {AFTER}").facts
    assert fact.used
    assert fact.value == pytest.approx(value, rel=1e-3, abs=0.006)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(UNUSED)), numbers, spellings, numbers, spellings)
def test_changing_a_fact_that_is_not_used_changes_nothing_that_is_encoded(
    sentence, one, spelling, other, other_spelling
):
    first = extract_facts(f"{BEFORE}\n{sentence.format(spelling(one))}\n{AFTER}")
    second = extract_facts(f"{BEFORE}\n{sentence.format(other_spelling(other))}\n{AFTER}")
    assert first.text == second.text
    assert first.text.split() == f"{BEFORE} {AFTER}".split()
    for reading in (first, second):
        assert [(fact.name, fact.used) for fact in reading.facts] == [(UNUSED[sentence], False)]


@settings(deadline=None, max_examples=100)
@given(numbers, numbers)
def test_a_used_fact_is_cut_like_any_other(one, other):
    texts = {extract_facts(f"{BEFORE} PBE band gap: {value} eV. {AFTER}").text for value in (one, other)}
    assert texts == {f"{BEFORE} {AFTER}"}


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="PBEHSgapGA 01.9eVm,;:()|-–\n\t$\\{}_^=~带隙为。≈\u200b\ud800", max_size=80))
def test_any_text_is_read_without_an_error_and_spans_lie_in_it(text):
    reading = extract_facts(text)
    for fact in reading.facts:
        start, end = fact.span
        assert 0 <= start < end <= len(text)
    if not reading.facts:
        assert reading.text == text
    assert sum(fact.used for fact in reading.facts) <= 1


HOSTILE = [
    *(
        "gap ",
        "PBE gap 1.1-1.2 eV and ",
        "PBE gap 1.1 eV. ",
        "gap 1",
        "gap (",
        "gap.",
        "gap|",
        "|PBE gap|1.1 eV|\n",
        "|1.1 eV",
        "gap\n",
        "gap\r",
    ),
    *(
        "gap 1 111 ",
        "gap .)",
        "E_" + " " * 16,
        "between 1 eV and ",
        "without a gap ",
        "is a metal ",
        "PBE gap:\n",
        "- PBE gap 1 eV\n",
        "gap e.g. ",
    ),
    *(
        "P\u200bBE gap 1 eV. ",
        "带隙为1 eV，",
        "\\mathrm{eV} $E_g$",
        "<sub>g ",
        "PBE 1 ",
        "1/",
        "# gap PBE\n",
        "no gap known ",
        "(PBE ",
        "1 eV (PBE ",
    ),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(piece):
    def seconds(length):
        text = (piece * (length // len(piece) + 1))[:length]
        start = time.process_time()
        extract_facts(text)
        return time.process_time() - start

    seconds(2_000)  # caches of the pattern
    short = min(seconds(5_000) for _ in range(3))
    # Eight times the text. Work that grows with the square would take 64 times as long, each time.
    assert any(seconds(40_000) < 32 * short + 0.1 for _ in range(3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("piece", "length"),
    [
        ("gap 1 ", 1_000_000),
        *((piece, 200_000) for piece in ("PBE gap 1.1 eV. ", "(", "1-", "PBE gap 1.1-1.2 eV and ")),
    ],
)
def test_a_megabyte_is_read_within_seconds(piece, length):
    text = (piece * (length // len(piece) + 1))[:length]
    start = time.process_time()
    extract_facts(text)
    assert time.process_time() - start < 100 * length / 1_000_000  # 6 s a megabyte; with its square it would be hours


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["train", "val", "test", "val_metals", "test_metals"])
def test_real_descriptions_hold_no_fact_and_stay_byte_for_byte(name):
    path = SHARED / "data" / "hse" / f"{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip("needs ../shared/data, which is not beside this repository")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [text for line in lines if (text := json.loads(line)["description"])]
    assert len(texts) > 100
    for text in texts:
        reading = extract_facts(text)
        assert reading.facts == ()
        assert reading.text is text
