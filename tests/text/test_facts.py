"""Known facts read from a description, phrase by phrase."""

from __future__ import annotations

import pytest

from hsegap.text.facts import Fact, extract_facts

PBE = [
    ("PBE band gap: 1.17 eV", 1.17),
    ("Eg(GGA) = 1.2 eV", 1.2),
    ("Its band gap at the PBE level is 610 meV.", 0.61),
    ("PBE 带隙为 1.17 eV", 1.17),
    ("采用PBE泛函计算的带隙为１．１７ eV。", 1.17),
    ("带隙（PBE）：0.61 eV", 0.61),
    ("禁带宽度约为0.61电子伏特（PBE）", 0.61),
    ("metallic in PBE", 0.0),
    ("PBE predicts a metal.", 0.0),
    ("PBE wrongly predicts it to be metallic.", 0.0),
    ("PBE: metal", 0.0),
    ("PBE下为金属。", 0.0),
    ("There is no band gap in PBE.", 0.0),
    ("The PBE gap is zero.", 0.0),
    ("PBE gap: 0 eV", 0.0),
    ("PBE gap 1.17", 1.17),
    ("pbe_gap_ev: 1.17", 1.17),
    ('{"pbe_gap_ev": 1.17}', 1.17),
    ("bandgap_pbe = 1.17 eV", 1.17),
    (r"$E_{\mathrm{g}}^{\mathrm{PBE}} = 1.17\,\mathrm{eV}$", 1.17),
    (r"$E_g$(PBE) $\approx$ 1.2~eV", 1.2),
    (r"The PBE gap is \SI{1.17}{\electronvolt}.", 1.17),
    ("E<sub>g</sub> = 1.2 eV (PBE)", 1.2),
    ("**PBE band gap:** 1.17 eV", 1.17),
    ("The PBE gap is ca. 1.2 eV.", 1.2),
    ("PBE gap ≈ 1,17 eV", 1.17),
    ("PBE gap: 1,170 meV", 1.17),
    ("PBE gap: 6.1e-1 eV", 0.61),
    ("PBE gap: 6.1×10^-1 eV", 0.61),
    ("a 1.17-eV PBE band gap", 1.17),
    ("PBE gap 0.043 Ha", 0.043 * 27.211386245981),
    ("PBE gap 0.086 Ry", 0.086 * 13.605693122990),
    ("The PBE gap is 1.1–1.2 eV.", 1.15),
    ("The PBE gap lies between 1.1 and 1.2 eV.", 1.15),
    ("PBE gap: 1.1 eV to 1.2 eV", 1.15),
    ("PBE gap is 1.17(2) eV", 1.17),
    ("PBE gap is 1.17 ± 0.05 eV", 1.17),
    ("The rPBE gap is 1.1 eV.", 1.1),
    ("PBEsol gap: 1.1 eV", 1.1),
    ("The PW91 band gap is 1.1 eV", 1.1),
    ("PBE+D3 gap 1.2 eV", 1.2),
    ("DFT-PBE bandgap is 1.2 eV", 1.2),
    ("GGA (PBE) gap 1.17 eV", 1.17),
    ("PBE-GGA gap 1.17 eV", 1.17),
    ("Perdew–Burke–Ernzerhof (PBE) gives a band gap of 1.2 eV", 1.2),
    ("generalized gradient approximation (GGA) gap: 1.2", 1.2),
    ("Band gap (Materials Project): 0.61 eV", 0.61),
    ("The PBE gap at the experimental lattice constant is 1.2 eV", 1.2),
    ("With a cutoff of 520 eV the PBE gap is 1.17 eV.", 1.17),
    ("The PBE band gap (cutoff 520 eV): 1.17 eV", 1.17),
    ("PBE gap = 1.2 eV, k-mesh 8x8x8, ENCUT = 520 eV", 1.2),
    ("The PBE gap is 1.8 eV [12].", 1.8),
    ("mp-149 has a PBE gap of 0.61 eV.", 0.61),
    ("formation energy -1.2 eV, band gap 0.6 eV (PBE)", 0.6),
    ("The PBE gap without spin-orbit coupling is 1.2 eV", 1.2),
    ("According to PBE calculations, the gap is 0.61 eV.", 0.61),
    ("Using VASP with the PBE functional we get Eg = 0.61 eV.", 0.61),
    ("0.61 eV is the PBE gap.", 0.61),
    ("P\u200bBE band\u00adgap: 0.61\u202feV", 0.61),
]


