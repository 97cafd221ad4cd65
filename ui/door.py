"""What a request has to pass before Gradio sees it, and what an event has to pass before Gradio touches its values.

Gradio has routes and habits this page has no use for: it fetches what a URL names, copies what a path names, and gives
out files of its working and temporary folders. Here only the routes the page needs are open, a value may name a file
only where a function takes files, and only one that the same visitor has uploaded; and no function of the page gives a
file out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
import traceback
import uuid
from enum import Enum
from http.cookies import CookieError, SimpleCookie
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from hsegap.prediction.errors import Failure
from hsegap.ui.uploads import UploadError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gradio as gr
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hsegap.ui.uploads import Uploads

logger = logging.getLogger("hsegap.page")
#: Ties uploads to the browser that made them.
COOKIE = "hsegap_visitor"
_VISITOR = re.compile(r"[A-Za-z0-9_-]{43}")
_API = "/gradio_api"
UPLOAD = f"{_API}/upload"
FILE = f"{_API}/file="
HEARTBEAT = f"{_API}/heartbeat/"
#: What an upload that names no length is taken for.
UNNAMED_BYTES = 64 * 2**20
#: Gradio's routes that the page and `gradio_client` use. Everything else it has (proxy, streams, recordings, reloading
#: …) stays shut.
OPEN = {
    "GET": re.compile(
        rf"/|/config/?|/theme\.css|/robots\.txt|/favicon\.ico|/(static|assets|svelte|hsegap)/.+"
        rf"|{_API}/(info/?|openapi\.json|startup-events|app_id/?|login_check/?|theme\.css|queue/(data|status)|upload_progress)"
        rf"|{_API}/heartbeat/[^/]+|{_API}/call/(v2/)?[^/]+/[^/]+"
    ),
    "POST": re.compile(rf"{_API}/(queue/join|cancel|reset/?|upload|(run|api|call|call/v2)/[^/]+/?)"),
}
#: Gradio's answer to an upload lists a path per file; a longer one is none.
MAX_ANSWER_BYTES = 2**20


def visitor_of(cookies: str) -> str | None:
    """The visitor a Cookie header names; None where it names none."""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and _VISITOR.fullmatch(found.value) else None


class Door:
    """ASGI middleware around Gradio: open routes only, and a note of who uploaded what.

    Args:
        app: What comes after.
        uploads: Where the note is kept.
    """

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self.app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer that there is nothing."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
        visitor = visitor_of(cookies)
        if not self._is_open(method, path, visitor):
            failure = Failure.make(
                "invalid_request",
                "There is nothing at this address of the page.",
                "See docs/api.md for what scripts may call.",
            )
            await JSONResponse(failure.model_dump(), status_code=404)(scope, receive, send)
            return
        if path.startswith(HEARTBEAT) and visitor is not None:
            with self._uploads.present(visitor):
                await self.app(scope, receive, send)
            return
        if path not in {"/", UPLOAD}:
            await self.app(scope, receive, send)
            return
        fresh = None if visitor else secrets.token_urlsafe(32)
        whose = visitor or fresh or ""
        noting = self._noting(scope, send, whose, fresh=fresh, is_upload=path == UPLOAD)
        if path == UPLOAD:
            await self._upload(scope, receive, noting, whose)
        else:
            await self.app(scope, receive, noting)

    async def _upload(self, scope: Scope, receive: Receive, send: Send, visitor: str) -> None:
        """Take an upload that keeps within the quotas."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        size = int(length) if length.isdigit() and len(length) < 20 else UNNAMED_BYTES
        if not await asyncio.to_thread(self._uploads.has_room, visitor, size):
            failure = Failure.make(
                "overloaded", "There is no room for more uploads now.", "Uploads are deleted after ten minutes."
            )
            answer = JSONResponse(
                failure.model_dump(), status_code=429, headers={"Retry-After": "60", "Connection": "close"}
            )
            await answer(scope, receive, send)
            return
        with self._uploads.arriving(visitor, size):
            await self.app(scope, receive, send)

    def _is_open(self, method: str, path: str, visitor: str | None) -> bool:
        if method == "GET" and path.startswith(FILE):
            return self._uploads.has(visitor, path.removeprefix(FILE)) and self._is_plain(path.removeprefix(FILE))
        return method in OPEN and OPEN[method].fullmatch(path) is not None

    def _is_plain(self, path: str) -> bool:
        try:
            self._uploads.open(path).close()
        except UploadError:
            return False
        return True

    def _noting(self, scope: Scope, send: Send, visitor: str, *, fresh: str | None, is_upload: bool) -> Send:
        """A ``send`` that gives a new visitor the cookie and reads off an upload's answer which files are theirs."""
        body = bytearray()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and fresh is not None:
                secure = "; Secure" if scope.get("scheme") == "https" else ""
                cookie = f"{COOKIE}={fresh}; Path=/; HttpOnly; SameSite=Strict{secure}".encode()
                message["headers"] = [*message["headers"], (b"set-cookie", cookie)]
            elif message["type"] == "http.response.body" and is_upload and len(body) <= MAX_ANSWER_BYTES:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):  # before the client hears of it and can ask for it
                    self._uploads.record(visitor, _paths(bytes(body)))
            await send(message)

        return noting


