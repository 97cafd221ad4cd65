"""The page's strain curve with its band, estimate and warnings, its swaps,
and the text shaded by what each sentence did.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hsegap.prediction.schemas import SentenceReport, Warn
from hsegap.prediction.what_if import SwapReport, WhatIf
from hsegap.ui.maps import SCALES_EV
from hsegap.ui.swapped import swaps_html
from hsegap.ui.weighed import weighed_html
from hsegap.ui.words import Words, catalogue
from support.ui_samples import DESCRIPTION, PEROVSKITE, STRAIN_CURVE, prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from support.visits import Visit

    Open = Callable[..., Visit]

LOCALES = {"en": "en-US", "zh": "zh-CN"}


def explained(effects: list[float | None], text: str):
    spans = [(found.start(), found.end()) for found in re.finditer(r"[^.]+\.", text)]
    reports = [SentenceReport(span=span, effect_ev=effect) for span, effect in zip(spans, effects, strict=True)]
    made = prediction()
    told = made.description.model_copy(update={"text": text, "origin": "given"})
    return made.model_copy(update={"description": told, "sentences": reports, "text_effect_ev": 0.25})


def test_sentences_are_shaded_on_a_fixed_scale_and_carry_their_numbers() -> None:
    made = weighed_html(explained([0.15, -0.3, None], "One <b>.Two.Three."), Words())
    assert re.findall(r'hs-(raises|lowers)" data-effect="(\S+)" style="--share:(\d+)%', made) == [
        ("raises", "0.150000", "50"),
        ("lowers", "-0.300000", "100"),
    ]
    assert "+0.150 eV" in made
    assert "−0.300 eV" in made
    assert "Three. <small>(not tried)" in made
    assert "<b>" not in made
    assert "from −0.3 to +0.3 eV" in made
    assert "moved the gap by +0.250 eV" in made


def test_small_effects_do_not_fill_the_scale() -> None:
    made = weighed_html(explained([0.002, -0.001], "One.Two."), Words())
    assert re.findall(r"--share:(\d+)%", made) == ["2", "1"]
    assert f"−{SCALES_EV[0]:g} eV" in made


def test_a_text_of_facts_alone_says_that_no_sentence_reaches_the_network() -> None:
    assert Words()("weighed.no_sentence") in weighed_html(prediction().model_copy(update={"sentences": []}), Words())


def test_swaps_are_escaped_and_name_their_warnings() -> None:
    one = SwapReport(
        element="Ti",
        by="Zr",
        formula="ZrO2",
        gap_ev=4.0,
        change_ev=-0.5,
        interval_ev=(3.0, 5.0),
        pbe_gap_estimate_ev=None,
        warnings=[Warn(code="crystal_unlike_training", message='"<b>')],
    )
    made = swaps_html(WhatIf(formula="TiO2", gap_ev=3, gap_without_text_ev=3, strain=None, swaps=[one]), Words())
    for shown in ("Ti → Zr", "ZrO<sub>2</sub>", "−0.50", "3.00 – 5.00", Words()("warning.crystal_unlike_training")):
        assert shown in made
    assert "<b>" not in made
    empty = WhatIf(formula="Xe", gap_ev=3, gap_without_text_ev=3, strain=None, swaps=[])
    assert Words()("swap.none") in swaps_html(empty, Words())


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_curve_shows_band_and_warnings_along_an_axis(visit: Open, client: httpx.Client, language: str) -> None:
    words = catalogue(language)
    found = visit(locale=LOCALES[language])
    found.example("C.cif")  # stretched along one axis, the ties among diamond's neighbours break
    found.page.select_option("#hs-strain [data-role=along]", "c")
    found.page.click("#hs-strain [data-role=ask]")
    found.page.wait_for_selector("#hs-strain .main-svg")
    text = found.fields()
    body = {"structure": text[0], "description": text[1] or None, "strain": "c", "swaps": []}
    curve = client.post("/what_if", json=body).json()["strain"]
    traces = found.page.evaluate(STRAIN_CURVE)
    band = next(trace for trace in traces if trace["name"] == words["strain.band"])
    assert band["fill"] == "tonexty"
    assert band["y"] == pytest.approx([high for _, high in curve["interval_ev"]], abs=1e-3)
    [gaps] = [trace for trace in traces if trace["name"] == words["strain.gap"]]
    assert gaps["y"] == pytest.approx(curve["gap_ev"], abs=1e-3)
    [warned] = [trace for trace in traces if trace["symbol"] == "triangle-up"]
    assert warned["x"] == [at for at, said in zip(curve["percent"], curve["warnings"], strict=True) if said]
    listed = found.page.inner_text("#hs-strain [data-code=neighbours_changed]")
    assert listed.startswith(words["warning.neighbours_changed"])
    assert "−3.0" in listed
    assert words["strain.axis_c"] in found.page.inner_text("#hs-strain [data-role=plot]")
    assert words["warning.neighbours_changed"] in (
        found.page.get_attribute("#hs-strain [data-role=plot]", "aria-label") or ""
    )


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_swaps_stand_in_a_table_with_changes_and_warnings(visit: Open, client: httpx.Client, language: str) -> None:
    found = visit(locale=LOCALES[language])
    found.example("TiO2_rutile.cif")
    found.page.click("#hs-strain [data-role=swap]")
    found.page.wait_for_selector("#hs-strain .hs-swaps")
    rows = [row.locator("td").all_inner_texts() for row in found.page.locator(".hs-swaps tbody tr").all()]
    swaps = client.post("/what_if", json={"structure": found.fields()[0], "strain": None}).json()["swaps"]
    assert [row[0] for row in rows] == [f"{one['element']} → {one['by']}" for one in swaps]
    assert [float(row[3].replace("−", "-")) for row in rows] == pytest.approx(
        [one["change_ev"] for one in swaps], abs=6e-3
    )
    assert catalogue(language)["warning.swap_changes_size"] in "".join(row[-1] for row in rows)
    found.example("Si.cif")  # another crystal: what was said of the one before goes
    assert found.page.locator("#hs-strain .hs-swaps").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_button_shades_the_text_by_what_each_sentence_did(visit: Open, client: httpx.Client, language: str) -> None:
    words = Words(language)
    found = visit(locale=LOCALES[language])
    found.page.fill("#hs-structure textarea", PEROVSKITE)
    found.page.click("#hs-predict")
    found.answered()
    assert found.page.locator("#hs-weighed [data-role=ask]").is_hidden(), "there is no text"
    found.page.fill("#hs-description textarea", DESCRIPTION)
    found.page.click("#hs-predict")
    found.page.wait_for_selector("#hs-weighed [data-role=ask]")
    found.page.click("#hs-weighed [data-role=ask]")
    found.page.wait_for_selector("#hs-weighed .hs-weighed-text")
    body = {"structure": PEROVSKITE, "description": DESCRIPTION, "explain": True}
    reports = client.post("/predict", json=body).json()["sentences"]
    assert len(reports) > 1
    shown = [float(mark.get_attribute("data-effect") or "nan") for mark in found.page.locator("#hs-weighed mark").all()]
    assert shown == pytest.approx([report["effect_ev"] for report in reports], abs=1e-4)
    read = found.page.inner_text("#hs-weighed .hs-weighed-text")
    for report in reports:
        assert f"{report['effect_ev']:+.2f}"[:4].replace("-", "−") in read
    largest = max(abs(report["effect_ev"]) for report in reports)
    scale = next(end for end in SCALES_EV if largest <= end)
    assert words("weighed.scale", scale=f"{scale:g}") in found.page.inner_text("#hs-weighed")
    ends = found.page.inner_text("#hs-weighed .hs-weighed-bar")
    assert re.findall(r"[−+]?[\d.]+", ends) == [f"−{scale:g}", "0", f"+{scale:g}"]
