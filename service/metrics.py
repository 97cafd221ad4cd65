"""BentoML's metrics with a bounded number of series.

Requests are labelled by the route they reached, never by what a stranger wrote.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    App = Callable[[Scope, Any, Any], Awaitable[None]]

#: Routes that have a label of their own.
ROUTES = frozenset(
    {
        "/",
        "/predict",
        "/predict_batch",
        "/describe",
        "/what_if",
        "/model",
        "/docs.json",
        "/livez",
        "/healthz",
        "/readyz",
        "/metrics",
        "/schema.json",
    }
)
#: The page's routes, longest first: what follows one of these is left out of the label.
PAGE_ROUTES = (
    "/ui/gradio_api/queue",
    "/ui/gradio_api/call",
    "/ui/gradio_api/run",
    "/ui/gradio_api/upload",
    "/ui/gradio_api",
    "/ui",
)
#: Label of every path that is none of these, refused or not found alike.
UNKNOWN = "unknown"
#: Where the request itself waits while the metrics look at a copy of it.
_KEPT = "hsegap.scope"


def label_of(path: str) -> str:
    """The route template a path belongs to; one of a fixed number of labels whatever the path.

    Args:
        path: Path of a request, as it came.
    """
    if path in ROUTES:
        return path
    for route in PAGE_ROUTES:
        if path == route:
            return route
        if path.startswith(f"{route}/"):
            return f"{route}/{{path}}"
    return UNKNOWN


def label_by_route() -> None:
    """Let BentoML count requests by route template, under `hsegap serve` as under `bentoml serve`.

    BentoML takes the raw path as a label and offers no way to choose another. It looks the class of its middleware up
    by name each time it makes an application; that name leads to ours from now on.
    """
    instruments: Any = import_module("bentoml._internal.server.http.instruments")
    theirs: Any = instruments.RunnerTrafficMetricsMiddleware

    class RouteMetrics(theirs):
        """BentoML's middleware, shown the route template in place of the path."""

        def __init__(self, app: App, **options: Any) -> None:
            async def with_the_request_itself(scope: Scope, receive: Any, send: Any) -> None:
                await app(scope.get(_KEPT, scope), receive, send)

            super().__init__(with_the_request_itself, **options)

        async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
            shown = {**scope, "path": label_of(scope["path"]), _KEPT: scope} if "path" in scope else scope
            await super().__call__(shown, receive, send)

    if theirs.__name__ != RouteMetrics.__name__:
        instruments.RunnerTrafficMetricsMiddleware = RouteMetrics
