"""What the machine may do to a server: a full disk, a home that cannot be written,
readers that are killed under load.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from support.loops import in_own_loop
from support.processes import until
from support.service_samples import NACL, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.serving import RunningServer

API = "/ui/gradio_api"


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own, gone afterwards."""
    folder.mkdir()
    told = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True)
    if told.returncode:
        pytest.skip(f"needs a user who may mount a tmpfs: {told.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room in a file system; gives the file that holds it all."""
    block, made = b"x" * 4096, folder / "everything"
    with made.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(block) == len(block):
            pass
    assert shutil.disk_usage(folder).free == 0
    return made


def upload(client: httpx.Client) -> httpx.Response:
    return client.post(f"{API}/upload", files={"files": ("mine.cif", (SILICON + "#" * 20_000).encode())})


def test_a_full_disk_costs_uploads_and_nothing_else(start_server: Callable[..., RunningServer], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=8m") as disk:
        places = {"TMPDIR": str(disk), "HOME": str(disk), "XDG_CACHE_HOME": str(disk / "cache")}
        server = start_server(page=True, HSEGAP_REMEMBER_DESCRIPTIONS="1", **places)
        with httpx.Client(base_url=server.url, timeout=240) as client:
            client.get("/ui/").raise_for_status()
            hog = fill(disk)
            for _ in range(3):
                told = client.post("/predict", json={"structure": SILICON, "describe": True})
                assert told.status_code == 200, told.text
                assert told.json()["description"]["origin"] == "generated"
            items = [{"structure": NACL, "atoms": False}] * 3
            assert client.post("/predict_batch", json={"items": items}).json()["items"][2]["formula"] == "NaCl"
            for route in ("/ui/", "/metrics", "/readyz", "/model"):
                assert client.get(route).status_code == 200, route
            refused = upload(client)
            assert refused.status_code == 429, refused.text
            assert refused.json()["error"]["code"] == "overloaded"
            hog.unlink()
            assert upload(client).status_code == 200
        assert server.stop() == 0
        assert not list(disk.glob("hsegap-page-*"))


def test_a_home_that_cannot_be_written_is_done_without(
    start_server: Callable[..., RunningServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with small_disk(tmp_path / "home", "size=1m,ro") as home:
        server = start_server(page=True, HSEGAP_REMEMBER_DESCRIPTIONS="1", HOME=str(home))
        with httpx.Client(base_url=server.url, timeout=240) as client:
            told = client.post("/predict", json={"structure": SILICON, "describe": True})
            assert told.status_code == 200, told.text
            assert client.get("/ui/").status_code == 200
            assert upload(client).status_code == 200
        assert server.stop() == 0
        assert "Traceback" not in server.output


def test_readers_killed_under_load_cost_only_what_they_were_reading(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server()
    chooser = random.Random(7)

    async def go() -> Counter[str]:
        seen: Counter[str] = Counter()
        stop = asyncio.Event()

        async def ask(client: httpx.AsyncClient, structure: str) -> None:
            while not stop.is_set():
                answer = await client.post("/predict", json={"structure": structure, "atoms": False})
                told = answer.json()
                seen[str(told.get("gap_raw_ev", told.get("error", {}).get("code")))] += 1

        async with httpx.AsyncClient(base_url=server.url, timeout=240) as client:
            expected = {
                str((await client.post("/predict", json={"structure": one, "atoms": False})).json()["gap_raw_ev"])
                for one in (SILICON, NACL)
            }
            asking = [asyncio.create_task(ask(client, chooser.choice((SILICON, NACL)))) for _ in range(8)]
            for _ in range(4):
                before = sum(seen.values())
                assert await asyncio.to_thread(until, lambda: sum(seen.values()) > before + 20)  # noqa: B023 - waited for
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chooser.choice(server.children()), signal.SIGKILL)
            before = sum(seen.values())
            assert await asyncio.to_thread(until, lambda: sum(seen.values()) > before + 20)
            stop.set()
            await asyncio.gather(*asking)
            assert set(seen) <= {*expected, "internal"}, seen
        return seen

    seen = in_own_loop(go())
    assert seen["internal"] <= 4, seen
    assert server.stop() == 0
