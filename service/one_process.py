"""BentoML's application under uvicorn in one server process, with our life cycle."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Iterator

    from starlette.applications import Starlette

    from hsegap.service.early import EarlyAnswers
    from hsegap.service.runtime import Runtime

#: How long a stopping server that has nothing to do still tells new clients to go elsewhere, seconds.
TOLD_S = 0.5
#: How long the last bytes of answers may take to go out, seconds.
LAST_BYTES_S = 3


def lean(app: Starlette, *, access_log: bool = False) -> Starlette:
    """BentoML's application without what costs each request something and brings it nothing.

    One middleware gives each request a timer that is not stopped when the answer is out: until the time is up it keeps
    some 9 kB of every request alive, and BentoML's time must be longer than any of ours;
    :class:`hsegap.service.guard.Guard` has the limits that count. Another makes OpenTelemetry's spans, which nobody
    sees where no exporter is configured, and a third writes BentoML's access log.

    Args:
        app: The application.
        access_log: Whether that log is wanted.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.server.http.access import AccessLogMiddleware
    from bentoml._internal.server.http.traffic import TimeoutMiddleware
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    dropped: list[Any] = [TimeoutMiddleware]
    if not BentoMLContainer.config.tracing.exporter_type.get():
        dropped.append(OpenTelemetryMiddleware)
    if not access_log:
        dropped.append(AccessLogMiddleware)
    app.user_middleware = [entry for entry in app.user_middleware if entry.cls not in dropped]
    return app


class Server(uvicorn.Server):
    """uvicorn's server with our life cycle.

    SIGTERM drains, SIGHUP loads the artifact again, and the exit status is 0.

    Args:
        config: uvicorn's.
        runtime: Of this process.
        early: Answers until this server takes over; None for one of several processes, which takes no connection before
            it is ready.
        backlog: Connections that wait in the system's queue.
    """

    def __init__(self, config: uvicorn.Config, runtime: Runtime, early: EarlyAnswers | None, *, backlog: int) -> None:
        super().__init__(config)
        self._runtime = runtime
        self._early = early
        self._backlog = backlog
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop.

        Uvicorn's own way sends them again when it has finished, and dies of them.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, *((signal.SIGINT,) if self._early else ())):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take over from the early answers."""
        begin, early = self.lifespan.startup, self._early

        async def begin_then_take_over() -> None:
            await begin()
            await (asyncio.to_thread(early.stop) if early else self._until_ready())

        self.lifespan.startup = begin_then_take_over
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(self._backlog)

    async def _until_ready(self) -> None:
        """Wait for the golden check; end this process where it failed."""
        core = self._runtime.ready_core()
        while core.state == "starting":  # noqa: ASYNC110 - a thread sets it, which knows no event of this loop
            await asyncio.sleep(0.02)
        if core.state == "failed":
            print(f"hsegap cannot serve: {core.problem}", file=sys.stderr, flush=True)
            await asyncio.to_thread(self._runtime.stop)
            os._exit(STARTUP_FAILURE)

    @property
    def runtime(self) -> Runtime:
        """What its routes share."""
        return self._runtime

    def _stop(self) -> None:
        if self._runtime.draining:
            if self._early:  # asked a second time: at once
                self.should_exit = self.force_exit = True
            return  # systemd tells every process, and then the supervisor does, which ends those that take too long
        self._runtime.drain()
        self._keep(self._drain())

    async def _drain(self) -> None:
        """Go on listening, so that new clients are told to go elsewhere, until the work is done or the time is up."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._runtime.settings.drain_s
        await asyncio.sleep(min(TOLD_S, self._runtime.settings.drain_s))
        while self._runtime.budgets.busy and loop.time() < ends:  # noqa: ASYNC110 - the budgets have no event for it
            await asyncio.sleep(0.02)
        self.should_exit = True

    def _reload(self) -> None:
        self._keep(self._runtime.reload())

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def make_server(*, access_log: bool, early: EarlyAnswers | None = None) -> Server:
    """Import the application and make a server for it, which takes a second or two.

    Args:
        access_log: Whether each request is logged.
        early: Answers until it takes over; None for one of several processes.
    """
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    from hsegap.service.bento import RUNTIME, HsegapService
    from hsegap.service.connections import bounds_for, protocol
    from hsegap.service.logs import start_log, write_request_lines

    start_log()
    # Only several processes need files to add their counters up.
    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc="PROMETHEUS_MULTIPROC_DIR" in os.environ))
    if access_log:
        logging.getLogger("bentoml.access").setLevel(logging.INFO)
    RUNTIME.owns_signals = True
    settings = RUNTIME.settings
    if settings.request_log:
        write_request_lines()
    bounds = bounds_for(settings.max_connections, workers=settings.workers)
    config = uvicorn.Config(
        lean(HsegapService.to_asgi(), access_log=access_log),  # type: ignore[attr-defined]  # BentoML's decorator is typed as returning the class
        http=protocol(bounds, header_timeout_s=settings.header_timeout_s),
        ws="none",
        # As many connections are taken in one go; of several processes each takes one, and leaves others the next.
        backlog=bounds.backlog if early else 1,
        timeout_keep_alive=math.ceil(settings.idle_timeout_s),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the guard decides whose word counts
        # Work has ended by then. An open page's stream has not, and must not keep the server from ending.
        timeout_graceful_shutdown=LAST_BYTES_S,
    )
    return Server(config, RUNTIME, early, backlog=bounds.backlog)
