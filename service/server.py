"""One server process: BentoML's application under uvicorn. Started by :mod:`hsegap.service.launch` in a clean environment.

``bentoml serve`` runs the same application under circus. That supervisor costs a second process and a second or two, and it opens control
ports on the loopback interface that ask nobody for a password; on a shared login node any user could talk to them. So ``hsegap serve``
goes without it, and a crashed server is restarted by whoever runs it (systemd, Docker, Kubernetes).
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

    from hsegap.service.app import Runtime


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

    The timer is not stopped when the answer is out: until the time is up it keeps some 9 kB of every request alive, and BentoML's time
    must be longer than any of ours. :class:`hsegap.service.guard.Guard` has the limits that count.
    """
    from bentoml._internal.server.http.traffic import TimeoutMiddleware

    app.user_middleware = [entry for entry in app.user_middleware if entry.cls is not TimeoutMiddleware]
    return app


def main() -> None:
    """Run the server until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m hsegap.service.server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--access-log", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    import uvicorn
    from bentoml._internal.configuration.containers import BentoMLContainer
    from bentoml._internal.server.metrics.prometheus import PrometheusClient

    from hsegap.service.bento import RUNTIME, HsegapService

    # One process, so its counters need no files shared between processes.
    BentoMLContainer.metrics_client.set(PrometheusClient(multiproc=False))
    BentoMLContainer.api_server_config.logging.access.enabled.set(options.access_log)
    if options.access_log:
        logging.getLogger("bentoml.access").setLevel(logging.INFO)
    config = uvicorn.Config(
        without_timers(HsegapService.to_asgi()),  # type: ignore[attr-defined]  # BentoML's decorator is typed as returning the class
        host=options.host,
        port=options.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # Requests end within the drain time by themselves. An open page's stream does not, and must not keep the server from ending.
        timeout_graceful_shutdown=math.ceil(RUNTIME.settings.drain_s) + 1,
    )
    server = uvicorn.Server(config)
    host = f"[{options.host}]" if ":" in options.host else options.host
    outcome: list[int] = []
    threading.Thread(target=announce, args=(server, RUNTIME, f"http://{host}:{options.port}", outcome), daemon=True).start()
    server.run()
    sys.exit(outcome[0] if outcome else (0 if server.started else 1))


if __name__ == "__main__":
    main()
