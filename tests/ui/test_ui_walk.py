"""The whole page walked at three widths, light and dark, in both languages: everything fits, nothing is unseen,
axe finds nothing serious.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hsegap.ui.words import catalogue
from support.processes import until
from support.ui_samples import PEROVSKITE, SILICON

if TYPE_CHECKING:
    from pathlib import Path

    from support.visits import Visit

pytestmark = pytest.mark.browser

#: The page's own promise beside axe's rules: nothing sticks out sideways, no words are cut off in buttons and heads.
OVERFLOW = """() => [...document.querySelectorAll('.hs-header *, .hs-card, .hs-card *')].filter((e) => {
  if (e.closest('.hs-scroller, .hs-scroll-x, .hs-card-text table, .hs-picture, .hs-plot, .hs-landmarks, .hs-ticks, .hs-track, .hs-triad, textarea') || !e.offsetParent) return false;
  const box = e.getBoundingClientRect();
  const cut = e.matches('button, h1, h2, h3, label, dt, dd, .hs-kind') && getComputedStyle(e).overflow !== 'visible' && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0;
  return box.width > 1 && (box.right > window.innerWidth + 1 || box.left < -1 || cut);
}).map((e) => e.outerHTML.slice(0, 160))"""  # noqa: E501 - the script as the browser gets it
#: Marks left in the page, keys shown in place of words, and in Chinese English words that are no names.
UNWORDED = """() => [document.body.innerText, ...[...document.querySelectorAll('[title], [aria-label], [placeholder]')].flatMap(
  (e) => [e.title, e.ariaLabel, e.placeholder])].join('\\n').match(/%%[a-z_.]+|\\b(?:batch|map|cell|model|share|answer|warning)\\.[a-z_]+\\b/g)"""  # noqa: E501 - the script as the browser gets it
#: Labels, buttons and heads without a single Chinese character, names of crystals, files and formats left out.
NOT_CHINESE = r"""() => [...document.querySelectorAll('label, button, h2, h3, th, dt, figcaption, .hs-note, .hs-meaning')].filter(
  (e) => e.offsetParent && !e.closest('.hs-chips, [data-hs-language], .hs-failures, #hs-batch-files')).map((e) => e.innerText.trim()).filter(
  (text) => /[a-z]{4}/i.test(text) && !/[\u4e00-\u9fff]/.test(text) && !/^(JSON|hsegap)/.test(text))"""  # noqa: E501 - the script as the browser gets it
#: Chinese words followed or enclosed by marks of English.
HALF_WIDTH = (
    r"""() => document.body.innerText.match(/.{0,20}([\u4e00-\u9fff]\)?[.;:,](\s|$)|\([\u4e00-\u9fff]).{0,20}/g)"""
)
WALKS = [
    (360, False, "zh-CN"),
    (360, True, "en-US"),
    (820, False, "en-US"),
    (820, True, "zh-CN"),
    (1400, False, "zh-CN"),
    (1400, True, "en-US"),
]


def check(found: Visit, where: str) -> None:
    """It fits, it is in words, and axe has nothing serious to say."""
    from axe_playwright_python.sync_playwright import (
        Axe,
    )  # without it this test fails: it must not be skipped where the browser is there

    found.page.wait_for_timeout(200)
    assert found.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"), where
    assert not found.page.evaluate(OVERFLOW), where
    assert not found.page.evaluate(UNWORDED), where
    if where != "model" and found.page.evaluate("() => document.documentElement.lang") == "zh-CN":
        assert not found.page.evaluate(NOT_CHINESE), where
        assert not found.page.evaluate(HALF_WIDTH), where
    serious = [
        (finding["id"], [node["html"][:200] for node in finding["nodes"]])
        for finding in Axe().run(found.page).response["violations"]
        if finding["impact"] in {"serious", "critical"}
    ]
    assert not serious, (where, serious)


def extent(found: Visit) -> tuple[list[float], list[float]]:
    """Where the crystal's outermost points lie in the picture:
    largest distance from its middle as shares of half its width and height.
    """
    return found.page.evaluate(
        """() => { const p = document.querySelector('#hs-maps [data-role=picture]'); const s = p._fullLayout.scene._scene.glplot;
        const { projection, view, model } = s.cameraParams; const m = (a, b) => { const o = new Array(16).fill(0);
          for (let c = 0; c < 4; c += 1) for (let r = 0; r < 4; r += 1) for (let k = 0; k < 4; k += 1) o[4 * c + r] += a[4 * k + r] * b[4 * c + k]; return o; };
        const all = m(projection, m(view, model)); const trace = p.data[0]; const scale = p._fullLayout.scene._scene.dataScale; const out = [[], []];
        for (let n = 0; n < trace.x.length; n += 1) { const v = [trace.x[n] * scale[0], trace.y[n] * scale[1], trace.z[n] * scale[2], 1];
          const w = [0, 1, 3].map((r) => v.reduce((sum, part, c) => sum + all[4 * c + r] * part, 0)); out[0].push(Math.abs(w[0] / w[2])); out[1].push(Math.abs(w[1] / w[2])); }
        return out.map((values) => Math.max(...values)); }"""  # noqa: E501 - the script as the browser gets it
    )


def turn(found: Visit) -> None:
    """Cells, polyhedra, views: the crystal never leaves its frame."""
    page = found.page
    page.check("#hs-maps [data-role=polyhedra]")
    page.wait_for_function("() => document.querySelector('#hs-maps [data-role=picture]').data[2].visible === true")
    for cell in ("conventional", "primitive", "read"):
        page.select_option("#hs-maps [data-role=cell]", cell)
        page.wait_for_selector(f'#hs-maps [data-role=picture][data-cell="{cell}"]')
    for view in ("a", "b", "c", "reset"):
        before = page.locator("#hs-maps [data-role=triad]").inner_html()
        page.click(f"#hs-maps [data-view={view}]")
        page.wait_for_function(
            "(before) => document.querySelector('#hs-maps [data-role=triad]').innerHTML !== before", arg=before
        )
        page.wait_for_timeout(150)
        assert until(lambda: max(extent(found)) <= 1.0), view


@pytest.mark.parametrize(("width", "dark", "locale"), WALKS)
def test_the_page_is_walked(visit, tmp_path: Path, width: int, dark: bool, locale: str) -> None:
    language = locale[:2]
    words = catalogue(language)
    found = visit(width=width, dark=dark, locale=locale)
    page = found.page
    assert page.evaluate("() => document.body.classList.contains('dark')") is dark
    assert page.evaluate("() => document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    check(found, "empty")
    found.example("TiO2_rutile.cif")

    # What was read stands beside the picture, below it on a narrow page; the interval says what it means.
    read, picture = (page.locator(f"#hs-maps [data-role={name}]").bounding_box() for name in ("read", "stage"))
    assert read["x"] >= picture["x"] + picture["width"] if width == 1400 else read["y"] < picture["y"] + 900
    for part in ("P4_2/mnm (136)", "4.25 g/cm³", "a = b = 4.594"):
        assert part in page.inner_text("#hs-maps [data-role=read]")
    assert words["answer.interval_meaning"].split("{")[0] in page.inner_text("#hs-answer")
    assert words["answer.edge"] in page.inner_text("#hs-answer")

    # How the crystal fits depends on the width, not on colours and words: half of the walks turn it.
    if dark:
        turn(found)
    assert page.locator(".modebar-btn").count() == 0
    check(found, "answered")

    page.fill("#hs-structure textarea", SILICON)
    page.wait_for_selector(".hs-output.hs-stale")
    check(found, "stale")

    (tmp_path / "a.cif").write_text(PEROVSKITE)
    (tmp_path / "broken.cif").write_text(SILICON[:80])
    found.batch([tmp_path / "a.cif", tmp_path / "broken.cif"])
    page.wait_for_selector("#hs-batch [data-role=scatter] .main-svg")
    assert page.locator("#hs-batch thead th").all_inner_texts()[:2] == [
        words["batch.column_gap_ev"],
        words["batch.column_kind"],
    ]
    check(found, "batch")

    found.tab("model")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.hs-model-pictures img')].every((one) => one.naturalWidth > 0)"
    )
    page.evaluate("() => document.querySelectorAll('#hs-model-folds details').forEach((one) => { one.open = true; })")
    page.click("#hs-card-fold > button")
    page.wait_for_selector("#hs-model-card table")
    check(found, "model")


def test_the_switch_changes_the_language_and_loses_nothing(visit) -> None:
    found = visit(alone=True, locale="zh-CN", width=360)
    assert found.page.inner_text("#hs-predict") == catalogue("zh")["predict.button"]
    found.example("MgO.cif")
    found.page.fill("#hs-description textarea", "MgO is Halite, Rock Salt structured.")
    found.page.click("[data-hs-language]")
    found.page.wait_for_function("() => document.documentElement.lang === 'en' && window.hsegap?.put")
    found.page.wait_for_function("() => document.querySelector('#hs-description textarea')?.value.includes('Halite')")
    assert found.page.inner_text("#hs-predict") == catalogue("en")["predict.button"]
    found.page.click("#hs-predict")
    found.answered()
    assert "Structure alone" in found.page.inner_text("#hs-answer")
    found.page.reload()
    found.page.wait_for_function("() => document.documentElement.lang === 'en'")
