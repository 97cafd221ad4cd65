"""The guard around a small application: names, origins, keys, bodies, structure, budgets, clients that leave.
No model is loaded.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hsegap.service.access import hash_of, new_key
from hsegap.service.json_limits import MAX_DEPTH, MAX_VALUES
from hsegap.service.settings import Settings
from support.guarded import JSON, ask, exchange, failed, guarded
from support.loops import in_own_loop
from support.processes import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("HSEGAP_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "LOCALHOST:80"])
def test_loopback_names_are_ours(host: str) -> None:
    assert ask(guarded()[0], "GET", "/model", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil",
        "a b",
        "",
    ],
)
def test_a_name_pointed_at_this_machine_is_refused(host: str) -> None:
    guard, stub, _ = guarded()
    for method, path in (("GET", "/model"), ("GET", "/ui/"), ("POST", "/predict"), ("GET", "/metrics"), ("GET", "/")):
        failed(ask(guard, method, path, host=host, headers=JSON), "forbidden")
    assert not stub.seen
    for path in ("/livez", "/healthz", "/readyz"):
        assert ask(guard, "GET", path, host="10.1.2.3:3000").status_code == 200


def test_more_names_by_setting() -> None:
    guard = guarded(hosts="gap.lab.example,10.0.0.7", metrics_any_host=True)[0]
    assert ask(guard, "GET", "/model", host="gap.lab.example").status_code == 200
    assert ask(guard, "GET", "/model", host="10.0.0.7:3000").status_code == 200
    failed(ask(guard, "GET", "/model", host="other.lab.example"), "forbidden")
    assert ask(guard, "GET", "/metrics", host="172.17.0.3:3000").status_code == 200
    assert ask(guarded(hosts="*")[0], "GET", "/model", host="any.example").status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:3001",
        "file://",
        "http://localhost:3000/x",
        "http://[",
        "",
    ],
)
def test_a_page_elsewhere_is_refused(origin: str) -> None:
    guard, stub, _ = guarded()
    for method, path in (
        ("POST", "/predict"),
        ("POST", "/predict_batch"),
        ("POST", "/describe"),
        ("GET", "/ui/config"),
        ("POST", "/ui/gradio_api/queue/join"),
    ):
        failed(ask(guard, method, path, headers=JSON | {"origin": origin}, content=b"{}"), "forbidden")
    assert not stub.seen


def test_our_own_page_and_a_missing_origin_pass() -> None:
    guard, stub, _ = guarded(origins="https://notebook.lab.example")
    for origin in ({}, {"origin": "http://localhost:3000"}, {"origin": "https://notebook.lab.example"}):
        assert ask(guard, "POST", "/predict", headers=JSON | origin, content=b"{}").status_code == 200
    assert ask(guard, "POST", "/ui/gradio_api/queue/join", headers=JSON, content=b"{}").status_code == 200
    assert len(stub.seen) == 4


def test_cors_is_off_unless_configured() -> None:
    preflight = {"origin": "https://notebook.lab.example", "access-control-request-method": "POST"}
    off = ask(guarded(origins="https://notebook.lab.example")[0], "OPTIONS", "/predict", headers=preflight)
    assert not [name for name in off.headers if name.startswith("access-control")]
    guard, stub, _ = guarded(origins="https://notebook.lab.example", cors=True, api_keys=hash_of("k"))
    on = ask(guard, "OPTIONS", "/predict", headers=preflight)
    assert (on.status_code, on.headers["access-control-allow-origin"]) == (204, "https://notebook.lab.example")
    answer = ask(
        guard,
        "POST",
        "/predict",
        headers=JSON | {"origin": "https://notebook.lab.example", "authorization": "Bearer k"},
        content=b"{}",
    )
    assert answer.headers["access-control-allow-origin"] == "https://notebook.lab.example"
    failed(ask(guard, "OPTIONS", "/predict", headers=preflight | {"origin": "https://evil.example"}), "unauthorized")
    assert len(stub.seen) == 1


def test_several_keys_of_which_only_hashes_are_kept() -> None:
    one, two = new_key(), new_key()
    guard, _, runtime = guarded(api_keys=f"alice:{hash_of(one)},{hash_of(two)}")
    assert one not in repr(runtime.settings)
    assert hash_of(one) not in repr(runtime.settings)
    for key in (one, two):
        assert ask(guard, "GET", "/model", headers={"authorization": f"Bearer {key}"}).status_code == 200
    for wrong in ("", "Bearer", f"Bearer {hash_of(one)}", f"Bearer {one}x", f"Basic {one}"):
        failed(ask(guard, "GET", "/model", headers={"authorization": wrong}), "unauthorized")
    with pytest.raises(ValueError, match="HSEGAP_API_KEYS") as caught:
        Settings.from_env(api_keys="alice:" + one)
    assert one not in str(caught.value)


@pytest.mark.parametrize(("body", "says"), [
    (b'{"structure": ' + b"[" * (MAX_DEPTH + 1), "deep"),
    (b"[" * 4_000_000, "deep"),
    (b"{" + b",".join(b'"k%d":1' % number for number in range(600_000)) + b"}", str(MAX_VALUES)),
    (b'{"items":[' + b"1," * 4_000_000 + b"1]}", str(MAX_VALUES)),
    (b'{"items":[' + b"{}," * 100_000 + b"{}]}", str(MAX_VALUES)),
    (b'{"structure": "a", "structure": "b"}', "twice"),
    (b'{"items": [{"structure": "a", "atoms": true, "atoms": false}]}', "twice"),
    (b'{"structure": NaN}', "valid JSON"),
    (b'{"structure": -Infinity}', "valid JSON"),
    (b'{"structure": "\xff\xfe"}', "valid JSON"),
    ('{"structure": "a"}'.encode("utf-16"), "valid JSON"),
    (b"", "valid JSON"),
    (b"not json", "valid JSON"),
])  # fmt: skip
def test_structure_is_looked_at_before_content(body: bytes, says: str) -> None:
    guard, stub, _ = guarded()
    spent = []
    for path in ("/predict", "/predict_batch", "/describe", "/what_if"):
        started = time.process_time()
        assert says in failed(ask(guard, "POST", path, headers=JSON, content=body), "invalid_request").error.message
        spent.append(time.process_time() - started)
    # 0.05 s for the largest of these, for which a parser needs ten times as long.
    assert min(spent) < 0.5
    assert not stub.seen


def test_long_strings_full_of_brackets_and_escapes_are_content() -> None:
    guard, stub, _ = guarded()
    text = '{[,"\\' * 200_000
    for value in ({"structure": text}, {"items": [{"structure": "x\n", "atoms": False}] * 256}):
        body = json.dumps(value).encode()
        # In parts of 7 bytes escapes and quotes fall on every edge.
        parts = [body[place : place + 7] for place in range(0, 7000, 7)] + [body[7000:]]

        async def stream(parts: list[bytes] = parts) -> Any:
            for part in parts:
                yield part

        assert ask(guard, "POST", "/predict", headers=JSON, content=stream()).status_code == 200
        assert stub.seen[-1]["body"] == body


@pytest.mark.parametrize(("headers", "code", "status"), [
    ({"content-type": "application/vnd.bentoml+pickle"}, "unsupported_media_type", 415),
    ({"content-type": "application/octet-stream"}, "unsupported_media_type", 415),
    ({"content-type": "application/json", "content-encoding": "gzip"}, "unsupported_media_type", 415),
    ({"content-type": "application/json", "content-length": "99999999999999999999999"}, "payload_too_large", 413),
    (
        {"content-type": "application/json", "content-length": "2", "transfer-encoding": "chunked"},
        "invalid_request", 400,
    ),
])  # fmt: skip
def test_heads_that_are_refused_unread(headers: dict[str, str], code: str, status: int) -> None:
    guard, stub, _ = guarded()
    response = ask(guard, "POST", "/predict", headers=headers, content=b"{}")
    failed(response, code, status)
    assert response.headers["connection"] == "close"
    assert not stub.seen


def slow_body() -> Callable[[], Awaitable[Any]]:
    async def receive() -> Any:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b" ", "more_body": True}

    return receive


def test_slow_bodies_hold_no_place_and_end() -> None:
    guard, _, runtime = guarded(max_concurrency=2, body_timeout_s=0.5)

    async def go() -> list[list[Any]]:
        slow = [asyncio.create_task(exchange(guard, "/predict", slow_body())) for _ in range(64)]
        await asyncio.sleep(0.2)
        assert runtime.budgets.busy == 0
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            assert (await http.post("/predict", json={})).status_code == 200
        return await asyncio.gather(*slow)

    started = time.monotonic()
    for sent in in_own_loop(go()):
        assert sent[0]["status"] == 408
        assert json.loads(sent[1]["body"])["error"]["code"] == "timeout"
        assert (b"connection", b"close") in sent[0]["headers"]
    assert time.monotonic() - started < 10
    assert guard._pending.held == 0


def test_bytes_of_all_bodies_are_bounded() -> None:
    guard, stub, _ = guarded(max_pending_bytes=1000)
    failed(
        ask(guard, "POST", "/predict", headers=JSON, content=json.dumps({"structure": "x" * 2000}).encode()),
        "overloaded",
    )
    assert ask(guard, "POST", "/predict", headers=JSON, content=b"{}").status_code == 200
    assert len(stub.seen) == 1


def test_each_kind_of_work_has_its_own_budget() -> None:
    guard, stub, runtime = guarded(max_concurrency=2, max_batches=1, max_describes=1, max_explains=1)

    async def go() -> list[int]:
        stub.may_end = asyncio.Event()
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            asked = (
                [("/describe", {})] * 3
                + [("/predict_batch", {})] * 2
                + [("/what_if", {})]  # as much work as a batch
                + [("/predict", {"describe": True})] * 2
                + [("/predict", {"explain": True, "description": "x"})] * 2
                + [("/predict", {})] * 3
            )
            asking = [asyncio.create_task(http.post(path, json=body)) for path, body in asked]
            async with asyncio.timeout(PATIENCE_S):
                while sum(task.done() for task in asking) < 8:  # noqa: ASYNC110 - until all the others are at work
                    await asyncio.sleep(0.01)
            stub.may_end.set()
            answers = await asyncio.gather(*asking)
        assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 429)
        return [answer.status_code for answer in answers]

    codes = in_own_loop(go())
    assert codes == [200, 429, 429, 200, 429, 429, 429, 429, 200, 429, 200, 200, 429]
    assert runtime.budgets.busy == 0


def test_a_client_that_goes_away_ends_its_work() -> None:
    guard, stub, runtime = guarded(max_batches=1)
    stub.works_s = 60

    async def go() -> None:
        gone = asyncio.Event()
        messages = [{"type": "http.request", "body": b"{}", "more_body": False}]

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        request = asyncio.create_task(exchange(guard, "/predict_batch", receive))
        async with asyncio.timeout(PATIENCE_S):
            while runtime.budgets.running["batch"] != 1:  # noqa: ASYNC110 - the budget has no event
                await asyncio.sleep(0.01)
            gone.set()
            assert await request == []

    in_own_loop(go())
    assert (stub.cancelled, stub.finished, runtime.budgets.busy, guard._pending.held) == (1, 0, 0, 0)


def test_a_prefix_by_setting_and_by_a_listed_proxy_only() -> None:
    guard, stub, _ = guarded(root_path="/tools/hse")
    for path in ("/tools/hse/model", "/model"):
        assert ask(guard, "GET", path).status_code == 200
        assert (stub.seen[-1]["scope"]["root_path"], stub.seen[-1]["scope"]["path"]) == (
            "/tools/hse",
            "/tools/hse/model",
        )
    failed(
        ask(guard, "POST", "/tools/hse/predict", headers={"content-type": "text/plain"}, content=b"x"),
        "unsupported_media_type",
    )
    forwarded = {"x-forwarded-prefix": "/other", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https"}
    guard, stub, _ = guarded(trusted_proxies="10.0.0.1")
    ask(guard, "GET", "/model", headers=forwarded, client="127.0.0.1")
    assert not stub.seen[-1]["scope"].get("root_path")
    assert not [name for name, _ in stub.seen[-1]["scope"]["headers"] if name.startswith(b"x-forwarded")]
    ask(guard, "GET", "/model", headers=forwarded, client="10.0.0.1")
    assert stub.seen[-1]["scope"]["root_path"] == "/other"
    for bad in ("//evil.example", "/a/../b", "/a b", "https://evil.example", "/a,/b"):
        ask(guard, "GET", "/model", headers={"x-forwarded-prefix": bad}, client="10.0.0.1")
        assert not stub.seen[-1]["scope"].get("root_path")


def test_requests_have_names() -> None:
    guard = guarded()[0]
    assert ask(guard, "GET", "/model", headers={"x-request-id": "mine-7"}).headers["x-request-id"] == "mine-7"
    for bad in ("", "a b", "x" * 65, 'x"y'):
        assert len(ask(guard, "GET", "/model", headers={"x-request-id": bad}).headers["x-request-id"]) == 32
    assert ask(guard, "GET", "/model", host="evil.example").headers["x-request-id"]


def test_one_line_per_request_without_content(caplog: pytest.LogCaptureFixture) -> None:
    guard = guarded(request_log=True, api_keys=f"alice:{hash_of('k')}")[0]
    with caplog.at_level("INFO", logger="hsegap.requests"):
        ask(
            guard,
            "POST",
            "/predict",
            headers=JSON | {"authorization": "Bearer k", "x-request-id": "r1"},
            content=b'{"structure": "SECRET"}',
        )
        ask(guard, "GET", "/SECRET", headers={"authorization": "Bearer SECRET"})
        ask(guard, "SECRET", "/model", host="secret.example")
    lines = [json.loads(record.message) for record in caplog.records]
    assert [(line["route"], line["status"], line["outcome"]) for line in lines] == [
        ("/predict", 200, "ok"),
        ("unknown", 401, "unauthorized"),
        ("/model", 403, "forbidden"),
    ]
    assert (lines[0]["request_id"], lines[0]["key"], lines[0]["method"]) == ("r1", "alice", "POST")
    assert "secret" not in caplog.text.lower()


def test_a_stopping_server_sends_everybody_away() -> None:
    guard, stub, runtime = guarded()
    runtime.draining = True
    for method, path in (("POST", "/predict"), ("GET", "/ui/"), ("GET", "/model")):
        response = ask(guard, method, path, headers=JSON, content=b"{}")
        failed(response, "not_ready", 503)
        assert response.headers["connection"] == "close"
        assert response.headers["retry-after"]
    assert not stub.seen
    assert ask(guard, "GET", "/livez").status_code == 200