@pytest.mark.parametrize(("phrase", "value"), PBE, ids=[phrase for phrase, _ in PBE])
def test_a_pbe_gap_is_read_and_its_sentence_cut(phrase, value):
    reading = extract_facts(phrase)
    (fact,) = reading.facts
    assert (fact.name, fact.unit, fact.origin, fact.used, fact.reason, fact.code) == (
        "pbe_gap_ev",
        "eV",
        "text",
        True,
        "",
        "",
    )
    assert fact.value == pytest.approx(value, abs=1e-9)
    assert fact.span == (0, len(phrase))
    assert reading.text is None


UNUSED = [
    ("The HSE06 band gap is 1.9 eV.", "hse_gap_ev", 1.9, "HSE"),
    ("HSE03 gap: 1.9 eV", "hse_gap_ev", 1.9, "HSE"),
    ("The HSE06 gap on the PBE geometry is 1.9 eV.", "hse_gap_ev", 1.9, "HSE"),
    ("HSE06@PBE gap = 1.9 eV", "hse_gap_ev", 1.9, "HSE"),
    ("Experimental gap: 3.2 eV", "experimental_gap_ev", 3.2, "experimental"),
    ("The measured band gap is 3.2 eV", "experimental_gap_ev", 3.2, "experimental"),
    ("Optical gap 3.2 eV.", "experimental_gap_ev", 3.2, "experimental"),
    ("实验带隙为 3.2 eV。", "experimental_gap_ev", 3.2, "experimental"),
    ("Its absorption edge is at 3.2 eV (UV-vis).", "experimental_gap_ev", 3.2, "experimental"),
    ("G0W0@PBE gap 1.9 eV", "other_gap_ev", 1.9, "GW"),
    ("GW band gap: 1.9 eV", "other_gap_ev", 1.9, "GW"),
    ("PBE0 gap 4.0 eV", "other_gap_ev", 4.0, "hybrids"),
    ("The B3LYP gap is 4.0 eV", "other_gap_ev", 4.0, "hybrids"),
    ("TB-mBJ gap = 2.1 eV", "other_gap_ev", 2.1, "meta-GGA"),
    ("SCAN gap: 2.1 eV", "other_gap_ev", 2.1, "meta-GGA"),
    ("r2SCAN gap 1.5 eV", "other_gap_ev", 1.5, "meta-GGA"),
    ("LDA gap: 1.1 eV", "other_gap_ev", 1.1, "LDA"),
    ("PBE+U gap 2.1 eV", "other_gap_ev", 2.1, "DFT+U"),
    ("PBE + U (U = 3 eV) gives a gap of 2 eV", "other_gap_ev", 2.0, "DFT+U"),
    ("GGA+U band gap: 2 eV", "other_gap_ev", 2.0, "DFT+U"),
    ("PBE+SOC gap 1.0 eV", "other_gap_ev", 1.0, "spin-orbit"),
    ("The PBE gap with spin-orbit coupling is 1.0 eV", "pbe_gap_ev", 1.0, "spin-orbit"),
    ("The optB88-vdW gap is 1.5 eV", "other_gap_ev", 1.5, "similar functionals"),
    ("E_g = 1.2 eV", "other_gap_ev", 1.2, "names no functional"),
    ("A wide band gap of 9 eV.", "other_gap_ev", 9.0, "names no functional"),
    ("The DFT gap is 1.2 eV", "other_gap_ev", 1.2, "names no functional"),
    ("It is metallic.", "other_gap_ev", 0.0, "names no functional"),
    ("PBE: 1.17 eV", "pbe_gap_ev", 1.17, "band gap"),
    ("PBE underestimates the gap by 0.5 eV.", "pbe_gap_ev", 0.5, "difference"),
    ("The PBE gap is 0.5 eV smaller than measured.", "pbe_gap_ev", 0.5, "difference"),
    ("PBE gap > 1 eV", "pbe_gap_ev", 1.0, "bound"),
    (r"$E_g^{PBE} \geq 1$ eV", "pbe_gap_ev", 1.0, "bound"),
    ("The PBE gap is larger than 1 eV", "pbe_gap_ev", 1.0, "bound"),
    ("The PBE gap is 1–2 eV", "pbe_gap_ev", 1.5, "wider"),
    ("PBE gap = 1.17 ± 0.5 eV", "pbe_gap_ev", 1.17, "uncertainty"),
    ("PBE gap: -1.2 eV", "pbe_gap_ev", -1.2, "between 0 and 30"),
    ("PBE gap: −1.2 eV", "pbe_gap_ev", -1.2, "between 0 and 30"),
    ("PBE gap: 610 eV", "pbe_gap_ev", 610.0, "between 0 and 30"),
    ("PBE gap: 1.17 MeV", "pbe_gap_ev", 1.17e6, "between 0 and 30"),
    ("PBE gap: 1" + "7" * 400 + " eV", "pbe_gap_ev", None, "cannot be read"),
    ("PBE gap: 113 kJ/mol", "pbe_gap_ev", None, "eV, meV"),
    ("PBE gap: 1.17 V", "pbe_gap_ev", None, "eV, meV"),
    ("The PBE gap is about one eV.", "pbe_gap_ev", None, "digits"),
    ("No PBE gap is known.", "pbe_gap_ev", None, "no value"),
    ("PBE gap: not available", "pbe_gap_ev", None, "no value"),
    ("PBE gap: n/a", "pbe_gap_ev", None, "no value"),
    ("没有PBE带隙数据", "pbe_gap_ev", None, "no value"),
    ("It is not metallic in PBE.", "pbe_gap_ev", None, "denies"),
    ("It is non-metallic in PBE.", "pbe_gap_ev", None, "denies"),
    ("PBE下不是金属。", "pbe_gap_ev", None, "denies"),
    ("The PBE gap is not 1.17 eV.", "pbe_gap_ev", 1.17, "denies"),
    ("PBE带隙不是0.61 eV", "pbe_gap_ev", 0.61, "denies"),
    ("Is the PBE gap 1.17 eV?", "pbe_gap_ev", 1.17, "supposes"),
    ("If the PBE gap is 1.17 eV", "pbe_gap_ev", 1.17, "supposes"),
    ("The minority-spin PBE gap is 2 eV", "pbe_gap_ev", 2.0, "spin channel"),
    ("half-metallic in PBE", "pbe_gap_ev", 0.0, "spin channel"),
    ("Under 2 % strain, the PBE gap is 1 eV", "pbe_gap_ev", 1.0, "strain"),
    ("Unlike GaAs, its PBE gap is 1 eV", "pbe_gap_ev", 1.0, "another crystal"),
    ("PBE hybrid gap 1.9 eV", "other_gap_ev", 1.9, "several methods"),
]


