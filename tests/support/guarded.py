"""The guard around a small application of a test's own: no model is loaded, no socket opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from hsegap.prediction.errors import Failure
from hsegap.service.guard import Guard
from hsegap.service.runtime import Runtime
from hsegap.service.settings import Settings
from hsegap.service.statuses import STATUS
from support.loops import in_own_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

JSON = {"content-type": "application/json"}


class Stub:
    """An application that answers at once, after a while or when it may, and remembers what came through."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.works_s = 0.0
        self.may_end: asyncio.Event | None = None
        self.finished = self.cancelled = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] != "http.request" or not message.get("more_body"):
                break
        self.seen.append({"scope": scope, "body": body})
        try:
            await asyncio.sleep(self.works_s)
            if self.may_end is not None:
                await self.may_end.wait()
            self.finished += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"through"})


class Ready(Runtime):
    """A runtime whose model is always ready."""

    def not_ready(self) -> Failure | None:
        return Failure.make("not_ready", "The server is shutting down.") if self.draining else None


def guarded(**settings: Any) -> tuple[Guard, Stub, Runtime]:
    stub, runtime = Stub(), Ready(Settings.from_env(**settings))
    return Guard(stub, runtime), stub, runtime


def ask(
    guard: Guard,
    method: str,
    path: str,
    *,
    host: str = "localhost:3000",
    headers: Any = (),
    client: str = "127.0.0.1",
    **more: Any,
) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(guard, client=(client, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as http:
            return await http.request(method, path, headers=[("host", host), *dict(headers).items()], **more)

    return in_own_loop(go())


def failed(response: httpx.Response, code: str, status: int | None = None) -> Failure:
    found = Failure.model_validate_json(response.text)
    assert (found.error.code, response.status_code) == (code, status or STATUS[code]), response.text
    return found


async def exchange(guard: Guard, path: str, receive: Callable[[], Awaitable[Any]], **more: Any) -> list[Any]:
    """One request by hand, for clients that httpx cannot play."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "headers": headers,
        "query_string": b"",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        **more,
    }
    await guard(scope, receive, send)
    return sent
