"""Keyboard, colours, and a phone's small screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.ui_samples import DESCRIPTION, PEROVSKITE

if TYPE_CHECKING:
    from support.visits import Visit

pytestmark = pytest.mark.browser


def answered(found: Visit) -> None:
    found.page.fill("#hs-structure textarea", PEROVSKITE)
    found.page.fill("#hs-description textarea", DESCRIPTION)
    found.page.click("#hs-predict")
    found.answered()


def test_the_keyboard_reaches_everything_in_the_order_of_the_page(visit) -> None:
    found = visit()
    order = []
    found.page.locator("body").press("Tab")
    for _ in range(60):
        order.append(
            found.page.evaluate(
                "() => document.activeElement?.closest('[id^=hs-]')?.id ?? "
                "document.activeElement?.getAttribute('role') ?? ''"
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
        "() => { const box = document.querySelector('.hs-gap').getBoundingClientRect(); "
        "return box.top >= 0 && box.bottom <= innerHeight; }"
    )
