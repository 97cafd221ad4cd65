"""Narrow and wide, light and dark, keyboard and screen reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.ui_samples import DESCRIPTION, PEROVSKITE

if TYPE_CHECKING:
    from support.visits import Visit

pytestmark = pytest.mark.browser

#: The page's own promise beside axe's rules: nothing sticks out sideways.
OVERFLOW = """() => [...document.querySelectorAll('.hs-card, .hs-card *')].filter((e) => {
  if (e.closest('.hs-scroller, .hs-scroll-x, .hs-card-text table, .hs-picture, .hs-plot, .hs-landmarks, .hs-ticks, .hs-track, textarea') || !e.offsetParent) return false;
  const box = e.getBoundingClientRect();
  return box.width > 1 && (box.right > window.innerWidth + 1 || box.left < -1);
}).map((e) => e.outerHTML.slice(0, 120))"""


def answered(found: Visit) -> None:
    found.page.fill("#hs-structure textarea", PEROVSKITE)
    found.page.fill("#hs-description textarea", DESCRIPTION)
    found.page.click("#hs-predict")
    found.answered()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1400])
def test_every_tab_fits_and_has_no_serious_accessibility_finding(visit, width: int, dark: bool) -> None:
    from axe_playwright_python.sync_playwright import (
        Axe,
    )  # without it this test fails: it must not be skipped where the browser is there

    axe = Axe()
    found = visit(width=width, dark=dark)
    answered(found)
    assert found.page.evaluate("() => document.body.classList.contains('dark')") is dark
    for name in ("Predict", "Batch", "Model"):
        found.page.get_by_role("tab", name=name).click()
        found.page.wait_for_timeout(300)
        assert found.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), name
        assert not found.page.evaluate(OVERFLOW), name
        serious = [
            (finding["id"], [node["html"][:200] for node in finding["nodes"]])
            for finding in axe.run(found.page).response["violations"]
            if finding["impact"] in {"serious", "critical"}
        ]
        assert not serious, (name, serious)


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(visit) -> None:
    found = visit()
    order = []
    found.page.locator("body").press("Tab")
    for _ in range(60):
        order.append(
            found.page.evaluate(
                "() => document.activeElement?.closest('[id^=hs-]')?.id ?? document.activeElement?.getAttribute('role') ?? ''"
            )
        )
        found.page.keyboard.press("Tab")
    seen = list(dict.fromkeys(name for name in order if name.startswith("hs-")))
    wanted = [
        "hs-source",
        "hs-structure",
        "hs-format",
        "hs-description",
        "hs-describe",
        "hs-predict",
        "hs-predict-bare",
    ]
    assert [name for name in seen if name in wanted] == wanted


def test_the_visitors_choice_of_colours_stays(visit) -> None:
    found = visit(alone=True)
    found.page.click("[data-hs-theme]")
    assert found.page.evaluate("() => document.body.classList.contains('dark')")
    found.page.reload()
    found.page.wait_for_function("() => window.hsegap && document.body.classList.contains('dark')")


def test_on_a_phone_the_answer_comes_into_view(visit) -> None:
    found = visit(width=360, height=740)
    answered(found)
    found.page.wait_for_function(
        "() => { const box = document.querySelector('.hs-gap').getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight; }"
    )
