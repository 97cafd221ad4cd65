"""What every HTTP request passes before BentoML sees it, the API's and the page's alike.

In this order: names (Host, Origin), key, type, size, readiness, the whole body under its own deadline, its structure, a
place to work in, time. BentoML and Gradio have none of it in this shape; all of it is settled here, so that no route
can forget it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.language import preferred
from hsegap.service.access import Keys
from hsegap.service.answers import Outgoing, answer, header, is_page, plain
from hsegap.service.body import BodyError, ClientGoneError, Pending, Replayed, Streamed, discard, read_json
from hsegap.service.budgets import OverloadedError, kind_of_prediction
from hsegap.service.cors import Cors
from hsegap.service.hosts import Hosts, bare_path
from hsegap.service.json_limits import MAX_VALUES, parsed
from hsegap.service.language import LANGUAGE
from hsegap.service.observe import Record, observed, trace_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from hsegap.service.budgets import Kind
    from hsegap.service.runtime import Runtime

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Routes that take JSON and work on it, with the budget they draw from.
WORK_ROUTES: dict[str, Kind] = {
    "/predict": "single",
    "/predict_batch": "batch",
    "/describe": "describe",
    # A curve and a dozen swaps are as many predictions as a small batch.
    "/what_if": "batch",
}
#: Routes a health check may ask without a token, under any name.
HEALTH_ROUTES = frozenset({"/livez", "/healthz", "/readyz"})
UPLOAD = "/ui/gradio_api/upload"
#: The page's events carry tables.
PAGE_VALUES = 4 * MAX_VALUES
_CLOSE = [(b"connection", b"close")]


class _Exchange(NamedTuple):
    """One request on its way through the guard."""

    scope: Scope
    path: str
    receive: Receive
    outgoing: Outgoing
    record: Record


class Guard:
    """ASGI middleware around the whole service.

    Args:
        app: BentoML's application.
        runtime: Holds the core, the budgets and the settings.
    """

    def __init__(self, app: App, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime
        settings = runtime.settings
        self._hosts = Hosts(settings)
        self._keys = Keys(settings)
        self._cors = Cors(settings)
        self._pending = Pending(settings.max_pending_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":  # nothing here speaks it
                await send({"type": "websocket.close", "code": 1008})
                return
            await self._app(scope, receive, send)
            return
        scope = self._hosts.placed(scope)
        path = bare_path(scope["path"], scope.get("root_path", ""))
        LANGUAGE.set(preferred(header(scope, b"accept-language")))
        with observed(scope, path, enabled=self._runtime.settings.request_log) as record:
            await self._answer(scope, path, receive, self._sending(scope, send, record), record)

    def _sending(self, scope: Scope, send: Send, record: Record) -> Send:
        """A ``send`` that names the request, notes the status, and closes the connection of a stopping server."""
        cors = self._cors.headers(scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                trace_answer(record)
                extra = [(b"x-request-id", record.id.encode()), (b"vary", b"Accept-Language"), *cors]
                known = {name.lower() for name, _ in message.get("headers", [])}
                if self._runtime.draining and b"connection" not in known:
                    extra += _CLOSE
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        return sending

    async def _answer(self, scope: Scope, path: str, receive: Receive, send: Send, record: Record) -> None:
        failure = self._refusal(scope, path, record)
        if failure is not None:
            record.outcome = failure.error.code
            if has_body := _has_body(scope):
                await discard(receive, most=2 * self._limit(path))
            await answer(send, failure, scope=scope, headers=_CLOSE if has_body else None)
            return
        if self._cors.is_preflight(scope):
            await plain(send, 204, b"")
            return
        reading = scope["method"] in {"GET", "HEAD"}
        if path == "/readyz" and reading:
            failure = self._runtime.not_ready()
            await (answer(send, failure, scope=scope) if failure else plain(send, 200, b"ready\n"))
            return
        outgoing = Outgoing(scope, send, path=path)
        if self._runtime.draining and path not in HEALTH_ROUTES and path != "/metrics":
            await outgoing.fail(self._runtime.not_ready() or Failure.make("not_ready", "The server is shutting down."))
        elif scope["method"] == "POST" and (path in WORK_ROUTES or (is_page(path) and path != UPLOAD)):
            await self._with_body(_Exchange(scope, path, receive, outgoing, record))
        else:
            settings = self._runtime.settings
            deadline_s = settings.upload_timeout_s if path == UPLOAD else settings.body_timeout_s
            await self._pass(
                scope, Streamed(receive, outgoing, limit=self._limit(path), deadline_s=deadline_s), outgoing
            )

    async def _with_body(self, exchange: _Exchange) -> None:
        """Read the whole body, then work on it; what it costs is given back when the answer is out."""
        _, path, receive, outgoing, record = exchange
        settings, page = self._runtime.settings, is_page(path)
        failure = None if page else self._runtime.not_ready()
        if failure is not None:
            await outgoing.fail(failure)
            return
        try:
            body = await read_json(
                receive,
                limit=settings.max_body_bytes,
                deadline_s=settings.body_timeout_s,
                pending=self._pending,
                max_values=PAGE_VALUES if page else MAX_VALUES,
            )
        except BodyError as error:
            record.outcome = error.failure.error.code
            await outgoing.fail(error.failure, status=error.status, headers=_CLOSE)
            return
        except ClientGoneError:
            record.outcome = "gone"
            return
        try:
            if page:
                await self._run(exchange, body)
            else:
                await self._work(exchange, body)
        finally:
            self._pending.held -= len(body)

    async def _work(self, exchange: _Exchange, body: bytes) -> None:
        """Pass on a request that costs something: well-formed, not too many at once, not for too long."""
        _, path, _, outgoing, record = exchange
        value = parsed(body)
        if isinstance(value, Failure):
            await outgoing.fail(value)
            return
        settings = self._runtime.settings
        limit = asyncio.timeout(settings.request_timeout_s)
        try:
            async with self._runtime.budgets.place(_kind(path, value)), limit:
                with self._runtime.shortened_when_draining(limit):
                    await self._run(exchange, body)
        except OverloadedError as error:
            record.outcome = "overloaded"
            await outgoing.fail(error.failure)
        except TimeoutError:
            record.outcome = "timeout"
            took_too_long = Failure.make("timeout", f"The request took longer than {settings.request_timeout_s:g} s.")
            await outgoing.fail(self._runtime.not_ready() or took_too_long)

    async def _run(self, exchange: _Exchange, body: bytes) -> None:
        """Let the application work for as long as the client waits."""
        scope, _, receive, outgoing, record = exchange
        gone = asyncio.Event()
        work = asyncio.ensure_future(self._pass(scope, Replayed(body, gone), outgoing))

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if not outgoing.complete:
                gone.set()
                work.cancel()

        watching = asyncio.create_task(watch())
        try:
            await work
        except asyncio.CancelledError:
            if not gone.is_set():
                raise
            record.outcome = "gone"
        finally:
            watching.cancel()

    async def _pass(self, scope: Scope, incoming: Receive, outgoing: Outgoing) -> None:
        try:
            await self._app(scope, incoming, outgoing)
            await outgoing.finish()
        except Exception as error:  # nothing of it may reach the client
            await outgoing.fail(internal_error(error, f"{scope['method']} {scope['path'][:80]}"))

    def _refusal(self, scope: Scope, path: str, record: Record) -> Failure | None:
        """Why a request is turned away on its headers alone; None when it is not."""
        names = {name for name, _ in scope["headers"]}
        if (
            b"transfer-encoding" in names and b"content-length" in names
        ):  # what one proxy reads as a body, the next reads as a request
            return Failure.make(
                "invalid_request", "The request has both Content-Length and Transfer-Encoding.", "Send one of them."
            )
        if path not in HEALTH_ROUTES and not (path == "/metrics" and self._runtime.settings.metrics_any_host):
            changes = is_page(path) or scope["method"] not in {"GET", "HEAD", "OPTIONS"}
            if failure := self._hosts.refusal(scope, changes=changes):
                return failure
        if self._cors.is_preflight(scope):
            return None
        holder = "" if path in HEALTH_ROUTES else self._keys.holder(scope)
        if holder is None:
            return Failure.make("unauthorized", "The token is missing or wrong.")
        record.key = holder
        return self._unfit(scope, path)

    def _unfit(self, scope: Scope, path: str) -> Failure | None:
        """Why the body a request announces is not taken."""
        media_type = header(scope, b"content-type").split(";")[0].strip().lower()
        work = path in WORK_ROUTES and scope["method"] == "POST"
        # BentoML would unpickle a body that says it is one. Nothing here has any use for pickles, whatever the route.
        if "pickle" in media_type or (work and media_type != "application/json"):
            named = media_type[:100] or "no content type"
            return Failure.make(
                "unsupported_media_type", f"The body must be application/json; this request says {named}."
            )
        if work and header(scope, b"content-encoding").lower() not in {"", "identity"}:
            return Failure.make(
                "unsupported_media_type", "The body must not be compressed.", "Send the JSON without Content-Encoding."
            )
        length, limit = header(scope, b"content-length"), self._limit(path)
        if length.isdecimal() and int(length[:20]) > limit:
            return Failure.make("payload_too_large", f"The body has {length[:20]} bytes; at most {limit} are taken.")
        return None

    def _limit(self, path: str) -> int:
        """Largest body a route takes, bytes."""
        settings = self._runtime.settings
        return settings.max_upload_bytes if path == UPLOAD else settings.max_body_bytes


def _kind(path: str, value: Any) -> Kind:
    """The budget of a request; a prediction that has its description generated, or its sentences tried, costs more."""
    if path != "/predict" or not isinstance(value, dict):
        return WORK_ROUTES[path]
    return kind_of_prediction(
        explain=value.get("explain") is True,
        describe=value.get("describe") is True,
        description=value.get("description"),
    )


def _has_body(scope: Scope) -> bool:
    """Whether a body follows that nobody will read."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )
