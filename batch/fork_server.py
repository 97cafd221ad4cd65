"""Worker processes of a run, forked from one process that has the artifact loaded.

Not the server's worker processes (:mod:`hsegap.prediction.workers`), although both may be killed: those only read,
because a server keeps one copy of the network and answers callers who may go away. Here a worker does a whole crystal,
so that the run's own process, which reads the inputs and writes the rows, spends 0.1 ms on it instead of 11 ms; the
network's pages are shared by the fork; a worker that dies takes nothing but its batch along; and each reads through
such a reading process of its own. `python benchmarks/workers.py` compares them, and pebble's pool, which costs the same
processor time (14 ms a crystal in all of them) but sends answers as pickles: what has read a stranger's file could then
run code in the process that asked. After a kill it loads the network anew, which a fork need not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from hsegap.batch import wire
from hsegap.batch.problems import ScoringError
from hsegap.children import ONE_THREAD, python_path
from hsegap.quiet import QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Longest the artifact may take to load, on a busy machine.
START_DEADLINE_S = 300.0


class Link:
    """One worker, seen from the run: a process id and the connection that batches and answers travel on."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.connection = connection

    def fileno(self) -> int:
        """For selectors."""
        return self.connection.fileno()


class ForkServer:
    """Forks workers; starts its process when the first one is asked for, and again should it have died.

    Args:
        setup: What :func:`hsegap.batch.fork_server_main.open_predictor` takes.
    """

    #: What the process runs.
    module = "hsegap.batch.fork_server_main"

    def __init__(self, setup: Mapping[str, Any]) -> None:
        self._setup = dict(setup)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def fork(self) -> Link:
        """A new worker.

        Raises:
            ScoringError: If none can be made, with the reason.
        """
        for last in (False, True):
            control = self._control or self._start()
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(control, [b"f"], [theirs.fileno()])
                reply = wire.receive(control)
            except OSError:
                reply = None
            if reply is not None:
                return Link(reply["pid"], ours)
            ours.close()
            self._abandon()
            if last:
                break
        message = "The worker processes cannot be started: the process they are made from ended."
        raise ScoringError(
            "workers", message, "Check the memory of the machine; its log names processes that it ended."
        )

    def how_it_ended(self, pid: int) -> str:
        """Why a worker is gone: the name of a signal or an exit status. Kills it first, in case it still runs."""
        reply = None
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        if self._control is not None:
            try:
                self._control.sendall(b"w")
                wire.send(self._control, {"pid": pid})
                reply = wire.receive(self._control)
            except OSError:
                reply = None
        if reply is None:
            return "ended"
        code = reply["code"]
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def close(self) -> None:
        """End the process; workers end when their connections close."""
        self._abandon()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        # A fork would lose a pool's threads.
        fixed = {**ONE_THREAD, "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": python_path()}
        environment = {**QUIET, **os.environ, **fixed}
        with theirs:
            self._process = subprocess.Popen(
                # -P: the working directory must not be able to put a module in front of ours.
                [sys.executable, "-P", "-m", self.module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,
            )
        self._control = ours
        ours.settimeout(START_DEADLINE_S)
        try:
            wire.send(ours, self._setup)
            reply = wire.receive(ours)
        except OSError:
            reply = None
        ours.settimeout(None)
        if reply is None or "error" in reply:
            self._abandon()
            said, hint = (reply or {}).get("error", ("the process that loads the model ended before it was ready", ""))
            raise ScoringError(
                "workers", f"The model could not be loaded: {said}.", hint or "Run `hsegap verify` on the artifact."
            )
        return ours

    def _abandon(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
