"""What every HTTP request passes before BentoML sees it: token, size, type, readiness, number at once, time; and the shape of every error.

BentoML has no limit on the body, answers its own errors in another shape and sends no Retry-After; all of that is settled here, so that no
route can forget it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import RETRY_AFTER_S, STATUS, Failure, internal_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from hsegap.service.app import Runtime

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Routes that take JSON and work on it; only these count towards the limit of requests at once.
WORK_ROUTES = frozenset({"/predict", "/predict_batch", "/describe"})
#: Routes a health check may ask without a token.
HEALTH_ROUTES = frozenset({"/livez", "/healthz", "/readyz"})
PAGE = "/ui"
#: An answer of an error kept to be put into the shape of all our errors; BentoML's and Starlette's are far shorter.
MAX_ERROR_BYTES = 64 * 1024


class Guard:
    """ASGI middleware around the whole service.

    Args:
        app: BentoML's application.
        runtime: Holds the core and its settings once the service has started.
    """

    def __init__(self, app: App, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket" and not self._authorized(scope):
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        failure = self._refusal(scope, path)
        if failure is not None:
            await answer(send, failure, scope=scope)
            return
        if path == "/readyz" and scope["method"] in {"GET", "HEAD"}:
            failure = self._runtime.not_ready()
            await (answer(send, failure, scope=scope) if failure else plain(send, 200, b"ready\n"))
            return
        outgoing = _Outgoing(scope, send)
        incoming = _Incoming(receive, self._limit(path), outgoing)
        if path in WORK_ROUTES and scope["method"] == "POST":
            await self._work(scope, incoming, outgoing)
        else:
            await self._pass(scope, incoming, outgoing)

    async def _work(self, scope: Scope, incoming: _Incoming, outgoing: _Outgoing) -> None:
        """Pass on a request that costs something: ready, not too many at once, not for too long."""
        failure = self._runtime.not_ready()
        settings = self._runtime.settings
        if failure is None and self._running >= settings.max_concurrency:
            failure = Failure.make("overloaded", f"The server is working on {self._running} requests and takes no more at once.")
        if failure is not None:
            await outgoing.fail(failure)
            return
        self._running += 1
        limit = asyncio.timeout(settings.request_timeout_s)
        try:
            async with limit:
                with self._runtime.shortened_when_draining(limit):
                    await self._pass(scope, incoming, outgoing)
        except TimeoutError:
            took_too_long = Failure.make("timeout", f"The request took longer than {settings.request_timeout_s:g} s.")
            await outgoing.fail(self._runtime.not_ready() or took_too_long)
        finally:
            self._running -= 1

    async def _pass(self, scope: Scope, incoming: _Incoming, outgoing: _Outgoing) -> None:
        try:
            await self._app(scope, incoming, outgoing)
            await outgoing.finish()
        except Exception as error:  # nothing of it may reach the client
            await outgoing.fail(internal_error(error, f"{scope['method']} {scope['path'][:80]}"))

    def _refusal(self, scope: Scope, path: str) -> Failure | None:
        """Why a request is turned away on its headers alone; None when it is not."""
        if path not in HEALTH_ROUTES and not self._authorized(scope):
            return Failure.make("unauthorized", "The token is missing or wrong.")
        media_type = header(scope, b"content-type").split(";")[0].strip().lower()
        work = path in WORK_ROUTES and scope["method"] == "POST"
        # BentoML would unpickle a body that says it is one. Nothing here has any use for pickles, whatever the route.
        if "pickle" in media_type or (work and media_type != "application/json"):
            named = media_type[:100] or "no content type"
            return Failure.make("unsupported_media_type", f"The body must be application/json; this request says {named}.")
        if work and header(scope, b"content-encoding").lower() not in {"", "identity"}:
            return Failure.make("unsupported_media_type", "The body must not be compressed.", "Send the JSON without Content-Encoding.")
        length = header(scope, b"content-length")
        limit = self._limit(path)
        if length.isdecimal() and int(length) > limit:
            return Failure.make("payload_too_large", f"The body has {length} bytes; at most {limit} are taken.")
        return None

    def _limit(self, path: str) -> int:
        """Largest body a route takes, bytes."""
        settings = self._runtime.settings
        return settings.max_upload_bytes if is_page(path) else settings.max_body_bytes

    def _authorized(self, scope: Scope) -> bool:
        """Whether the request carries the token: as a Bearer token, or as the password of a browser's own login box."""
        token = self._runtime.settings.token
        if token is None:
            return True
        scheme, _, value = header(scope, b"authorization").partition(" ")
        if scheme.lower() == "basic":
            try:
                value = base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(value.strip().encode(), token.encode())


