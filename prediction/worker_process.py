"""One worker process as its parent sees it: started, asked, waited for, ended."""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from hsegap.children import python_path
from hsegap.folders import cache_folder
from hsegap.prediction.messages import PREFIX, unpack
from hsegap.quiet import QUIET

if TYPE_CHECKING:
    import threading

    import numpy as np

    from hsegap.prediction.messages import Job

logger = logging.getLogger("hsegap.workers")

#: Longest a worker may take to import what it needs, on a busy machine.
START_DEADLINE_S = {"read": 120.0, "describe": 300.0}
#: Largest answer taken from a worker.
MAX_ANSWER_BYTES = 2**30
#: How long a job goes on for a caller who has gone away, seconds: a new process costs as much as reading many files.
SPARED_S = {"read": 2.0, "describe": 0.0}
#: How often a waiting thread looks whether its caller has gone away, seconds.
LOOK_S = 0.1


#: What is kept of a worker's words before it was ready: the end of a traceback.
MOST_WORDS = 2_000


class Died(Exception):  # noqa: N818 - an event between this file and the pool, not an error a caller sees
    """The process ended before it answered."""


class Expired(Exception):  # noqa: N818 - as above
    """The moment to stop waiting has passed."""


class Abandoned(Expired):
    """The caller has gone away."""


def _wait(
    selector: selectors.BaseSelector, expires_at: float, abandoned: threading.Event | None, spared_until: float
) -> None:
    """Wait until a pipe is ready. A caller who goes away before ``spared_until`` changes nothing yet.

    Raises:
        Expired: If ``expires_at`` passes first.
        Abandoned: If the caller goes away first.
    """
    while True:
        remaining = max(0.0, expires_at - time.monotonic())
        if selector.select(remaining if abandoned is None else min(LOOK_S, remaining)):
            return
        if abandoned is not None and abandoned.is_set() and time.monotonic() >= spared_until:
            raise Abandoned
        if time.monotonic() >= expires_at:
            raise Expired


class Worker:
    """One child process. Used by one thread at a time."""

    def __init__(self, role: str, *, deadline_s: float, memory_bytes: int) -> None:
        # A library that wants a folder for its settings and caches gets one of ours.
        environment = {**QUIET, "MPLCONFIGDIR": str(cache_folder() / "matplotlib"), **os.environ}
        environment.pop("HSEGAP_TOKEN", None)
        environment.update(
            # One thread each, and the same wording on every run: robocrys's text depends on the hash seed.
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
            MKL_NUM_THREADS="1",
            OMP_WAIT_POLICY="PASSIVE",
            PYTHONHASHSEED="0",
            MPLBACKEND="Agg",
            PYTHONPATH=python_path(),
        )
        # -P: the working directory must not be able to put a module in front of ours.
        command = [
            sys.executable,
            "-P",
            "-m",
            "hsegap.prediction.worker_main",
            role,
            str(memory_bytes),
            str(deadline_s + 5),
            "loud" if logger.isEnabledFor(logging.DEBUG) else "quiet",
        ]
        # What it says until it is ready is kept, for one that never gets so far; then it says it to nobody.
        self._words = None if logger.isEnabledFor(logging.DEBUG) else os.memfd_create("hsegap-worker")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env=environment,
            start_new_session=True,
        )
        self.role = role
        self.ready = False
        self._started = time.monotonic()
        self._buffer = bytearray()
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._jobs, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._jobs.fileno(), False)
        os.set_blocking(self._answers.fileno(), False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def wait_ready(self, expires_at: float, abandoned: threading.Event | None = None) -> None:
        """Wait until the imports are done.

        Raises:
            Expired: If ``expires_at`` passes first or the caller goes away; the process goes on starting.
            Died: If it ends, or takes longer than any start may.
        """
        if self.ready:
            return
        limit = self._started + START_DEADLINE_S[self.role]
        try:
            self._receive(min(expires_at, limit), abandoned)
        except Abandoned:
            raise
        except Expired:
            if time.monotonic() >= limit:
                raise Died from None
            raise
        self.ready = True

    def ask(
        self, job: Job, expires_at: float, abandoned: threading.Event | None = None
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Send one job and wait for its answer.

        Raises:
            Expired: If it takes too long or the caller goes away; the process must be killed then.
            Died: If the process ends.
        """
        view, spared_until = memoryview(job.frame()), time.monotonic() + SPARED_S[self.role]
        with selectors.DefaultSelector() as selector:
            selector.register(self._jobs, selectors.EVENT_WRITE)
            while view:
                _wait(selector, expires_at, abandoned, spared_until)
                try:
                    view = view[os.write(self._jobs.fileno(), view) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise Died from None
        return self._receive(expires_at, abandoned, spared_until)

    def _receive(
        self, expires_at: float, abandoned: threading.Event | None, spared_until: float = 0.0
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)

            def fill(wanted: int) -> None:
                while len(self._buffer) < wanted:
                    _wait(selector, expires_at, abandoned, spared_until)
                    try:
                        chunk = os.read(self._answers.fileno(), 2**20)
                    except BlockingIOError:
                        continue
                    if not chunk:
                        raise Died
                    self._buffer += chunk

            fill(PREFIX.size)
            head_bytes, body_bytes = PREFIX.unpack(self._buffer[: PREFIX.size])
            wanted = PREFIX.size + head_bytes + body_bytes
            if wanted > MAX_ANSWER_BYTES:
                raise Died
            fill(wanted)
        frame = bytes(self._buffer[PREFIX.size : wanted])
        del self._buffer[:wanted]
        try:
            return unpack(frame[:head_bytes], frame[head_bytes:])
        except (ValueError, KeyError, TypeError):
            raise Died from None

    def words(self) -> str:
        """The end of what it said before it was ready."""
        if self._words is None:
            return ""
        size = os.fstat(self._words).st_size
        return os.pread(self._words, MOST_WORDS, max(0, size - MOST_WORDS)).decode("utf-8", errors="replace").strip()

    def stop(self, *, kill: bool = False) -> int:
        """End the process and tell how it ended (negative: by that signal).

        Args:
            kill: At once; else it gets two seconds to end by itself, since its input ends.
        """
        if kill and self.alive:
            self._process.kill()
        for stream in (self._jobs, self._answers):
            stream.close()
        if self._words is not None:
            os.close(self._words)
            self._words = None
        try:
            return self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
