"""The shape of every answer that is an error, whoever made it: BentoML and Starlette answer theirs in others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import Failure, internal_error
from hsegap.service.language import told
from hsegap.service.statuses import RETRY_AFTER_S, STATUS, status_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Send = Callable[[Message], Awaitable[None]]

PAGE = "/ui"
#: An answer of an error kept to be put into the shape of all our errors; BentoML's and Starlette's are far shorter.
MAX_ERROR_BYTES = 64 * 1024
#: Most of what a function of the page says when it refuses its values.
MAX_REFUSAL_CHARS = 500


class Outgoing:
    """``send`` that puts every error into the shape of all our errors and keeps at most one answer per request."""

    def __init__(self, scope: Scope, send: Send, *, path: str) -> None:
        self._scope = scope
        self._send = send
        self._path = path
        self._started = False
        self.complete = False
        self._closed = False
        self._held: Message | None = None
        self._body = bytearray()
        # The page speaks its own protocol with its own errors.
        self._is_page = is_page(path)

    async def __call__(self, message: Message) -> None:
        """Pass a message on, or hold an error back until it has its shape."""
        if self._closed:
            return
        if (
            message["type"] == "http.response.start"
            and message["status"] >= 400
            and (not self._is_page or message["status"] == 500)
        ):
            self._held = message
            return
        if self._held is not None and message["type"] == "http.response.body":
            if len(self._body) < MAX_ERROR_BYTES:
                self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self.finish()
            return
        self._started = True
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)

    async def finish(self) -> None:
        """Send an error that was held back, in its proper shape."""
        if self._held is None or self._closed:
            return
        status, held = self._held["status"], self._held
        self._held = None
        failure, status = shaped(status, bytes(self._body), method=self._scope["method"], path=self._path)
        allow = [(name, value) for name, value in held.get("headers", []) if name.lower() == b"allow"]
        await self.fail(failure, status=status, headers=allow)

    async def fail(
        self, failure: Failure, *, status: int | None = None, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Answer with a failure, unless an answer is already on its way."""
        if self._closed:
            return
        self._closed = self.complete = True
        self._held = None
        if self._started:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await answer(self._send, failure, status=status, headers=headers, scope=self._scope)


def is_page(path: str) -> bool:
    """Whether a path belongs to the page."""
    return path == PAGE or path.startswith(f"{PAGE}/")


def header(scope: Scope, name: bytes) -> str:
    """A request header, empty when absent."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def shaped(status: int, body: bytes, *, method: str, path: str) -> tuple[Failure, int]:
    """Put an error answer of BentoML or Starlette into the shape of all our errors.

    Args:
        status: Its status.
        body: Its body.
        method: The request's method.
        path: Its path.

    Returns:
        The failure and the status it goes out with.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        inner = data.get("error")
        if isinstance(inner, dict) and inner.get("code") in STATUS:
            return Failure.model_validate(data), status
        if status == 400 and isinstance(data.get("detail"), list):
            failure = Failure.from_validation(data["detail"])
            return failure, status_of(failure)
        if is_page(path) and isinstance(inner, str):  # what a function of the page refuses is no fault of the server
            return Failure.make("invalid_request", inner[:MAX_REFUSAL_CHARS], "See docs/api.md for its arguments."), 400
    path = path[:100]
    if status == 404:
        return Failure.make(
            "invalid_request", f"There is nothing at {path}.", "See docs/api.md or /docs.json for the routes."
        ), 404
    if status == 405:
        return Failure.make(
            "invalid_request", f"{path} does not take {method}.", "See docs/api.md or /docs.json for the routes."
        ), 405
    by_status = {
        413: "payload_too_large",
        415: "unsupported_media_type",
        429: "overloaded",
        503: "not_ready",
        504: "timeout",
    }
    if status in by_status:
        return Failure.make(by_status[status], "The request could not be served."), status
    if status < 500:
        return Failure.make("invalid_request", "The request is not valid."), status
    return internal_error(RuntimeError(f"status {status} from {path}"), "answering"), 500


async def answer(
    send: Send,
    failure: Failure,
    *,
    status: int | None = None,
    headers: list[tuple[bytes, bytes]] | None = None,
    scope: Scope | None = None,
) -> None:
    """Send a failure as JSON, with the headers its code asks for."""
    status = status or status_of(failure)
    extra = list(headers or [])
    if failure.error.code in RETRY_AFTER_S:
        extra.append((b"retry-after", str(RETRY_AFTER_S[failure.error.code]).encode()))
    if status == 401:
        # A browser that opens the page gets its login box; a program gets the scheme it should use.
        wants_html = scope is not None and "text/html" in header(scope, b"accept")
        extra.append((b"www-authenticate", b'Basic realm="hsegap", charset="UTF-8"' if wants_html else b"Bearer"))
    await plain(send, status, told(failure).model_dump_json().encode(), media_type=b"application/json", headers=extra)


async def plain(
    send: Send,
    status: int,
    body: bytes,
    *,
    media_type: bytes = b"text/plain; charset=utf-8",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    """Send a whole answer."""
    start = [(b"content-type", media_type), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
