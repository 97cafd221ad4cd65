"""The answer in words, on the scale and as maps: nothing invented, nothing stretched,
nothing from outside unescaped.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import Description, FactReport, Warn
from hsegap.structures import read, summary_of
from hsegap.ui.actions import cif_with_maps, make_request, table_csv
from hsegap.ui.answer import answer_html, error_html, formula_html
from hsegap.ui.maps import NEARLY_FLAT, NOISE, atom_table, maps_of
from hsegap.ui.read_panel import lattice_words, read_html
from hsegap.ui.scale import LANDMARKS, edge_in_words, edge_range, scale_end, scale_html, wavelength_nm
from hsegap.ui.words import Words
from support.ui_samples import PEROVSKITE, atom, prediction

WORDS = Words()
ROOT = Path(__file__).resolve().parents[2]


def test_the_gap_is_said_as_it_is() -> None:
    made = answer_html(prediction(gap=3.2049, warnings=[]))
    assert '<p class="hs-gap" data-gap="3.204900"><span>3.20</span> eV' in made
    assert "semiconductor" in made
    assert "Absorption edge</span> 387 nm (visible)" in made
    assert "Excitons and indirect gaps shift it" in made


def test_before_calibration_no_interval_is_drawn_and_that_is_said() -> None:
    made = answer_html(prediction(interval=None))
    assert WORDS("answer.no_interval") in made
    assert 'hs-interval"' not in made
    calibrated = answer_html(prediction(interval=(2.9, 3.6), warnings=[]))
    assert "2.90 – 3.60 eV" in calibrated
    assert "Of 100 crystals like those it was tested on, 90 have their HSE06 gap in such a range." in calibrated
    assert "344 nm – 428 nm (ultraviolet to visible)" in calibrated
    assert 'class="hs-interval" style="left:29.00%;width:max(3px, 7.00%)"' in calibrated


def test_a_gap_below_zero_keeps_its_raw_value() -> None:
    made = answer_html(prediction(gap=0.0, raw=-0.123, warnings=[]))
    assert "-0.123 eV" in made
    assert "metal" in made
    assert "Absorption edge" not in made


def test_with_text_both_answers_stand_side_by_side() -> None:
    given = prediction(gap=3.0, gap_without_text_ev=3.4, description=Description(text="x", origin="given"))
    made = answer_html(given)
    assert "3.40 eV" in made
    assert "−0.40 eV" in made
    assert "structure 70 %" in made
    assert "hs-compare" not in answer_html(prediction())


def test_a_told_gap_says_what_became_of_it() -> None:
    used = FactReport(
        name="pbe_gap_ev", value=1.5, unit="eV", origin="request", span=None, used=True, effect_ev=-0.2, reason=None
    )
    left = FactReport(
        name="hse_gap_ev",
        value=2.5,
        unit="eV",
        origin="text",
        span=(0, 9),
        used=False,
        effect_ev=None,
        reason="an <HSE> gap",
    )
    made = answer_html(prediction(gap=3.0, gap_without_text_ev=3.2, facts=[used, left], pbe_gap_estimate_ev=1.4))
    assert "PBE gap 1.5 eV (in the field): moved the gap by −0.20 eV" in made
    assert "HSE gap 2.5 eV (in the text): not used" in made
    assert "an &lt;HSE&gt; gap" in made
    assert "1.40 eV" in made
    assert "hs-compare" in made, "a fact was used: both answers are shown though there is no text"


def test_chinese_sentences_have_chinese_marks() -> None:
    used = FactReport(
        name="pbe_gap_ev", value=1.5, unit="eV", origin="text", span=(0, 9), used=True, effect_ev=-0.2, reason=None
    )
    chinese = Words("zh")
    made = answer_html(prediction(gap=3.0, interval=(2.0, 2.0), gap_without_text_ev=3.2, facts=[used]), chinese)
    assert "PBE 带隙 1.5 eV（来自文字）：使结果改变 −0.20 eV" in made
    assert edge_range((2.0, 2.0), chinese) == "620 nm（可见光）"
    assert "620 nm（可见光）。" in made


@pytest.mark.parametrize("code", ["crystal_unlike_training", "element_not_in_training"])
def test_a_crystal_unlike_the_training_set_is_called_unsure_and_no_metal(code: str) -> None:
    warnings = [Warn(code=code, message="Unlike."), Warn(code="symmetry_missing", message="No symmetry.")]
    made = answer_html(prediction(gap=0.02, interval=(0.0, 0.9), warnings=warnings))
    assert "hs-kind-metal" not in made
    assert "hs-kind-unsure" in made
    assert ">metal<" not in made
    assert "the true gap may lie far outside" in made
    assert made.index("Unlike.") < made.index("hs-scale"), "the warning stands beside the number"
    assert "repaired or assumed (1)" in made
    sure = answer_html(prediction(gap=0.02, interval=(0.0, 0.9), warnings=[]))
    assert "hs-kind-metal" in sure
    assert "hs-warnings" not in sure


def test_a_text_that_was_cut_is_said_in_passing_and_no_reason_for_care() -> None:
    cut = Warn(code="text_truncated", message="The text has more than <128> tokens.")
    made = answer_html(prediction(warnings=[cut]))
    assert "hs-warnings" not in made
    assert '<p class="hs-note">The text has more than &lt;128&gt; tokens.</p>' in made
    assert made.count("tokens.") == 1
    rutile = summary_of(read(ROOT / "examples" / "TiO2_rutile.cif"))
    assert "tokens." not in read_html(rutile, prediction(warnings=[cut]), WORDS), "it is not about the file"
    both = answer_html(prediction(warnings=[cut, Warn(code="larger_than_training", message="Large.")]))
    assert "hs-warnings" in both
    assert both.count("tokens.") == 1


def test_nothing_from_outside_becomes_markup() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    made = answer_html(prediction(formula=hostile, warnings=[Warn(code="x", message=hostile)]))
    made += error_html(Failure.make("unreadable_structure", hostile, hostile))
    assert "<img" not in made


def test_an_error_names_itself_and_says_what_to_do() -> None:
    made = error_html(Failure.make("disordered_structure", "Partial.", "Order it."))
    assert 'role="alert"' in made
    assert all(part in made for part in ("Partial.", "Order it.", "<code>disordered_structure</code>"))


def test_formulas_have_subscripts() -> None:
    assert formula_html("Ca5(PO4)3F") == "Ca<sub>5</sub>(PO<sub>4</sub>)<sub>3</sub>F"


def test_wavelengths_are_those_of_photons() -> None:
    assert wavelength_nm(1.2398) == pytest.approx(1000, rel=1e-3)
    assert wavelength_nm(0.0) is None
    assert "infrared" in edge_in_words(1.1)
    assert "colour" in edge_in_words(2.4)
    assert "transparent" in edge_in_words(7.8)


def test_the_edge_is_a_range_over_the_interval() -> None:
    assert edge_range((1.0, 4.0), WORDS) == "310 nm – 1\u202f240 nm (ultraviolet to infrared)"
    assert edge_range((0.0, 0.5), WORDS) == "2\u202f480 nm and longer (infrared)"
    assert edge_range((2.0, 2.0), WORDS) == "620 nm (visible)"
    assert edge_range((0.0, 0.0), WORDS) == "none: the gap closes"


@pytest.mark.parametrize("gap", [0.0, 0.05, 9.9, 13.0, 25.0])
def test_every_gap_lies_on_its_scale(gap: float) -> None:
    made = scale_html(gap, (max(0.0, gap - 1), gap + 1), without_text_ev=gap / 2, words=WORDS)
    assert scale_end(gap, gap + 1) > gap
    places = [float(place) for place in re.findall(r"left:([\d.]+)%", made)]
    assert places
    assert all(0 <= place <= 100 for place in places)
    assert f"Predicted gap {gap:.2f}" in made


def test_landmarks_are_ordered_and_named() -> None:
    assert [entry.gap_ev for entry in LANDMARKS] == sorted(entry.gap_ev for entry in LANDMARKS)
    made = scale_html(1.0, None, words=WORDS)
    assert "silicon 1.12" in made
    assert "LiF" not in made  # beyond the end of this scale


def test_maps_come_in_order_and_without_text_there_is_no_share() -> None:
    made = [(entry.name, entry.layer) for entry in maps_of(prediction())]
    assert made == [("importance", "layer_1"), ("importance", "layer_2"), ("gate", "layer_1"), ("gate", "layer_2")]
    with_text = maps_of(prediction(atoms=[atom(0, "Ti", share=0.2), atom(1, "O", share=0.3)]))
    assert with_text[0].name == "text_share"
    assert maps_of(prediction(atoms=[])) == []


def test_rounding_is_never_shown_as_colours() -> None:
    values = [0.4, 0.4 + NOISE / 2, 0.4 - NOISE / 3]
    flat = maps_of(prediction(atoms=[atom(index, "O", gate=value) for index, value in enumerate(values)]))[2]
    assert flat.flat
    assert flat.note.startswith("Flat")


def test_a_small_spread_is_named_and_not_stretched() -> None:
    near = maps_of(prediction(atoms=[atom(0, "O", gate=0.4), atom(1, "O", gate=0.4 + NEARLY_FLAT / 2)]))[2]
    assert not near.flat
    assert near.note.startswith("Nearly flat")
    wide = maps_of(prediction(atoms=[atom(0, "O", gate=0.1), atom(1, "O", gate=0.6)]))[2]
    assert wide.note == "Range in this crystal: 0.100 to 0.600."
    assert (wide.lowest, wide.highest) == (0.1, 0.6)


def test_the_table_of_atoms_is_the_prediction() -> None:
    given = prediction()
    table = atom_table(given, maps_of(given))
    assert [row[:2] for row in table["rows"]] == [[0, "Ti"], [1, "O"], [2, "O"]], (
        "numbered as in JSON and at the command line"
    )
    rows = list(csv.DictReader(io.StringIO(table_csv(table))))
    assert [float(row["Gate, layer 2"]) for row in rows] == [entry.gate["layer_2"] for entry in given.atoms]
    assert [float(row["a"]) for row in rows] == [entry.frac_coords[0] for entry in given.atoms]


def test_the_cif_with_maps_reads_back_with_every_value() -> None:
    crystal = read(PEROVSKITE)
    given = prediction(
        atoms=[atom(index, symbol, gate=0.1 + 0.1 * index) for index, symbol in enumerate(crystal.symbols)]
    )
    made = cif_with_maps(crystal, given, maps_of(given))
    again = read(made)
    assert again.symbols == crystal.symbols
    assert "_atom_site_gate_layer_1" in made
    assert "predicted HSE06 gap 3.2000 eV" in made


def test_requests_are_validated_as_over_http() -> None:
    assert make_request("x", "auto", "  ").description is None
    assert make_request("x", "poscar").format == "poscar"
    assert make_request("x", "docx").error.code == "unsupported_format"
    assert make_request("x", None, "y" * 200_000).error.code == "text_too_long"
    assert make_request("x" * 3_000_000).error.code == "payload_too_large"


def test_what_was_read_stands_beside_the_picture():
    rutile = read(ROOT / "examples" / "TiO2_rutile.cif")
    repaired = prediction(warnings=[Warn(code="symmetry_missing", message="<No> symmetry.")])
    made = read_html(summary_of(rutile), repaired, WORDS)
    for part in (
        "P4_2/mnm (136)",
        "a = b = 4.594, c = 2.958 Å; α = β = γ = 90.0°",
        "62.42 Å³",
        "6: 2 Ti, 4 O",
        "&lt;No&gt;",
    ):
        assert part in made
    assert "4.2" in re.search(r"([\d.]+) g/cm³", made)[1]
    assert lattice_words(summary_of(read(PEROVSKITE)).lattice) == "a = b = c = 3.905 Å; α = β = γ = 90.0°"