class _Incoming:
    """``receive`` that counts the body's bytes, for a client that names no length or a wrong one."""

    def __init__(self, receive: Receive, limit: int, outgoing: _Outgoing) -> None:
        self._receive = receive
        self._limit = limit
        self._outgoing = outgoing
        self._seen = 0

    async def __call__(self) -> Message:
        if self._seen > self._limit:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self._limit:
                # Answered here and now: whatever the application makes of the broken-off body no longer goes out.
                await self._outgoing.fail(Failure.make("payload_too_large", f"The body has more than {self._limit} bytes."))
                return {"type": "http.disconnect"}
        return message


class _Outgoing:
    """``send`` that puts every error into the shape of all our errors and keeps at most one answer per request."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._started = False
        self._closed = False
        self._held: Message | None = None
        self._body = bytearray()
        # The page speaks its own protocol with its own errors.
        self._is_page = is_page(scope["path"])

    async def __call__(self, message: Message) -> None:
        if self._closed:
            return
        if message["type"] == "http.response.start" and message["status"] >= 400 and (not self._is_page or message["status"] == 500):
            self._held = message
            return
        if self._held is not None and message["type"] == "http.response.body":
            if len(self._body) < MAX_ERROR_BYTES:
                self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self.finish()
            return
        self._started = True
        await self._send(message)

    async def finish(self) -> None:
        """Send an error that was held back, in its proper shape."""
        if self._held is None or self._closed:
            return
        status, held = self._held["status"], self._held
        self._held = None
        failure, status = shaped(status, bytes(self._body), self._scope)
        allow = [(name, value) for name, value in held.get("headers", []) if name.lower() == b"allow"]
        await self.fail(failure, status=status, headers=allow)

    async def fail(self, failure: Failure, *, status: int | None = None, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answer with a failure, unless an answer is already on its way."""
        if self._closed:
            return
        self._closed = True
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


def shaped(status: int, body: bytes, scope: Scope) -> tuple[Failure, int]:
    """Put an error answer of BentoML or Starlette into the shape of all our errors.

    Args:
        status: Its status.
        body: Its body.
        scope: The request.

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
            return failure, failure.status
    path = scope["path"][:100]
    if status == 404:
        return Failure.make("invalid_request", f"There is nothing at {path}.", "See docs/api.md or /docs.json for the routes."), 404
    if status == 405:
        return Failure.make(
            "invalid_request", f"{path} does not take {scope['method']}.", "See docs/api.md or /docs.json for the routes."
        ), 405
    by_status = {413: "payload_too_large", 415: "unsupported_media_type", 429: "overloaded", 503: "not_ready", 504: "timeout"}
    if status in by_status:
        return Failure.make(by_status[status], "The request could not be served."), status
    if status < 500:
        return Failure.make("invalid_request", "The request is not valid."), status
    return internal_error(RuntimeError(f"status {status} from {path}"), "answering"), 500


async def answer(
    send: Send, failure: Failure, *, status: int | None = None, headers: list[tuple[bytes, bytes]] | None = None, scope: Scope | None = None
) -> None:
    """Send a failure as JSON, with the headers its code asks for."""
    status = status or failure.status
    extra = list(headers or [])
    if failure.error.code in RETRY_AFTER_S:
        extra.append((b"retry-after", str(RETRY_AFTER_S[failure.error.code]).encode()))
    if status == 401:
        # A browser that opens the page gets its login box; a program gets the scheme it should use.
        wants_html = scope is not None and "text/html" in header(scope, b"accept")
        extra.append((b"www-authenticate", b'Basic realm="hsegap", charset="UTF-8"' if wants_html else b"Bearer"))
    await plain(send, status, failure.model_dump_json().encode(), media_type=b"application/json", headers=extra)


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
