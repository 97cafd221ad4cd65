"""One server process: BentoML's application under uvicorn.

Started by :mod:`hsegap.service.launch` in a clean environment.

``bentoml serve`` runs the same application under circus. That supervisor costs a second process and a second or two,
and it opens control ports on the loopback interface that ask nobody for a password; on a shared login node any user
could talk to them. So ``hsegap serve`` goes without it, and a crashed server is restarted by whoever runs it (systemd,
Docker, Kubernetes).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from hsegap.service.early import EarlyAnswers

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from starlette.applications import Starlette

    from hsegap.service.runtime import Runtime


#: How long a stopping server that has nothing to do still tells new clients to go elsewhere, seconds.
TOLD_S = 0.5
#: How long the last bytes of answers may take to go out, seconds.
LAST_BYTES_S = 3


def announce(server: uvicorn.Server, runtime: Runtime, url: str, outcome: list[int]) -> None:
    """Wait until the service is ready and say where it answers; stop the server if it never will be."""
    while not server.should_exit:
        core = runtime.core
        if core is not None and core.state == "ready" and server.started:
            page = f"page {url}/ui · " if runtime.has_page else ""
            print(f"hsegap is ready: {page}API {url}/predict · reference {url}/docs.json", flush=True)
            return
        if core is not None and core.state == "failed":
            print(f"hsegap cannot serve: {core.problem}", file=sys.stderr, flush=True)
            outcome.append(1)
            server.should_exit = True
            return
        time.sleep(0.02)


def without_timers(app: Starlette) -> Starlette:
    """BentoML's application without the middleware that gives each request a timer.

    The timer is not stopped when the answer is out: until the time is up it keeps some 9 kB of every request alive, and
    BentoML's time must be longer than any of ours. :class:`hsegap.service.guard.Guard` has the limits that count.
    """
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    app.user_middleware = [entry for entry in app.user_middleware if entry.cls is not TimeoutMiddleware]
    return app


class Server(uvicorn.Server):
    """uvicorn's server with our life cycle.

    SIGTERM drains, SIGHUP loads the artifact again, and the exit status is 0.
    """

    def __init__(self, config: uvicorn.Config, runtime: Runtime, early: EarlyAnswers) -> None:
        super().__init__(config)
        self._runtime = runtime
        self._early = early
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop.

        Uvicorn's own way sends them again when it has finished, and dies of them.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take over from the early answers."""
        begin = self.lifespan.startup

        async def begin_then_take_over() -> None:
            await begin()
            await asyncio.to_thread(self._early.stop)

        self.lifespan.startup = begin_then_take_over
        await super().startup(sockets)

    def _stop(self) -> None:
        if self._runtime.draining:  # asked a second time: at once
            self.should_exit = self.force_exit = True
            return
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


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, before anything slow is done."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    made.listen(16)
    return made


def main() -> None:
    """Run the server until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m hsegap.service.server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--access-log", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until there is something to finish
    listening = listen(options.host, options.port)
    early = EarlyAnswers(listening)
    early.start()

    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    from hsegap.service.bento import RUNTIME, HsegapService
    from hsegap.service.connections import bounds_for, protocol
    from hsegap.service.logs import write_request_lines

    # One process, so its counters need no files shared between processes.
    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=False))
    BentoMLContainer.api_server_config.logging.access.enabled.set(options.access_log)
    if options.access_log:
        logging.getLogger("bentoml.access").setLevel(logging.INFO)
    RUNTIME.owns_signals = True
    settings = RUNTIME.settings
    if settings.request_log:
        write_request_lines()
    bounds = bounds_for(settings.max_connections, workers=settings.workers)
    config = uvicorn.Config(
        without_timers(HsegapService.to_asgi()),  # type: ignore[attr-defined]  # BentoML's decorator is typed as returning the class
        http=protocol(bounds, header_timeout_s=settings.header_timeout_s),
        ws="none",
        backlog=bounds.backlog,
        timeout_keep_alive=math.ceil(settings.idle_timeout_s),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the guard decides whose word counts
        # Work has ended by then. An open page's stream has not, and must not keep the server from ending.
        timeout_graceful_shutdown=LAST_BYTES_S,
    )
    server = Server(config, RUNTIME, early)
    host = f"[{options.host}]" if ":" in options.host else options.host
    outcome: list[int] = []
    threading.Thread(
        target=announce, args=(server, RUNTIME, f"http://{host}:{options.port}", outcome), daemon=True
    ).start()
    server.run(sockets=[listening])
    sys.exit(outcome[0] if outcome else (0 if server.started else 1))


if __name__ == "__main__":
    main()
