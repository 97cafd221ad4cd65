"""One worker process as its parent sees it: asked, waited for, ended."""

from __future__ import annotations

import os
import select
import subprocess
import time
from typing import TYPE_CHECKING, Any

from hsegap.prediction.messages import PREFIX, unpack

if TYPE_CHECKING:
    import threading

    import numpy as np

    from hsegap.prediction.messages import Job
    from hsegap.prediction.worker_start import Begun

#: Longest a worker may take to import what it needs, on a busy machine.
START_DEADLINE_S = {"read": 120.0, "describe": 300.0}
#: Largest answer taken from a worker.
MAX_ANSWER_BYTES = 2**30
#: How long a job goes on for a caller who has gone away, seconds: a new process costs as much as reading many files.
SPARED_S = {"read": 2.0, "describe": 0.0}
#: Read at once: what a pipe holds.
PIPE_BYTES = 2**16
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


def _wait(pipe: Any, event: int, expires_at: float, abandoned: threading.Event | None, spared_until: float) -> None:
    """Wait until a pipe is ready. A caller who goes away before ``spared_until`` changes nothing yet.

    Raises:
        Expired: If ``expires_at`` passes first.
        Abandoned: If the caller goes away first.
    """
    ready = select.poll()  # an epoll selector for one descriptor costs as much as reading a small file
    ready.register(pipe, event)
    while True:
        remaining = max(0.0, expires_at - time.monotonic())
        if ready.poll(1e3 * (remaining if abandoned is None else min(LOOK_S, remaining))):
            return
        if abandoned is not None and abandoned.is_set() and time.monotonic() >= spared_until:
            raise Abandoned
        if time.monotonic() >= expires_at:
            raise Expired


class Worker:
    """One child process. Used by one thread at a time.

    Args:
        begun: The process, as :func:`hsegap.prediction.worker_start.begin` gave it.
    """

    def __init__(self, begun: Begun) -> None:
        self.role = begun.role
        self.ready = False
        self._process, self._words, self._started = begun.process, begun.words, begun.at
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
        self, job: Job, expires_at: float, deadline_s: float, abandoned: threading.Event | None = None
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Send one job and wait for its answer.

        Args:
            job: The job.
            expires_at: Moment to stop waiting, whatever the process does (``time.monotonic``).
            deadline_s: Longest time the job may take. What the process spends on imports does not count: on a slow
                disk that is longer than any structure takes, and the structure is not to blame.
            abandoned: Set when the caller goes away.

        Raises:
            Expired: If it takes too long or the caller goes away; the process must be killed then.
            Died: If the process ends.
        """

        def limit(importing: bool) -> float:
            return min(expires_at, time.monotonic() + (START_DEADLINE_S[self.role] if importing else deadline_s))

        view, spared_until = memoryview(job.frame()), time.monotonic() + SPARED_S[self.role]
        until = limit(importing=True)  # a process that does not take the job is importing yet
        while view:
            try:
                view = view[os.write(self._jobs.fileno(), view) :]
            except BlockingIOError:
                _wait(self._jobs, select.POLLOUT, until, abandoned, spared_until)
            except OSError:
                raise Died from None
        until = limit(importing=False)
        while True:
            answer, arrays = self._receive(until, abandoned, spared_until)
            if "importing" not in answer:
                return answer, arrays
            until = limit(importing=bool(answer["importing"]))

    def _receive(
        self, expires_at: float, abandoned: threading.Event | None, spared_until: float = 0.0
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        def fill(wanted: int) -> None:
            while len(self._buffer) < wanted:
                _wait(self._answers, select.POLLIN, expires_at, abandoned, spared_until)
                try:
                    chunk = os.read(self._answers.fileno(), PIPE_BYTES)
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
