"""How long a visitor waits between the click on Predict and the picture of the answer, in a real Chromium.

Needs `hsegap serve` started beside it, playwright and a Chromium of the system.

    python benchmarks/page.py --url http://127.0.0.1:3000

Two crystals take turns, one of them with a text. Ends with exit status 1 if the median is beyond a second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
LONGEST_S = 1.0
#: Time from the click on Predict to the frame that shows the picture, as the browser sees it: ``window.took``, ms.
STOPWATCH = """() => {
  let clicked = null;
  window.took = null;
  document.querySelector("#hs-predict").addEventListener("click", () => { clicked = performance.now(); }, true);
  new MutationObserver(() => {
    if (clicked === null || !document.querySelector("#hs-maps [data-role=picture][data-drawn]")) return;
    const start = clicked;
    clicked = null;
    requestAnimationFrame(() => requestAnimationFrame(() => { window.took = performance.now() - start; }));
  }).observe(document.querySelector("#hs-maps"), { subtree: true, attributes: true, attributeFilter: ["data-drawn"] });
}"""


def waits(page: Page, rounds: int) -> Iterator[float]:
    """Seconds from each click to the frame that shows its picture.

    Args:
        page: The page, opened.
        rounds: Clicks.
    """
    page.evaluate(STOPWATCH)
    # The page has used the time in which a visitor reads and pastes.
    page.wait_for_selector("#hs-maps [data-role=picture] canvas", state="attached")
    for number in range(rounds):
        name, text = (("Si", "Si is diamond structured."), ("SrTiO3", ""))[number % 2]
        page.fill("#hs-structure textarea", (EXAMPLES / f"{name}.cif").read_text())
        page.fill("#hs-description textarea", text)
        page.evaluate(
            "() => { window.took = null; document.querySelector('[data-drawn]')?.removeAttribute('data-drawn'); }"
        )
        page.click("#hs-predict")
        page.wait_for_function("() => window.took !== null")
        yield page.evaluate("() => window.took") / 1000


def main() -> None:
    """Click, wait and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:3000", help="where `hsegap serve` answers")
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    # Root in a container has no sandbox; without a graphics card WebGL runs in software.
    flags = ["--enable-unsafe-swiftshader", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(f"{chosen.url}/ui/")
        page.wait_for_selector("#hs-source .hs-drop")
        page.wait_for_function("() => window.hsegap")
        took = list(waits(page, chosen.rounds))
        browser.close()
    print(
        f"from click to picture: first {took[0]:.2f} s, median {statistics.median(took):.2f} s, most {max(took):.2f} s"
    )
    sys.exit(statistics.median(took) > LONGEST_S)


if __name__ == "__main__":
    main()
