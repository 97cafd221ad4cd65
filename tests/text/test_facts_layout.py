"""Facts in bullets, tables, headings and wrapped lines; what is cut there and what stays."""

from __future__ import annotations

import pytest

from hsegap.text.facts import extract_facts
from hsegap.text.folding import fold
from hsegap.text.sentences import split_sentences

BOTH = [("pbe_gap_ev", 0.61), ("hse_gap_ev", 1.17)]
LAYOUTS = {
    "markdown table": (
        "MgO.\n\n| Method | Band gap (eV) |\n|---|---|\n| PBE | 0.61 |\n| HSE06 | 1.17 |\n\nCubic.",
        BOTH,
        "MgO.\n\nCubic.",
    ),
    "methods as columns": (
        "| | PBE | HSE06 |\n|---|---|---|\n| Band gap (eV) | 0.61 | 1.17 |\n| a (Å) | 4.2 | 4.1 |",
        BOTH,
        "| | PBE | HSE06 |\n|---|---|---|\n| a (Å) | 4.2 | 4.1 |",
    ),
    "property table": (
        "| property | value |\n|---|---|\n| PBE band gap | 0.61 eV |\n| formation energy | -0.5 eV/atom |",
        BOTH[:1],
        "| property | value |\n|---|---|\n| formation energy | -0.5 eV/atom |",
    ),
    "three columns": (
        "| material | functional | gap |\n|---|---|---|\n| Si | PBE | 0.61 eV |\n| Si | HSE06 | 1.17 eV |",
        BOTH,
        None,
    ),
    "tabs": ("Method\tGap (eV)\nPBE\t0.61\nHSE\t1.17\n", BOTH, None),
    "LaTeX table": ("Method & $E_g$ (eV) \\\\\nPBE & 0.61 \\\\\nHSE06 & 1.17 \\\\\n", BOTH, None),
    "caption above": ("Band gaps:\n| PBE | 0.61 eV |\n| HSE06 | 1.17 eV |", BOTH, None),
    "other columns": (
        "Band gaps and cells:\n| | gap (eV) | a (Å) | volume |\n|---|---|---|---|\n| PBE | 0.61 | 5.43 | 40.0 |",
        BOTH[:1],
        None,
    ),
    "key and value": (
        "Formula: Si\nPBE gap: 0.61 eV\nHSE gap: 1.17 eV\nSpace group: 227",
        BOTH,
        "Formula: Si\nSpace group: 227",
    ),
    "bullets": (
        "Band gaps:\n- PBE: 0.61 eV\n- HSE06: 1.17 eV\n- a = 5.43 Å\n\nSi is cubic.",
        BOTH,
        "- a = 5.43 Å\n\nSi is cubic.",
    ),
    "stars": ("* PBE gap 0.61 eV\n* cubic\n* HSE gap 1.17 eV", BOTH, "* cubic"),
    "numbers": ("1. PBE gap: 0.61 eV\n2. cubic\n3. HSE gap: 1.17 eV", BOTH, "2. cubic"),
    "headings": (
        "### PBE results\n\n* Band gap: 0.61 eV\n* cubic\n\n### HSE06 results\n* Band gap: 1.17 eV\n",
        BOTH,
        "* cubic",
    ),
    "value on the next line": ("PBE band gap:\n0.61 eV\nSi is cubic.", BOTH[:1], "Si is cubic."),
    "wrapped": ("Si is cubic. Its PBE band\ngap is 0.61 eV. It is hard.", BOTH[:1], "Si is cubic. It is hard."),
    "wrapped before the number": (
        "The band gap of silicon that a PBE calculation gives is\n0.61 eV. It is hard.",
        BOTH[:1],
        "It is hard.",
    ),
    "gap in the sentence before": (
        "The gap was computed. PBE gives 0.61 eV. HSE06 1.17 eV. It is cubic.",
        BOTH,
        "The gap was computed. It is cubic.",
    ),
    "Chinese": ("硅为立方结构。PBE带隙为0.61 eV；HSE06带隙为1.17 eV。硬度高。", BOTH, "硅为立方结构。硬度高。"),
    "no blank after the stop": ("硅。PBE带隙0.61eV.立方。", BOTH[:1], "硅。立方。"),
    "old Mac lines": ("Si\rPBE gap: 0.61 eV\rcubic", BOTH[:1], "Si\rcubic"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name):
    text, facts, left = LAYOUTS[name]
    reading = extract_facts(text)
    assert [(fact.name, fact.value) for fact in reading.facts] == facts
    assert reading.facts[0].used
    assert reading.text == left
    for fact in reading.facts:
        assert text[slice(*fact.span)].strip()


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("It is 1.17. It is ca. 2 Å wide.", ["It is 1.17.", "It is ca. 2 Å wide."]),
        ("One (approx. 3 eV). Two!", ["One (approx. 3 eV).", "Two!"]),
        ("See Fig. 2 of et al. here. Next", ["See Fig. 2 of et al. here.", "Next"]),
        ("甲。乙？丙", ["甲。", "乙？", "丙"]),
        ("1. first\n2. second", ["1. first", "2. second"]),
        ('He said "gap." Then left.', ['He said "gap."', "Then left."]),
        ("a\n\nb", ["a", "b"]),
        ("....", ["...."]),
    ],
)
def test_sentences(text, pieces):
    folded = fold(text)
    assert [folded.text[one.start : one.end].strip() for one in split_sentences(folded)] == pieces


def test_sentences_leave_nothing_out():
    text = "# Head\n\nA b. C d;  e\n- f\n| g | h |\n\n\n i. j"
    sentences = split_sentences(fold(text))
    assert [one.end for one in sentences[:-1]] == [one.start for one in sentences[1:]]
    assert (sentences[0].start, sentences[-1].end) == (0, len(text))