@pytest.mark.parametrize(("phrase", "name", "value", "reason"), UNUSED, ids=[phrase[:60] for phrase, *_ in UNUSED])
def test_other_facts_are_recognised_and_not_used_but_cut(phrase, name, value, reason):
    reading = extract_facts(f"MgO is Halite structured. {phrase}")
    (fact,) = reading.facts
    assert fact.name == name
    assert fact.value == (None if value is None else pytest.approx(value))
    assert not fact.used
    assert reason in fact.reason
    assert fact.code == "fact_not_used"
    assert reading.text == "MgO is Halite structured."


NO_FACT = [
    "MgO is a metal oxide with layers 3.2 Å apart.",
    "MoS2 has a van der Waals gap of 3.2 Å.",
    "PBE underestimates gaps by 40 %.",
    "The band gap is indirect.",
    "The structure was relaxed with PBE.",
    "The formation energy is -1.2 eV/atom and the cutoff was 520 eV.",
    "PBE total energy: -12.3 eV",
    "Transition-metal atoms fill the octahedra; metallic bonding holds the layers.",
    "Cu is an alkaline earth metal hydroxide relative.",
    "PBE gap is for experts.",
    "",
    "   \n\n  ",
    "TiO2 crystallizes in the tetragonal P4_2/mnm space group.",
]


@pytest.mark.parametrize("text", NO_FACT)
def test_a_text_without_a_fact_is_left_as_it_is(text):
    assert extract_facts(text).facts == ()
    assert extract_facts(text).text == text


def test_no_description_is_no_fact():
    assert extract_facts(None).facts == ()
    assert extract_facts(None).text is None


