"""Several server processes behind one port: uvicorn's supervisor, told about the page's process, readiness and SIGHUP.

All processes of the API accept from one listening socket, so that whoever has time takes the next connection, and a
process that dies takes no waiting connection with it. The page keeps its sessions in memory, hence in one process of
its own, with its own port.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from hsegap.service.one_process import make_server
from hsegap.ui import upload_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket

    from hsegap.service.early import EarlyAnswers

logger = logging.getLogger("hsegap.service")
#: A process that does not answer the supervisor for so long hangs, seconds.
HUNG_S = 10
#: What stopping takes beside the requests that are being finished, seconds.
STOPPING_S = 15.0
#: Prometheus writes the numbers of each process into files that it maps into memory. In memory they belong, for a full
#: disk would end the process that touches such a page.
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_MADE = "hsegap-metrics-"


@dataclass(frozen=True)
class Part:
    """What one kind of process does.

    Attributes:
        listening: Where its clients come from.
        count: How many processes.
        page: Whether the page is served.
        early: Answers until the first of them is ready.
    """

    listening: socket
    count: int
    page: bool
    early: EarlyAnswers


class _ServerProcess(Process):
    """One server process; :meth:`target` runs in it."""

    def __init__(self, config: uvicorn.Config, part: Part, *, access_log: bool) -> None:
        self._page, self._access_log = part.page, access_log
        #: Whether it has ever been ready.
        self.served = False
        super().__init__(config, [part.listening])

    def pong(self) -> None:
        """Tell the supervisor whether this process serves; the server may not be made yet."""
        self.child_conn.recv()
        self.child_conn.send(self._server is not None and self._server.started)

    def target(self, sockets: list[socket] | None = None) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches all; the supervisor passes it on
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to load again
        threading.Thread(target=self.always_pong, daemon=True).start()
        threading.Thread(target=_follow_the_supervisor, daemon=True).start()
        os.environ["HSEGAP_PAGE"] = str(int(self._page))
        self._server = make_server(access_log=self._access_log)
        self._server.run(sockets)
        sys.exit(0 if self._server.started else STARTUP_FAILURE)


def _follow_the_supervisor() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class Supervisor(Multiprocess):
    """Keeps the processes running.

    Args:
        parts: Those of the API first, then the page's.
        ready: Called once, when every process has become ready.
        drain_s: How long a stopping process may work on its requests.
        access_log: Whether each request is logged.
    """

    def __init__(self, parts: list[Part], *, ready: Callable[[], None], drain_s: float, access_log: bool) -> None:
        # Each process makes its application itself; uvicorn wants a name all the same.
        config = uvicorn.Config("none:none", log_config=None, timeout_worker_healthcheck=HUNG_S)
        super().__init__(config, [part.listening for part in parts])
        self._ready, self._drain_s, self._access_log = ready, drain_s, access_log
        self._parts = [part for part in parts for _ in range(part.count)]
        self._announced = False
        self.failed = False

    def init_processes(self) -> None:
        """Start all of them."""
        self.processes = [self._started(part) for part in self._parts]

    def _started(self, part: Part) -> _ServerProcess:
        process = _ServerProcess(self.config, part, access_log=self._access_log)
        process.start()
        return process

    def keep_subprocess_alive(self) -> None:
        """See who is ready, and start anew whoever has ended or hangs."""
        for place, part in enumerate(self._parts):
            process: Any = self.processes[place]
            answer = process._healthcheck(HUNG_S) if process.process.is_alive() else None  # noqa: SLF001 - uvicorn's methods make two calls of it
            if self.should_exit.is_set():
                return
            if answer is None:
                self._replace(place, process)
            elif answer and not process.served:
                process.served = True
                part.early.stop()
        if not self._announced and all(process.served for process in self.processes):  # type: ignore[attr-defined]  # all are ours
            self._announced = True
            self._ready()

    def _replace(self, place: int, process: _ServerProcess) -> None:
        process.kill()
        process.join()
        forget_dead(process.pid)
        if not self._announced and process.exitcode == STARTUP_FAILURE:  # it has said why, and would again
            self.failed = True
            self.should_exit.set()
            return
        logger.error("server process %s ended (status %s); another one is started", process.pid, process.exitcode)
        self.processes[place] = self._started(self._parts[place])

    def join_all(self) -> None:
        """Wait for those that were asked to end, and end those that do not."""
        ends = time.monotonic() + self._drain_s + STOPPING_S
        for process in self.processes:
            process.process.join(max(0.0, ends - time.monotonic()))
            if process.process.is_alive():
                process.process.kill()
                process.process.join()

    def handle_hup(self) -> None:
        """Have each process load the artifact again."""
        for process in self.processes:
            if process.process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)

    def handle_ttin(self) -> None:
        """The number of processes is a setting."""

    def handle_ttou(self) -> None:
        """The number of processes is a setting."""


@contextlib.contextmanager
def shared_metrics() -> Iterator[None]:
    """Let the processes started meanwhile add their metrics up, by Prometheus' own means."""
    room = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    upload_folder.remove_abandoned(_MADE, room=room)
    folder = upload_folder.make(_MADE, room=room)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder.files)
    try:
        yield
    finally:
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
        folder.remove()


def forget_dead(pid: int | None) -> None:
    """Leave what a process that has ended was doing out of the sums; what it has done stays in them."""
    from prometheus_client.multiprocess import mark_process_dead

    if pid is not None and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(pid)
