"""Servers with tight settings: token, number at once, deadlines, draining, damaged artifacts.
Each test names the promise it holds.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.artifact.manifest import write_manifest
from support.loops import in_own_loop
from support.processes import PATIENCE_S, until
from support.service_samples import SILICON, failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.serving import RunningServer

TOKEN = "a-long-secret"


@pytest.fixture(scope="module")
def guarded(start_server: Callable[..., RunningServer]) -> RunningServer:
    """A server that asks for a token, works on two requests at once and gives up early."""
    return start_server(
        HSEGAP_TOKEN=TOKEN,
        HSEGAP_MAX_CONCURRENCY="2",
        HSEGAP_READ_DEADLINE_S="2",
        HSEGAP_WORKERS="1",
        HSEGAP_MAX_BODY_BYTES="3000000",
    )


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def asked(server: RunningServer, **headers: str) -> httpx.Response:
    """One crystal's answer."""
    return httpx.post(server.url + "/predict", json={"structure": SILICON}, headers=headers, timeout=PATIENCE_S)


def test_everything_but_health_asks_for_the_token(guarded: RunningServer) -> None:
    for method, route in (
        ("POST", "/predict"),
        ("POST", "/predict_batch"),
        ("GET", "/model"),
        ("GET", "/docs.json"),
        ("GET", "/metrics"),
        ("GET", "/"),
        ("GET", "/ui/"),
    ):
        for headers in (
            {},
            bearer("wrong"),
            {"authorization": TOKEN},
            {"authorization": "Basic !!!"},
            {"authorization": "Bearer"},
        ):
            response = httpx.request(method, guarded.url + route, headers=headers, timeout=30)
            failure(response, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
    for route in ("/livez", "/readyz", "/healthz"):
        assert httpx.get(guarded.url + route, timeout=60).status_code == 200
    assert asked(guarded, **bearer()).status_code == 200


def test_a_browser_gets_a_login_box_and_may_use_the_token_as_password(guarded: RunningServer) -> None:
    response = httpx.get(guarded.url + "/model", headers={"accept": "text/html,*/*"}, timeout=60)
    assert response.headers["www-authenticate"].startswith("Basic")
    password = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    let_in = httpx.get(guarded.url + "/model", headers={"authorization": f"Basic {password}"}, timeout=60)
    assert let_in.status_code == 200


def test_the_document_says_that_a_token_is_needed(guarded: RunningServer) -> None:
    document = httpx.get(guarded.url + "/docs.json", headers=bearer(), timeout=60).json()
    assert document["security"] == [{"token": []}]
    assert "401" in document["paths"]["/predict"]["post"]["responses"]
    assert "401" not in document["paths"]["/readyz"]["get"]["responses"]


def test_a_structure_that_takes_too_long_is_a_timeout(guarded: RunningServer) -> None:
    guarded.hang_workers(**bearer())
    started = time.monotonic()
    found = failure(asked(guarded, **bearer()), "timeout")
    assert "took longer than 2 s" in found.error.message
    assert time.monotonic() - started > 1.9
    assert asked(guarded, **bearer()).status_code == 200


def test_more_requests_at_once_than_admitted_are_told_to_come_back(guarded: RunningServer) -> None:
    async def go() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=guarded.url, timeout=PATIENCE_S, headers=bearer()) as many:
            await asyncio.to_thread(guarded.hang_workers, **bearer())
            slow = [asyncio.create_task(many.post("/predict", json={"structure": SILICON})) for _ in range(2)]
            while 'hsegap_running{kind="single"} 2.0' not in (await many.get("/metrics")).text:
                if any(task.done() for task in slow):
                    return []
                await asyncio.sleep(0.02)
            third = await many.post("/predict", json={"structure": SILICON})
            health = await many.get("/readyz")
            if any(task.done() for task in slow):
                return []
            return [health, third, *await asyncio.gather(*slow)]

    # The first of the two is given up after 2 s. Where the machine slept over that, nothing is shown: once more.
    health, third, *slow = next(filter(None, (in_own_loop(go()) for _ in range(10))))
    assert health.status_code == 200
    failure(third, "overloaded", 429)
    assert third.headers["retry-after"] == "1"
    # The second one got the successor of the worker that hung.
    assert sorted(response.status_code for response in slow) == [200, 504]


def test_the_body_limit_is_the_operators(guarded: RunningServer) -> None:
    headers = bearer() | {"content-type": "application/json"}
    failure(
        httpx.post(guarded.url + "/predict", content=b" " * 3_000_001, headers=headers, timeout=60),
        "payload_too_large",
    )


def test_a_request_may_not_take_longer_than_a_server_without_a_page_allows(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server(HSEGAP_REQUEST_TIMEOUT_S="1", HSEGAP_READ_DEADLINE_S="1000")
    server.hang_workers()
    assert "The request took longer than 1 s" in failure(asked(server), "timeout").error.message

    def answered() -> bool:
        answer = asked(server)
        if not answer.is_success:
            failure(answer, "timeout")  # the killed reader's successor is still importing
        return answer.is_success

    assert until(answered)
    # It has no page, and says so.
    failure(httpx.get(server.url + "/ui/", timeout=60), "invalid_request", 404)
    assert "page http" not in server.output
    server.stop()


def test_a_stopping_server_does_not_wait_for_ever(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(HSEGAP_DRAIN_S="1", HSEGAP_READ_DEADLINE_S="1000")
    server.hang_workers()

    async def go() -> httpx.Response:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as client:
            working = asyncio.create_task(client.post("/predict", json={"structure": SILICON}))
            while 'hsegap_running{kind="single"} 1.0' not in (await client.get("/metrics")).text:
                assert not working.done()
                await asyncio.sleep(0.02)
            server.process.terminate()
            return await working

    # The end of the reading or of the request would be a timeout, and far off.
    failure(in_own_loop(go()), "not_ready")
    server.process.wait(timeout=PATIENCE_S)


def test_an_artifact_that_does_not_reproduce_its_golden_values_is_never_served(
    start_server: Callable[..., RunningServer], artifact_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "artifact"
    shutil.copytree(artifact_folder, folder)
    golden = json.loads((folder / "golden.json").read_text())
    golden[0]["expected"]["gap_raw_ev"] += 0.1
    (folder / "golden.json").write_text(json.dumps(golden))
    write_manifest(folder, json.loads((folder / "manifest.json").read_text()))
    server = start_server(artifact=folder, wait=False)
    assert server.process.wait(timeout=PATIENCE_S) == 1
    assert until(lambda: "cannot serve" in server.output)
    assert golden[0]["id"] in server.output
