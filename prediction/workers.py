"""Processes that may be killed: strangers' files are read there, never in the server itself.

A parser can hang on a near-zero cell volume, ask for all memory, or crash in compiled code. Each such job costs its own
answer and one process, which is replaced; nobody else notices.

`hsegap score` has worker processes of another kind around these (:mod:`hsegap.batch.fork_server` says why there are
two, and why neither is a library's): it gives whole crystals away, while a server keeps the network, once, in its own
threads.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.messages import Refusal
from hsegap.prediction.worker_process import LOOK_S, Abandoned, Died, Expired, Worker
from hsegap.prediction.worker_start import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from hsegap.prediction.messages import Job
    from hsegap.prediction.worker_start import Begun

logger = logging.getLogger("hsegap.workers")
Taken = TypeVar("Taken")

#: Starts that may fail one after the other before jobs are refused for a while, and the longest such while, seconds.
FAILED_STARTS = 3
LONGEST_PAUSE_S = 60.0


def _no_turn() -> Failure:
    return Failure.make("timeout", "No worker was free in time.", "Try again later, or send fewer crystals at once.")


def _how(code: int) -> str:
    """How a process ended, in words."""
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


class WorkerPool:
    """A few lazily started workers of one role, shared by any number of threads.

    Args:
        role: ``read`` or ``describe``.
        size: Most processes.
        deadline_s: Longest one job may take once a worker has it; imports that it needs first are not counted.
        memory_bytes: Address space of a worker; None takes the role's default.
        begun: A process of this role that has begun already, with the same deadline and memory.
    """

    def __init__(
        self,
        role: str,
        *,
        size: int,
        deadline_s: float,
        memory_bytes: int | None = None,
        begun: Begun | None = None,
    ) -> None:
        self.role = role
        self.deadline_s = deadline_s
        self._memory = memory_bytes
        # Last in, first out: a lone caller keeps one warm process busy and the others are never started.
        self._slots: queue.LifoQueue[list[Worker | None]] = queue.LifoQueue()
        self._all: list[list[Worker | None]] = [[None] for _ in range(size)]
        if begun is not None:
            self._all[-1][0] = Worker(begun)  # the slot that is taken first
        for slot in self._all:
            self._slots.put(slot)
        # What can wait takes at most all processes but one, so that a crystal asked for alone finds one.
        self._patient = threading.BoundedSemaphore(max(1, size - 1))
        self._closed = threading.Event()
        #: Processes that had to be ended and started anew.
        self.replaced = 0
        # Starts that failed since one succeeded, and the moment until which no more are tried.
        self._failed_starts = 0
        self._paused_until = 0.0

    def start(self) -> None:
        """Start one process without waiting for it, so that its imports overlap with the caller's own."""
        try:
            slot = self._slots.get_nowait()
        except queue.Empty:
            return
        try:
            if time.monotonic() >= self._paused_until:
                slot[0] = slot[0] or self._spawn()
        finally:
            self._slots.put(slot)

    def pids(self) -> list[int]:
        """Process ids of the workers that run now."""
        return [worker.pid for slot in self._all if (worker := slot[0]) is not None and worker.alive]

    @property
    def busy(self) -> int:
        """Jobs under way."""
        return len(self._all) - self._slots.qsize()

    def run(
        self, job: Job, *, expires_at: float, abandoned: threading.Event | None = None, patient: bool = False
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | Failure:
        """Do one job in a worker.

        Args:
            job: What to do.
            expires_at: Moment (``time.monotonic``) after which nobody waits for the answer any more.
            abandoned: Set by a caller who goes away before that: the job ends soon (:data:`SPARED_S`), its process with
                it.
            patient: Whether it can wait: one crystal of many, or one that takes long.

        Returns:
            The answer's header and arrays, or the named error: of the structure, ``timeout``, or ``internal`` if the
            process died.
        """
        if patient and not self._obtained(self._patient.acquire, expires_at, abandoned):
            return _no_turn()
        try:
            slot = self._free_slot(expires_at, abandoned)
            if slot is None:
                return _no_turn()
            try:
                return self._run_in(slot, job, expires_at, abandoned)
            finally:
                self._slots.put(slot)
        finally:
            if patient:
                self._patient.release()

    def _free_slot(self, expires_at: float, abandoned: threading.Event | None) -> list[Worker | None] | None:
        """A slot that is ours until it is put back; None if the wait ends first."""

        def taken(timeout: float) -> list[Worker | None] | None:
            with contextlib.suppress(queue.Empty):
                return self._slots.get(timeout=timeout)
            return None

        return self._obtained(taken, expires_at, abandoned)

    def _obtained(
        self, take: Callable[..., Taken], expires_at: float, abandoned: threading.Event | None
    ) -> Taken | None:
        """Try to take something until it is there; None if the wait ends first."""
        while not (abandoned is not None and abandoned.is_set()):
            remaining = max(0.0, expires_at - time.monotonic())
            if taken := take(timeout=remaining if abandoned is None else min(LOOK_S, remaining)):
                return taken
            if time.monotonic() >= expires_at:
                break
        return None

    def _run_in(self, slot: list[Worker | None], job: Job, expires_at: float, abandoned: threading.Event | None) -> Any:
        if self._closed.is_set():
            return Failure.make("not_ready", "The server is shutting down.")
        worker = slot[0]
        if worker is not None and not worker.alive:  # it died between two jobs, so no job is to blame
            self._discard(slot)
            worker = None
        if worker is None and time.monotonic() < self._paused_until:
            return self._cannot_start()
        if worker is None:
            worker = slot[0] = self._spawn()
        try:
            worker.wait_ready(expires_at, abandoned)
            self._failed_starts = 0
            answer, arrays = worker.ask(job, expires_at, self.deadline_s, abandoned)
        except Abandoned:
            if worker.ready:  # one that is still starting works for whoever comes next
                self._replace(slot)
            return Failure.make("timeout", "The caller did not wait for the answer.")
        except Expired:
            if worker.ready:
                self._replace(slot)
                what = "Reading the structure" if self.role == "read" else "Describing the structure"
                return Failure.make("timeout", f"{what} took longer than {self.deadline_s:g} s.")
            return Failure.make("timeout", "The worker process was still starting.", "Try again in a few seconds.")
        except Died:
            if not worker.ready:
                return self._failed_to_start(slot, worker)
            code = self._replace(slot, kill=False)
            how = _how(code)
            logger.error("a %s worker ended: %s", self.role, how)  # noqa: TRY400 - the traceback here is of no interest
            return Failure.make("internal", f"The process working on this structure ended unexpectedly ({how}).")
        except BaseException:
            self._replace(slot)  # half an answer may be in the pipe
            raise
        refusal = Refusal.of(answer)
        if refusal is None:
            return answer, arrays
        if refusal.unfit:
            self._replace(slot)
        if refusal.code == "internal":
            return internal_error(refusal.traceback, f"a {self.role} worker")
        return Failure.make(refusal.code, refusal.message, refusal.hint)

    def _spawn(self) -> Worker:
        return Worker(begin(self.role, deadline_s=self.deadline_s, memory_bytes=self._memory))

    def _failed_to_start(self, slot: list[Worker | None], worker: Worker) -> Failure:
        """Give a worker up that ended before it could work: what it cannot import, the next one cannot either."""
        words = worker.words()
        how = _how(self._discard(slot, kill=False))
        self._failed_starts += 1
        # Killed from outside, the next one may do; after a few it is no accident.
        beyond = self._failed_starts - FAILED_STARTS
        if beyond >= 0:
            self._paused_until = time.monotonic() + min(LONGEST_PAUSE_S, 2.0**beyond)
        logger.error("a %s worker could not start: %s%s", self.role, how, f"\n{words}" if words else "")
        return self._cannot_start(how)

    def _cannot_start(self, how: str = "") -> Failure:
        reason = f" ({how})" if how else ""
        message = f"The process that works on structures could not start{reason}."
        return Failure.make("internal", message, "The server's log says why; its installation may be incomplete.")

    def _replace(self, slot: list[Worker | None], *, kill: bool = True) -> int:
        """End a worker and start the next one at once, so that the next job does not wait for its imports."""
        code = self._discard(slot, kill=kill)
        self.replaced += 1
        if not self._closed.is_set():
            slot[0] = self._spawn()
        return code

    def _discard(self, slot: list[Worker | None], *, kill: bool = True) -> int:
        worker, slot[0] = slot[0], None
        return worker.stop(kill=kill) if worker is not None else 0

    def close(self) -> None:
        """End all processes; a job still running is lost."""
        self._closed.set()
        for slot in self._all:
            worker = slot[0]
            if worker is not None and worker.alive:
                os.kill(worker.pid, signal.SIGKILL)
        for _ in self._all:
            try:
                slot = self._slots.get(timeout=2)
            except queue.Empty:
                return
            self._discard(slot)

    def __repr__(self) -> str:
        return f"WorkerPool({json.dumps(self.role)}, size={len(self._all)}, deadline_s={self.deadline_s:g})"