SEVERAL = [
    ("PBE and HSE06 band gaps are 1.2 and 1.9 eV, respectively.", [("pbe", 1.2), ("hse", 1.9)]),
    ("PBE (HSE06) gap of 1.2 (1.9) eV.", [("pbe", 1.2), ("hse", 1.9)]),
    ("band gaps of 1.2 (PBE) and 1.9 eV (HSE06)", [("pbe", 1.2), ("hse", 1.9)]),
    ("Band gap (eV): 1.2 (PBE), 1.9 (HSE06)", [("pbe", 1.2), ("hse", 1.9)]),
    ("Band gap: PBE 1.17, HSE 1.9 eV", [("pbe", 1.17), ("hse", 1.9)]),
    ("The band gap is 1.17 eV in PBE and 1.9 eV in HSE.", [("pbe", 1.17), ("hse", 1.9)]),
    ("PBE gap: 1.2 eV, in HSE 1.9 eV", [("pbe", 1.2), ("hse", 1.9)]),
    ("PBE gap 1.2 eV (HSE: 1.9 eV)", [("pbe", 1.2), ("hse", 1.9)]),
    ("At the PBE level, the band gap is 1.17 eV, while HSE06 gives 1.9 eV", [("pbe", 1.17), ("hse", 1.9)]),
    ("PBE/HSE gap: 0.6/1.2 eV", [("pbe", 0.6), ("hse", 1.2)]),
    ("PBE bandgap 1.17eV/HSE bandgap 1.9eV", [("pbe", 1.17), ("hse", 1.9)]),
    ("PBE: Eg = 0.61; HSE06: Eg = 1.17", [("pbe", 0.61), ("hse", 1.17)]),
    ("Band gap: 1.17 eV (PBE); 1.9 eV (HSE06)", [("pbe", 1.17), ("hse", 1.9)]),
    ("PBE计算的带隙是0.61 eV，HSE06计算值为1.17 eV。", [("pbe", 0.61), ("hse", 1.17)]),
    ("The PBE gap of 1.17 eV is 0.7 eV below the HSE gap of 1.87 eV.", [("pbe", 1.17), ("-pbe", 0.7), ("hse", 1.87)]),
    ("PBE predicts it to be metallic although experiment finds a gap of 0.6 eV", [("pbe", 0.0), ("experimental", 0.6)]),
    ("metallic in PBE but insulating experimentally (3.2 eV)", [("pbe", 0.0), ("experimental", 3.2)]),
    (
        "gap: PBE = 0.6 eV, PBE0 = 1.8 eV, HSE06 = 1.2 eV, exp = 1.1 eV",
        [("pbe", 0.6), ("other", 1.8), ("hse", 1.2), ("experimental", 1.1)],
    ),
    ("PBE gap of 1.17 eV (indirect) and 2.5 eV (direct)", [("pbe", 1.17), ("-pbe", 2.5)]),
    ("The fundamental gap at PBE level is 0.61 eV and the direct gap is 2.56 eV.", [("pbe", 0.61), ("-pbe", 2.56)]),
    ("PBE gap 1.1 eV. PBEsol gap 1.5 eV.", [("pbe", 1.1), ("-pbe", 1.5)]),
    ("PBE gap 1.1 eV. It is 1.12 eV (PBE).", [("pbe", 1.1), ("-pbe", 1.12)]),
]


@pytest.mark.parametrize(("text", "expected"), SEVERAL, ids=[text for text, _ in SEVERAL])
def test_each_number_gets_its_own_functional(text, expected):
    found = [
        (("" if fact.used or fact.name != "pbe_gap_ev" else "-") + fact.name.removesuffix("_gap_ev"), fact.value)
        for fact in extract_facts(text).facts
    ]
    assert found == [(name, pytest.approx(value)) for name, value in expected]
    assert sum(fact.used for fact in extract_facts(text).facts) == 1


def test_pbe_gaps_that_contradict_each_other_are_not_used():
    reading = extract_facts("PBE gap: 1.1 eV. It is cubic. The PBE gap is 1.5 eV.")
    assert [(fact.value, fact.used, fact.code) for fact in reading.facts] == [
        (1.1, False, "fact_conflict"),
        (1.5, False, "fact_conflict"),
    ]
    assert "1.1 to 1.5" in reading.facts[0].reason
    assert reading.text == "It is cubic."


def test_a_fact_stated_twice_counts_once_and_is_worth_no_warning():
    reading = extract_facts("PBE gap: 1.17 eV. The PBE gap is 1.2 eV.")
    assert [(fact.value, fact.used, fact.code) for fact in reading.facts] == [(1.17, True, ""), (1.2, False, "")]


def test_spans_are_places_in_the_text_as_given():
    text = "MgO\u200b is halite.\r\n\r\n• PBE gap: 4.5 eV\r\n• cubic"
    reading = extract_facts(text)
    (fact,) = reading.facts
    assert fact == Fact("pbe_gap_ev", 4.5, "eV", "text", fact.span, used=True)
    assert text[slice(*fact.span)] == "• PBE gap: 4.5 eV"
    assert reading.text == "MgO\u200b is halite.\r\n\r\n• cubic"
