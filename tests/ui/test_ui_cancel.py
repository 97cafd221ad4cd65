"""Cancel: the words on the page change, and the work itself ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import running, stop, unread, until, words_of
from support.ui_samples import PEROVSKITE, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from support.serving import RunningServer
    from support.visits import Visit

    Open = Callable[..., Visit]

pytestmark = pytest.mark.browser


def hung_describer(client: httpx.Client, server: RunningServer) -> int:
    """Make the server's describing worker hang: a description that would take for ever. Its process id."""
    assert client.post("/describe", json={"structure": SILICON}, timeout=300).status_code == 200
    [pid] = [pid for pid in server.children() if b"describe" in words_of(pid)]
    assert stop(pid)
    return pid


def describe_batch(found: Visit, folder: Path) -> None:
    """Have a batch of two crystals described."""
    for name in ("one", "other"):
        (folder / f"{name}.cif").write_text(PEROVSKITE)
    found.page.get_by_role("tab", name="Batch").click()
    found.page.set_input_files("#hs-batch-files input[type=file]", sorted(folder.glob("*.cif")))
    found.page.wait_for_function("() => document.querySelector('#hs-batch-files').innerText.includes('other')")
    found.page.check("#hs-batch-describe input")
    found.page.click("#hs-batch-go")
    found.page.wait_for_selector("#hs-batch-status progress")


@pytest.mark.parametrize("how", ["describe", "batch"])
def test_cancelling_ends_the_work_itself(
    visit: Open, client: httpx.Client, server: RunningServer, tmp_path: Path, how: str
) -> None:
    pid = hung_describer(client, server)
    found = visit()
    if how == "batch":
        describe_batch(found, tmp_path)
    else:
        found.page.fill("#hs-structure textarea", PEROVSKITE)
        found.page.click("#hs-describe")
        found.page.wait_for_selector("#hs-status .hs-busy")
    assert until(lambda: unread(pid)), "the worker has its job"
    if how == "batch":
        found.page.click("#hs-batch-cancel")
        found.page.wait_for_function(
            "() => document.querySelector('#hs-batch-status').innerText.startsWith('Cancelled')"
        )
        assert found.page.locator("#hs-batch-cancel").is_hidden()
    else:
        found.page.click("#hs-cancel")
    # The server would give it up after a minute by itself.
    assert until(lambda: not running(pid), within_s=50), "the describing process still runs"
    assert client.post("/predict", json={"structure": SILICON}).status_code == 200