def _paths(body: bytes) -> list[str]:
    """The paths in Gradio's answer to an upload; none in any other answer."""
    try:
        data = json.loads(body)
    except ValueError:
        return []
    return [path for path in data if isinstance(path, str)] if isinstance(data, list) else []


def files_in(value: Any) -> Iterator[dict[str, Any]]:
    """Everything in a value that Gradio would take for a file: an object with a path and Gradio's mark on it."""
    waiting = [value]
    while waiting:
        some = waiting.pop()
        if isinstance(some, dict):
            if "path" in some and "meta" in some:
                yield some
            waiting.extend(some.values())
        elif isinstance(some, (list, tuple)):
            waiting.extend(some)


def guard_events(blocks: gr.Blocks, uploads: Uploads) -> None:
    """Check every event of a page and every answer.

    Events before Gradio looks at their values, answers before Gradio looks for files in them.

    Args:
        blocks: The page.
        uploads: What its visitors have uploaded.
    """
    import gradio as gr

    # Gradio's own check of paths is off until an application was launched, and one that is mounted never is.
    blocks.has_launched = True
    process_api, postprocess_data = blocks.process_api, blocks.postprocess_data

    async def checked_process_api(
        block_fn: Any, inputs: Any, state: Any = None, request: Any = None, iterator: Any = None, **more: Any
    ) -> Any:
        if iterator is None:  # later steps of a function that runs already look at no input
            function = blocks.fns[block_fn] if isinstance(block_fn, int) else block_fn
            inputs = _checked_inputs(function, inputs, _visitor_of_event(request), uploads)
        try:
            return await process_api(block_fn, inputs, state, request, iterator, **more)
        except (gr.Error, StopIteration, StopAsyncIteration):
            raise
        except Exception as error:
            # Gradio would print the traceback, and its message tells what was submitted.
            raise gr.Error(_without_content(error), print_exception=False) from None

    async def checked_postprocess(block_fn: Any, predictions: Any, state: Any) -> Any:
        values = predictions if len(block_fn.outputs) != 1 and isinstance(predictions, (list, tuple)) else [predictions]
        for block, value in zip(block_fn.outputs, values, strict=False):
            shown = value.get("value") if isinstance(value, dict) else value
            # A generator that has ended leaves one of Gradio's keywords in each output's place.
            given = isinstance(block, gr.File) and shown is not None and not isinstance(shown, Enum)
            if given or next(files_in(value), None) is not None:
                raise RuntimeError(
                    "a function of the page gave out a file; the page makes what is to be taken away in the browser"
                )
        return await postprocess_data(block_fn, predictions, state)

    blocks.process_api = checked_process_api  # type: ignore[method-assign,assignment]  # the same arguments, most of them handed on
    blocks.postprocess_data = checked_postprocess  # type: ignore[method-assign]


def _without_content(error: Exception) -> str:
    """Log where an event went wrong, under an identifier, and give the sentence that names it."""
    steps = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{PurePath(step.filename).name}:{step.lineno}" for step in reversed(steps))
    identifier = uuid.uuid4().hex[:12]
    logger.error("an event of the page: error %s: %s at %s", identifier, type(error).__name__, where)
    return f"The values do not fit, or something went wrong inside the server (error {identifier})."


def _visitor_of_event(request: Any) -> str | None:
    inner = getattr(request, "request", None)
    return None if inner is None else visitor_of(inner.headers.get("cookie", ""))


def _checked_inputs(function: Any, inputs: Any, visitor: str | None, uploads: Uploads) -> list[Any]:
    """The values of an event, those of files reduced to what was checked.

    Raises:
        gradio.Error: If a value names a file that is not an upload of this visitor, or stands where no file belongs.
    """
    import gradio as gr

    takes_files = [isinstance(block, gr.File) for block in function.inputs]
    checked = []
    for place, value in enumerate(inputs or []):
        if place < len(takes_files) and takes_files[place]:
            checked.append(_checked_files(value, visitor, uploads))
        elif next(files_in(value), None) is not None:
            raise gr.Error("This field takes no file.", print_exception=False)
        else:
            checked.append(value)
    return checked


def _checked_files(value: Any, visitor: str | None, uploads: Uploads) -> list[dict[str, Any]] | None:
    import gradio as gr

    if value is None:
        return None
    files = value if isinstance(value, list) else [value]
    for file in files:
        if not isinstance(file, dict) or file.get("is_stream") or not uploads.has(visitor, file.get("path")):
            raise gr.Error(str(UploadError()), title="Upload refused", print_exception=False)
    return [{"path": file["path"], "meta": {"_type": "gradio.FileData"}} for file in files]
