"""Take the pictures of the page that stand in this folder: the real server, a real crystal, Chromium without a window.

``python docs/images/take_pictures.py`` needs the extra ``dev`` and Chromium; ``page.png`` and ``page-zh.png`` are the
ones in the READMEs. To be run after a change of the page and with every new artifact, after ``python -m
hsegap.ui.example_descriptions``.
"""

from __future__ import annotations

import io
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SIZES = {"wide": (1400, 1000), "narrow": (360, 740)}
PATIENCE_MS = 180_000


def start_server() -> tuple[subprocess.Popen[str], str]:
    """Start ``hsegap serve``'s server process on a free port and wait until it is ready."""
    from hsegap.service.launch import server_command, server_environment

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        server_command(host="127.0.0.1", port=port), env=server_environment(), stdout=subprocess.PIPE, text=True
    )
    for line in process.stdout or ():
        if "hsegap is ready" in line:
            return process, f"http://127.0.0.1:{port}"
    raise SystemExit("the server did not become ready")


def save(page: Any, name: str, *, full: bool = True) -> None:
    """Save what the page shows, from its top."""
    from PIL import Image

    page.mouse.move(2, 2)
    page.evaluate("() => { document.activeElement?.blur(); window.scrollTo(0, 0); }")
    page.wait_for_timeout(900)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=full))).convert("RGB")
    picture.save(HERE / f"{name}.png", optimize=True)
    print(f"{name}.png: {picture.width} x {picture.height}, {(HERE / f'{name}.png').stat().st_size // 1024} kB")


def open_page(browser: Any, url: str, size: str, colours: str, locale: str) -> Any:
    """The page as a visitor with such a screen and language finds it."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours, locale=locale)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{url}/ui/")
    page.wait_for_function("() => window.hsegap?.put && document.querySelector('.hs-chip')")
    return page


def predict(page: Any) -> None:
    """Predict rutile with its description, where the artifact takes it."""
    page.click('.hs-chip[data-name="TiO2_rutile.cif"]')
    page.wait_for_selector("#hs-answer .hs-gap")
    page.wait_for_selector("#hs-maps [data-role=picture][data-drawn]")


def batch(page: Any, broken: Path) -> None:
    """Predict all examples and one file that is cut off."""
    page.locator("#hs-tabs [role=tab]").nth(1).click()
    page.set_input_files("#hs-batch-files input[type=file]", [*sorted((ROOT / "examples").glob("*.cif")), broken])
    page.wait_for_function("() => document.querySelector('#hs-batch-files').innerText.includes('cut_off')")
    page.click("#hs-batch-go")
    page.wait_for_selector("#hs-batch-status .hs-done")
    page.wait_for_selector("#hs-batch [data-role=scatter] .main-svg")


def main() -> None:
    """Take all of them."""
    import tempfile

    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(ROOT))
    process, url = start_server()
    broken = Path(tempfile.mkdtemp()) / "cut_off.cif"
    broken.write_text((ROOT / "examples" / "GaAs.cif").read_text()[:300])
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-unsafe-swiftshader"]
            )
            for name, locale in {"page": "en-US", "page-zh": "zh-CN"}.items():
                page = open_page(browser, url, "wide", "light", locale)
                predict(page)
                page.set_viewport_size({"width": SIZES["wide"][0], "height": 1260})
                save(page, name, full=False)
                page.close()
            for size in SIZES:
                for colours in ("light", "dark"):
                    page = open_page(browser, url, size, colours, "en-US")
                    predict(page)
                    save(page, f"predict-{size}-{colours}")
                    batch(page, broken)
                    save(page, f"batch-{size}-{colours}")
                    page.locator("#hs-tabs [role=tab]").nth(2).click()
                    save(page, f"model-{size}-{colours}")
                    page.close()
            browser.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        shutil.rmtree(broken.parent)
        time.sleep(0.1)


if __name__ == "__main__":
    main()
