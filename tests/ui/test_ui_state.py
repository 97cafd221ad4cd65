"""Nothing stale, nothing late, nothing lost: what is shown belongs to what stands in the fields,
and the address brings it back.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from hsegap.ui.examples import load_examples
from support.processes import PATIENCE_S
from support.ui_samples import PEROVSKITE, POSCAR, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from playwright.sync_api import Route

    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser

EXAMPLES = {entry["name"]: entry for entry in load_examples()}
STALE = "#hs-gate [data-role=note]:not([hidden])"


def said(found: Visit) -> str:
    return found.page.inner_text("#hs-source [data-role=said]")


def wait_address(found: Visit, part: str) -> None:
    found.page.wait_for_function("(part) => window.location.hash.includes(part)", arg=part)


def drop(found: Visit, name: str, text: str) -> None:
    found.page.set_input_files(
        "#hs-source input[type=file]", {"name": name, "mimeType": "text/plain", "buffer": text.encode()}
    )


def test_an_edit_makes_the_answer_stale_and_a_new_file_clears_everything(visit: Open) -> None:
    found = visit()
    found.example("MgO.cif")
    gap = found.gap()
    assert not found.page.is_visible(STALE)
    assert "MgO.cif" in said(found)
    # Each field makes it stale; putting back what was there makes it fresh.
    text = found.page.input_value("#hs-structure textarea")
    for field, value in (("structure", text + "\n# mine"), ("description", "Another text.")):
        before = found.page.input_value(f"#hs-{field} textarea")
        found.page.fill(f"#hs-{field} textarea", value)
        found.page.wait_for_selector(STALE)
        assert found.page.locator(".hs-output.hs-stale").count() == 1
        assert found.gap() == gap, "the former answer stays, marked"
        if field == "structure":
            assert "Edited" in said(found)
            assert found.page.locator('.hs-chip[aria-pressed="true"]').count() == 0
            assert "another structure" in found.page.inner_text("#hs-description")
        found.page.fill(f"#hs-{field} textarea", before)
        found.page.wait_for_selector(STALE, state="detached")
        found.page.wait_for_selector(".hs-odd", state="detached")
    found.page.fill("#hs-description textarea", "Another text.")
    found.page.click("#hs-gate [data-role=again]")
    found.page.wait_for_selector(STALE, state="detached")

    # A broken file under a chosen format, then a good one: nothing of the former stays.
    found.page.locator("#hs-format input").click()
    found.page.get_by_role("option", name="POSCAR").click()
    drop(found, "broken.cif", SILICON[:60])
    found.page.wait_for_selector("#hs-error [role=alert]")
    assert found.page.input_value("#hs-format input") == "Recognise"
    assert found.fields() == [SILICON[:60], ""]
    drop(found, "POSCAR", POSCAR)
    found.answered()
    assert found.page.locator("#hs-error [role=alert]").count() == 0
    assert said(found) == "Loaded: POSCAR"
    drop(found, "large.cif", "#" * 2_100_000)
    found.page.wait_for_selector("#hs-source .hs-refused")
    assert "large.cif has 2.1 MB" in said(found)
    assert "Loaded: POSCAR" in said(found), "what is still there"
    found.example("Si.cif")
    assert found.page.locator("#hs-source .hs-refused").count() == 0
    assert said(found) == "Loaded: the example Si.cif"


def test_answers_that_come_late_are_dropped(visit: Open) -> None:
    """SrTiO3 dropped and described, MgO clicked: MgO keeps its own text, whichever comes last."""
    found = visit(alone=True)
    drop(found, "SrTiO3.cif", PEROVSKITE)
    found.answered()
    held: list[Route] = []
    # The click travels at once; what the server then says is held back until the input has changed.
    found.page.click("#hs-describe")
    found.page.wait_for_selector("#hs-status .hs-busy")
    found.page.fill("#hs-structure textarea", SILICON)
    found.page.fill("#hs-description textarea", "Mine.")
    found.page.wait_for_selector("#hs-status .hs-busy", state="detached")
    found.page.wait_for_function("() => !document.querySelector('#hs-cancel')?.offsetParent")
    assert found.fields() == [SILICON, "Mine."]
    found.example("MgO.cif")
    assert found.fields()[1] == EXAMPLES["MgO.cif"]["description"]

    # A prediction that is slow to arrive: its question is held back, another is asked and answered, then it is let go.
    def hold(route: Route) -> None:
        if '"data_Si' in (route.request.post_data or "") and not held:
            held.append(route)
        else:
            route.continue_()

    found.page.route("**/queue/join*", hold)
    drop(found, "Si.cif", SILICON)
    deadline = time.monotonic() + 2 * PATIENCE_S
    while not held and time.monotonic() < deadline:
        found.page.wait_for_timeout(50)
    found.example("GaAs.cif")
    gap = found.gap()
    dropped: list[str] = []
    found.page.on("console", lambda message: dropped.append(message.text))
    held[0].continue_()
    while not any("was dropped" in text for text in dropped) and time.monotonic() < deadline:
        found.page.wait_for_timeout(50)
    assert any("was dropped (answer)" in text for text in dropped)
    assert found.page.inner_text("#hs-answer h2") == "GaAs"
    assert found.gap() == gap
    assert not found.page.is_visible(STALE)


def test_back_forward_refresh_and_a_shared_link_bring_everything_back(visit: Open, client: httpx.Client) -> None:
    found = visit(alone=True)
    found.example("MgO.cif")
    wait_address(found, "example=MgO.cif&a=1")
    first = found.gap()
    drop(found, "mine.cif", PEROVSKITE)
    found.page.wait_for_function("() => document.querySelector('#hs-answer h2')?.innerText.startsWith('SrTiO')")
    # The address of the answer before has a=1, too.
    found.page.wait_for_function("() => /^#s=.*a=1/.test(window.location.hash)")
    found.page.locator("#hs-maps [data-role=maps] input[value=element]").check()
    wait_address(found, "map=element")
    found.tab("model")
    wait_address(found, "tab=model")
    found.page.go_back()
    found.page.wait_for_selector("#hs-answer .hs-gap", state="visible")
    found.page.go_back()
    found.page.wait_for_function("() => document.querySelector('#hs-answer h2')?.innerText === 'MgO'")
    assert found.gap() == first
    assert found.fields() == [EXAMPLES["MgO.cif"]["structure"], EXAMPLES["MgO.cif"]["description"]]
    found.page.go_forward()
    found.page.wait_for_function("() => document.querySelector('#hs-answer h2')?.innerText.startsWith('SrTiO')")
    found.page.reload()
    found.answered()
    found.wait_drawn("element/")
    assert found.fields() == [PEROVSKITE, ""]
    found.page.click("[data-hs-share=link]")
    found.page.wait_for_function("() => document.querySelector('.hs-said').innerText === 'Copied.'")
    link = found.page.evaluate("() => navigator.clipboard.readText()")
    fragment = link.split("#", 1)[1]
    packed = dict(part.split("=", 1) for part in fragment.split("&"))["s"]
    other = visit(alone=True, at=f"#{fragment}")
    expected = client.post("/predict", json={"structure": PEROVSKITE}).json()["gap_ev"]
    assert other.answered() == pytest.approx(expected, abs=1e-6)
    # The crystal is read from the address by the page's script: no address that is asked for has it.
    assert len(other.asked) > 10
    assert not [url for url in other.asked if packed[:20] in url]

    # Too large for an address: this tab keeps it. A draft that was not predicted comes back as a draft.
    large = SILICON + "".join(f"# {number * 7919 % 10007}{number**3}\n" for number in range(1000))
    found.page.fill("#hs-structure textarea", large)
    wait_address(found, "k=")
    found.page.reload()
    found.page.wait_for_function(
        "(text) => document.querySelector('#hs-structure textarea')?.value === text", arg=large
    )
    assert found.page.locator("#hs-answer .hs-gap").count() == 0
    for nonsense in ("#s=%%%", "#s=AAAA", "#k=gone&tab=nowhere", "#example=../../etc", "#map=<b>"):
        found.page.evaluate("(hash) => { window.location.hash = hash; }", nonsense)
        found.page.wait_for_timeout(100)
    found.example("Si.cif")
