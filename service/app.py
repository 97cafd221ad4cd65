"""The ASGI side of the service.

What BentoML's own routes cannot do: GET, redirects, the page, the OpenAPI document.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from hsegap.prediction.errors import Failure
from hsegap.service.language import told
from hsegap.service.statuses import status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import BaseModel
    from starlette.requests import Request

    from hsegap.service.runtime import Runtime

logger = logging.getLogger("hsegap.service")


def json_answer(result: BaseModel) -> Response:
    """A prediction, description or failure as an HTTP answer."""
    if isinstance(result, Failure):  # the guard gives it its language, as all errors
        return Response(result.model_dump_json(), status_code=status_of(result), media_type="application/json")
    return Response(told(result).model_dump_json(), media_type="application/json")


class _Page:
    """The page, once it has been built; the API lives without it."""

    def __init__(self) -> None:
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            failure = Failure.make(
                "invalid_request",
                "This server has no page.",
                "Use the HTTP API (docs/api.md) or start it with the page.",
            )
            await JSONResponse(told(failure).model_dump(), status_code=404)(scope, receive, send)


def edge_app(runtime: Runtime) -> Starlette:
    """Routes beside BentoML's: ``/``, ``/model``, ``/docs.json`` and the page under ``/ui``.

    Args:
        runtime: Filled by the service before this application's lifespan begins.
    """
    page = _Page()

    async def root(request: Request) -> Response:
        return RedirectResponse(request.scope.get("root_path", "") + "/ui/", status_code=307)

    async def model(_: Request) -> Response:
        if runtime.core is None:
            return json_answer(Failure.make("not_ready", "The service is starting."))
        return json_answer(runtime.core.model_info())

    async def docs(_: Request) -> Response:
        from hsegap.service.openapi import openapi_document

        return JSONResponse(openapi_document(runtime.settings))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if runtime.settings.page and runtime.core is not None:
                try:
                    from hsegap.service.page_backend import PageBackend
                    from hsegap.ui.mount import ui_app

                    page.app = ui_app(PageBackend(runtime))
                    router = getattr(page.app, "router", None)
                    if router is not None:
                        await stack.enter_async_context(router.lifespan_context(page.app))
                    runtime.has_page = True
                except Exception:  # a broken page must not take the API with it
                    page.app = None
                    logger.exception("the page could not be built; the API goes on without it")
            yield

    routes = [
        Route("/", root, methods=["GET"]),
        Route("/model", model, methods=["GET"]),
        Route("/docs.json", docs, methods=["GET"]),
        Mount("/ui", app=page),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
