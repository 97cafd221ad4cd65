"""The ASGI side of the service.

What BentoML's own routes cannot do: GET, redirects, the page, the OpenAPI document.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from hsegap.prediction.errors import Failure
from hsegap.service.language import told
from hsegap.service.shown_page import ShownPage
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


def edge_app(runtime: Runtime) -> Starlette:
    """Routes beside BentoML's: ``/``, ``/model``, ``/docs.json`` and the page under ``/ui``.

    Args:
        runtime: Filled by the service before this application's lifespan begins.
    """
    page = ShownPage(runtime)

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
        async with page.shown() if runtime.settings.page and runtime.core is not None else contextlib.nullcontext():
            yield

    routes = [
        Route("/", root, methods=["GET"]),
        Route("/model", model, methods=["GET"]),
        Route("/docs.json", docs, methods=["GET"]),
        Mount("/ui", app=page),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
