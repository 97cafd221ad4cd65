"""The field for a PBE gap: there where the network takes one, away where it does not,
and what became of it in the answer. What the page shows of a network that explains its answers and estimates that gap.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.ui.maps import SCALES_EV
from hsegap.ui.words import Words
from support.service_samples import NACL
from support.ui_samples import COLOUR_BAR, PEROVSKITE, ROCK_SALT, STRAIN_CURVE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hsegap.artifact import Artifact
    from support.serving import RunningServer
    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def explaining(start_server: Callable[..., RunningServer], explained_artifact: Path) -> RunningServer:
    """A server whose network takes a PBE gap, estimates one, and explains its answers."""
    return start_server(page=True, artifact=explained_artifact)


def test_a_network_that_takes_no_gap_is_asked_for_none(visit: Open, artifact: Artifact) -> None:
    found = visit()
    takes = "pbe_gap_ev" in artifact.manifest.config.get("facts", ())
    assert found.page.locator("#hs-known input").count() == int(takes)
    # A link that carries a gap is opened all the same.
    found.page.evaluate("(text) => window.hsegap.put({ structure: text, known: 5.1 })", ROCK_SALT)
    found.answered()


def test_a_known_gap_is_told_named_and_compared(visit: Open, explaining: RunningServer) -> None:
    found = visit(alone=True, url=explaining.url, width=820)
    found.page.fill("#hs-structure textarea", ROCK_SALT)
    found.page.click("#hs-predict")
    # An untouched field states nothing: a gap of 0 would be a metal's.
    alone = httpx.post(f"{explaining.url}/predict", json={"structure": ROCK_SALT}, timeout=60).json()
    assert found.answered() == pytest.approx(alone["gap_ev"], abs=1e-6)
    found.page.fill("#hs-known input", "5.1")
    found.page.press("#hs-known input", "Enter")
    found.page.wait_for_function("() => document.querySelector('.hs-told')?.innerText.includes('5.1 eV')")
    gap = found.answered()
    asked = {"structure": ROCK_SALT, "known": {"pbe_gap_ev": 5.1}}
    expected = httpx.post(f"{explaining.url}/predict", json=asked, timeout=60).json()
    assert gap == pytest.approx(expected["gap_ev"], abs=1e-6)
    [fact] = expected["facts"]
    told = found.page.inner_text(".hs-told")
    assert "PBE gap 5.1 eV (in the field): moved the gap by" in told
    assert f"{abs(fact['effect_ev']):.2f} eV" in told
    assert f"{expected['pbe_gap_estimate_ev']:.2f} eV" in told
    assert found.page.locator(".hs-compare dd").all_inner_texts()[1] == f"{expected['gap_without_text_ev']:.2f} eV"
    # It stands in the address; a change makes the answer stale; a new file clears it.
    found.page.wait_for_function("() => window.location.hash.includes('a=1')")
    found.page.reload()
    assert found.answered() == pytest.approx(gap, abs=1e-6)
    assert found.page.input_value("#hs-known input") == "5.1"
    found.page.fill("#hs-known input", "4")
    found.page.wait_for_selector("#hs-gate [data-role=note]:not([hidden])")
    found.example("NaCl.cif")
    assert found.page.input_value("#hs-known input") == ""
    # Out of bounds it is an error with a name.
    found.page.fill("#hs-known input", "-3")
    found.page.click("#hs-predict")
    assert "gap_out_of_range" in found.page.wait_for_selector("#hs-error [role=alert]").inner_text()


@pytest.mark.slow
def test_the_page_opens_on_contributions_and_says_what_changed_nothing(visit: Open, explaining: RunningServer) -> None:
    found = visit(url=explaining.url, alone=True)
    found.page.fill("#hs-structure textarea", NACL)
    found.page.click("#hs-predict")
    found.answered()
    found.wait_drawn("contribution_ev/")
    low, high, ticks = found.page.evaluate(COLOUR_BAR)
    assert -low == high in SCALES_EV
    assert [float(tick.replace("−", "-")) for tick in ticks] == pytest.approx([low, 0, high])
    assert found.page.locator("#hs-maps [data-role=inside]").is_hidden()
    assert found.page.locator("#hs-maps .hs-near tbody tr").count() == 5
    assert "1 %" in found.page.inner_text("#hs-maps .hs-sensitivity")
    found.page.locator("#hs-maps [data-role=maps] input[value=inside]").check()
    found.wait_drawn("importance/")
    assert found.page.locator("#hs-maps [data-role=inside]").is_visible()
    assert "Not the atom’s importance" in found.page.inner_text("#hs-maps [data-role=meaning]")


@pytest.mark.slow
def test_a_network_that_estimates_the_pbe_gap_draws_it_along_the_strain(visit: Open, explaining: RunningServer) -> None:
    found = visit(url=explaining.url, alone=True)
    found.page.fill("#hs-structure textarea", PEROVSKITE)
    found.page.click("#hs-predict")
    found.answered()
    found.page.click("#hs-strain [data-role=ask]")
    found.page.wait_for_selector("#hs-strain .main-svg")
    [estimate] = [trace for trace in found.page.evaluate(STRAIN_CURVE) if trace["name"] == Words()("strain.pbe")]
    assert len(estimate["y"]) == 13
    assert all(value >= 0 for value in estimate["y"]), json.dumps(estimate)
