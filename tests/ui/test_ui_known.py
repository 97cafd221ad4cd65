"""The field for a PBE gap: there where the network takes one, away where it does not,
and what became of it in the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from support.ui_samples import ROCK_SALT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hsegap.artifact import Artifact
    from support.serving import RunningServer
    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser


def test_a_network_that_takes_no_gap_is_asked_for_none(visit: Open, artifact: Artifact) -> None:
    found = visit()
    takes = "pbe_gap_ev" in artifact.manifest.config.get("facts", ())
    assert found.page.locator("#hs-known input").count() == int(takes)
    # A link that carries a gap is opened all the same.
    found.page.evaluate("(text) => window.hsegap.put({ structure: text, known: 5.1 })", ROCK_SALT)
    found.answered()


def test_a_known_gap_is_told_named_and_compared(
    visit: Open, start_server: Callable[..., RunningServer], told_artifact: Path
) -> None:
    server = start_server(page=True, artifact=told_artifact)
    found = visit(alone=True, url=server.url, width=820)
    found.page.fill("#hs-structure textarea", ROCK_SALT)
    found.page.click("#hs-predict")
    # An untouched field states nothing: a gap of 0 would be a metal's.
    alone = httpx.post(f"{server.url}/predict", json={"structure": ROCK_SALT}, timeout=60).json()
    assert found.answered() == pytest.approx(alone["gap_ev"], abs=1e-6)
    found.page.fill("#hs-known input", "5.1")
    found.page.press("#hs-known input", "Enter")
    found.page.wait_for_function("() => document.querySelector('.hs-told')?.innerText.includes('5.1 eV')")
    gap = found.answered()
    asked = {"structure": ROCK_SALT, "known": {"pbe_gap_ev": 5.1}}
    expected = httpx.post(f"{server.url}/predict", json=asked, timeout=60).json()
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
    assert "invalid_request" in found.page.wait_for_selector("#hs-error [role=alert]").inner_text()
