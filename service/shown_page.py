"""The page beside the API: built when the server starts, and again for another artifact."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from hsegap.memory import give_back
from hsegap.prediction.errors import Failure
from hsegap.service.language import told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hsegap.service.runtime import Runtime
    from hsegap.ui.uploads import Uploads

logger = logging.getLogger("hsegap.service")


class ShownPage:
    """The page, once it has been built; the API lives without it. An ASGI application.

    Args:
        runtime: Of this process.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._app: Any = None
        #: The lifespans that go on, with what ends them; the latest is the shown page's.
        self._living: dict[asyncio.Task[None], asyncio.Event] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on to the page; a stream that has begun stays with the page it began with."""
        if self._app is not None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            failure = Failure.make(
                "invalid_request",
                "This server has no page.",
                "Use the HTTP API (docs/api.md) or start it with the page.",
            )
            await JSONResponse(told(failure).model_dump(), status_code=404)(scope, receive, send)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Build the page and show it; a page that cannot be built must not take the API with it."""
        with contextlib.ExitStack() as stack:
            try:
                from hsegap.ui.mount import kept_uploads

                uploads = stack.enter_context(kept_uploads(self._runtime.settings))
            except Exception:
                logger.exception("there is no place for uploads, hence no page")
            else:
                self._runtime.has_page = await self._build(uploads)
                self._runtime.when_swapped = lambda: self._build(uploads)
            try:
                yield
            finally:
                self._app = None
                for ends in self._living.values():
                    ends.set()
                if self._living:
                    await asyncio.wait(self._living)

    async def _build(self, uploads: Uploads) -> bool:
        """Build the page for the artifact that answers now, and show it in place of the one shown so far."""
        from hsegap.service.page_backend import PageBackend
        from hsegap.ui.mount import ui_app

        try:
            app = await asyncio.to_thread(ui_app, PageBackend(self._runtime), uploads)
            begun, ends = asyncio.Event(), asyncio.Event()
            living = asyncio.create_task(self._live(app, begun, ends))
            await asyncio.wait({living, asyncio.create_task(begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
        except Exception:
            logger.exception("the page could not be built; what was there goes on without it")
            return False
        # What visitors are waiting for is still on its way from the page before.
        for before in self._living.values():
            asyncio.get_running_loop().call_later(self._runtime.settings.request_timeout_s, before.set)
        await asyncio.to_thread(give_back)
        self._app, self._living[living] = app, ends
        living.add_done_callback(self._living.pop)
        return True

    async def _live(self, app: Any, begun: asyncio.Event, ends: asyncio.Event) -> None:
        """Run a page's lifespan, all of it in one task, as its libraries want it."""
        router = getattr(app, "router", None)
        async with router.lifespan_context(app) if router is not None else contextlib.nullcontext():
            begun.set()
            await ends.wait()
