"""Take the pictures of the page that stand in this folder: the real server, a real crystal, Chromium without a window.

``python docs/images/take_pictures.py`` needs the extra ``dev`` and Chromium; ``page.png`` is the one in the README.
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


def predict(page: Any) -> None:
    """Upload rutile, describe it with its stored description, predict."""
    from hsegap.ui.examples import load_examples

    rutile = next(entry for entry in load_examples() if entry["name"] == "TiO2_rutile.cif")
    page.set_input_files("#hs-source input[type=file]", ROOT / "examples" / rutile["name"])
    page.wait_for_selector("#hs-answer .hs-gap")
    page.fill("#hs-description textarea", rutile["description"])
    page.click("#hs-predict")
    page.wait_for_selector(".hs-compare")
    page.wait_for_selector("[data-role=picture][data-drawn]")


def batch(page: Any, broken: Path) -> None:
    """Predict all examples and one file that is cut off."""
    page.get_by_role("tab", name="Batch").click()
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
            for size, (width, height) in SIZES.items():
                for colours in ("light", "dark"):
                    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=colours)
                    page.set_default_timeout(PATIENCE_MS)
                    page.goto(f"{url}/ui/")
                    page.wait_for_function("() => window.hsegap && document.querySelector('.hs-chip')")
                    predict(page)
                    if (size, colours) == ("wide", "light"):
                        page.set_viewport_size({"width": width, "height": 1260})
                        save(page, "page", full=False)
                        page.set_viewport_size({"width": width, "height": height})
                    save(page, f"predict-{size}-{colours}")
                    batch(page, broken)
                    save(page, f"batch-{size}-{colours}")
                    page.get_by_role("tab", name="Model").click()
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
