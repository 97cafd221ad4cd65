"""Cancel: the words on the page change, and the work itself ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.processes import running, until
from support.ui_samples import PEROVSKITE, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from support.serving import RunningServer
    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser


def test_a_batch_can_be_cancelled(visit: Open, tmp_path: Path) -> None:
    found = visit()
    # Different crystals: the description of one that was described before is remembered, and nothing would be left.
    for place in range(12):
        (tmp_path / f"{place}.cif").write_text(PEROVSKITE.replace("3.905", f"{3.85 + 0.007 * place:.3f}"))
    found.page.get_by_role("tab", name="Batch").click()
    found.page.set_input_files("#hs-batch-files input[type=file]", sorted(tmp_path.glob("*.cif")))
    found.page.wait_for_function("() => document.querySelector('#hs-batch-files').innerText.includes('2')")
    found.page.check("#hs-batch-describe input")  # seconds each, so that there is something to cancel
    found.page.click("#hs-batch-go")
    found.page.wait_for_selector("#hs-batch-status progress")
    found.page.click("#hs-batch-cancel")
    found.page.wait_for_function("() => document.querySelector('#hs-batch-status').innerText.startsWith('Cancelled')")
    assert found.page.locator("#hs-batch-cancel").is_hidden()


def describers(server: RunningServer) -> list[int]:
    """Process ids of the server's describing workers."""
    return [pid for pid in server.children() if b"describe" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


@pytest.mark.parametrize("how", ["describe", "batch"])
def test_cancelling_ends_the_work_itself(
    visit: Open, client: httpx.Client, server: RunningServer, tmp_path: Path, how: str
) -> None:
    assert client.post("/describe", json={"structure": SILICON}, timeout=300).status_code == 200
    [pid] = describers(server)
    os.kill(pid, signal.SIGSTOP)  # a description that would take for ever
    found = visit()
    if how == "batch":
        (tmp_path / "SrTiO3.cif").write_text(PEROVSKITE)
        found.page.get_by_role("tab", name="Batch").click()
        found.page.set_input_files("#hs-batch-files input[type=file]", tmp_path / "SrTiO3.cif")
        found.page.wait_for_function("() => document.querySelector('#hs-batch-files').innerText.includes('SrTiO3')")
        found.page.check("#hs-batch-describe input")
        found.page.click("#hs-batch-go")
        found.page.wait_for_selector("#hs-batch-status progress")
    else:
        found.page.fill("#hs-structure textarea", PEROVSKITE)
        found.page.click("#hs-describe")
        found.page.wait_for_selector("#hs-status .hs-busy")
    time.sleep(1)  # the worker has its job by now
    found.page.click("#hs-batch-cancel" if how == "batch" else "#hs-cancel")
    # The server would give it up after a minute.
    assert until(lambda: not running(pid), within_s=10), "the describing process still runs"
    assert client.post("/predict", json={"structure": SILICON}).status_code == 200
