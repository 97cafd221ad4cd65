"""The server: BentoML's application under uvicorn, in one process or several.

Started by :mod:`hsegap.service.launch` in a clean environment.

``bentoml serve`` runs the same application under circus. That supervisor costs a second process and a second or two,
and it opens control ports on the loopback interface that ask nobody for a password; on a shared login node any user
could talk to them. So ``hsegap serve`` goes without it, and a crashed server is restarted by whoever runs it (systemd,
Docker, Kubernetes). Several processes are looked after by uvicorn's supervisor (:mod:`hsegap.service.processes`).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from hsegap.service.early import EarlyAnswers
from hsegap.service.logs import start_log

if TYPE_CHECKING:
    import uvicorn

    from hsegap.service.runtime import Runtime
    from hsegap.service.settings import Settings


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


def serve_alone(listening: socket.socket, url: str, *, access_log: bool) -> int:
    """Serve everything from this process, until a signal ends it; gives the exit status."""
    early = EarlyAnswers(listening)
    early.start()

    from hsegap.service.one_process import make_server

    server = make_server(access_log=access_log, early=early)
    outcome: list[int] = []
    threading.Thread(target=announce, args=(server, server.runtime, url, outcome), daemon=True).start()
    server.run(sockets=[listening])
    return outcome[0] if outcome else (0 if server.started else 1)


def serve_together(listening: socket.socket, host: str, port: int, settings: Settings, *, access_log: bool) -> int:
    """Serve the API from several processes and the page from one of its own; gives the exit status."""
    from hsegap.service.processes import Part, Supervisor, shared_metrics

    page_port = settings.page_port_beside(port)
    parts = [Part(listening, settings.processes, page=False, early=EarlyAnswers(listening))]
    if settings.page:
        other = listen(host, page_port)
        parts.append(Part(other, 1, page=True, early=EarlyAnswers(other)))
    for part in parts:
        part.early.start()

    def ready() -> None:
        page = f"page {url_of(host, page_port)}/ui · " if settings.page else ""
        api = url_of(host, port)
        print(
            f"hsegap is ready: {page}API {api}/predict ({settings.processes} processes) · reference {api}/docs.json",
            flush=True,
        )

    with shared_metrics():
        supervisor = Supervisor(parts, ready=ready, drain_s=settings.drain_s, access_log=access_log)
        supervisor.run()
    return int(supervisor.failed)


def url_of(host: str, port: int) -> str:
    """Where somebody on this address finds the server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def main() -> None:
    """Run the server until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m hsegap.service.server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--access-log", action="store_true")
    options = parser.parse_args()
    start_log()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until there is something to finish
    listening = listen(options.host, options.port)
    if (os.environ.get("HSEGAP_PROCESSES") or "1") != "1":  # settings take a while to import, and listening comes first
        from hsegap.service.settings import Settings

        settings = Settings.from_env()
        if settings.processes > 1:
            sys.exit(serve_together(listening, options.host, options.port, settings, access_log=options.access_log))
    sys.exit(serve_alone(listening, url_of(options.host, options.port), access_log=options.access_log))


if __name__ == "__main__":
    main()
