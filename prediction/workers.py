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
import selectors
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from hsegap.children import python_path
from hsegap.folders import cache_folder
from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.messages import PREFIX, Refusal, unpack
from hsegap.quiet import QUIET

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from hsegap.prediction.messages import Job

logger = logging.getLogger("hsegap.workers")
Taken = TypeVar("Taken")

#: Longest a worker may take to import what it needs, on a busy machine.
START_DEADLINE_S = {"read": 120.0, "describe": 300.0}
#: Address space of one worker, bytes. Far above what the largest allowed crystal needs.
MEMORY_BYTES = {"read": 4 * 2**30, "describe": 6 * 2**30}
#: Largest answer taken from a worker.
MAX_ANSWER_BYTES = 2**30
#: How long a job goes on for a caller who has gone away, seconds: a new process costs as much as reading many files.
SPARED_S = {"read": 2.0, "describe": 0.0}
#: How often a waiting thread looks whether its caller has gone away, seconds.
LOOK_S = 0.1


class _Died(Exception):  # noqa: N818 - an event inside this file, not an error a caller sees
    """The process ended before it answered."""


class _Expired(Exception):  # noqa: N818 - as above
    """The moment to stop waiting has passed."""


class _Abandoned(_Expired):
    """The caller has gone away."""


def _wait(
    selector: selectors.BaseSelector, expires_at: float, abandoned: threading.Event | None, spared_until: float
) -> None:
    """Wait until a pipe is ready. A caller who goes away before ``spared_until`` changes nothing yet.

    Raises:
        _Expired: If ``expires_at`` passes first.
        _Abandoned: If the caller goes away first.
    """
    while True:
        remaining = max(0.0, expires_at - time.monotonic())
        if selector.select(remaining if abandoned is None else min(LOOK_S, remaining)):
            return
        if abandoned is not None and abandoned.is_set() and time.monotonic() >= spared_until:
            raise _Abandoned
        if time.monotonic() >= expires_at:
            raise _Expired


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
        ]
        quiet = None if logger.isEnabledFor(logging.DEBUG) else subprocess.DEVNULL
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=quiet,
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
            _Expired: If ``expires_at`` passes first or the caller goes away; the process goes on starting.
            _Died: If it ends, or takes longer than any start may.
        """
        if self.ready:
            return
        limit = self._started + START_DEADLINE_S[self.role]
        try:
            self._receive(min(expires_at, limit), abandoned)
        except _Abandoned:
            raise
        except _Expired:
            if time.monotonic() >= limit:
                raise _Died from None
            raise
        self.ready = True

    def ask(
        self, job: Job, expires_at: float, abandoned: threading.Event | None = None
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Send one job and wait for its answer.

        Raises:
            _Expired: If it takes too long or the caller goes away; the process must be killed then.
            _Died: If the process ends.
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
                    raise _Died from None
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
                        raise _Died
                    self._buffer += chunk

            fill(PREFIX.size)
            head_bytes, body_bytes = PREFIX.unpack(self._buffer[: PREFIX.size])
            wanted = PREFIX.size + head_bytes + body_bytes
            if wanted > MAX_ANSWER_BYTES:
                raise _Died
            fill(wanted)
        frame = bytes(self._buffer[PREFIX.size : wanted])
        del self._buffer[:wanted]
        try:
            return unpack(frame[:head_bytes], frame[head_bytes:])
        except (ValueError, KeyError, TypeError):
            raise _Died from None

    def stop(self, *, kill: bool = False) -> int:
        """End the process and tell how it ended (negative: by that signal)."""
        if kill and self.alive:
            self._process.kill()
        for stream in (self._jobs, self._answers):
            stream.close()
        try:
            return self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _no_turn() -> Failure:
    return Failure.make("timeout", "No worker was free in time.", "Try again later, or send fewer crystals at once.")


class WorkerPool:
    """A few lazily started workers of one role, shared by any number of threads.

    Args:
        role: ``read`` or ``describe``.
        size: Most processes.
        deadline_s: Longest one job may take once a worker has it.
        memory_bytes: Address space of a worker; None takes the role's default.
    """

    def __init__(self, role: str, *, size: int, deadline_s: float, memory_bytes: int | None = None) -> None:
        self.role = role
        self.deadline_s = deadline_s
        self._memory = MEMORY_BYTES[role] if memory_bytes is None else memory_bytes
        # Last in, first out: a lone caller keeps one warm process busy and the others are never started.
        self._slots: queue.LifoQueue[list[Worker | None]] = queue.LifoQueue()
        self._all: list[list[Worker | None]] = [[None] for _ in range(size)]
        for slot in self._all:
            self._slots.put(slot)
        # What can wait takes at most all processes but one, so that a crystal asked for alone finds one.
        self._patient = threading.BoundedSemaphore(max(1, size - 1))
        self._closed = threading.Event()
        #: Processes that had to be ended and started anew.
        self.replaced = 0

    def start(self) -> None:
        """Start one process without waiting for it, so that its imports overlap with the caller's own."""
        try:
            slot = self._slots.get_nowait()
        except queue.Empty:
            return
        try:
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
        if worker is None:
            worker = slot[0] = self._spawn()
        try:
            worker.wait_ready(expires_at, abandoned)
            answer, arrays = worker.ask(job, min(expires_at, time.monotonic() + self.deadline_s), abandoned)
        except _Abandoned:
            if worker.ready:  # one that is still starting works for whoever comes next
                self._replace(slot)
            return Failure.make("timeout", "The caller did not wait for the answer.")
        except _Expired:
            if worker.ready:
                self._replace(slot)
                what = "Reading the structure" if self.role == "read" else "Describing the structure"
                return Failure.make("timeout", f"{what} took longer than {self.deadline_s:g} s.")
            return Failure.make("timeout", "The worker process was still starting.", "Try again in a few seconds.")
        except _Died:
            code = self._replace(slot)
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
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
        return Worker(self.role, deadline_s=self.deadline_s, memory_bytes=self._memory)

    def _replace(self, slot: list[Worker | None]) -> int:
        """End a worker and start the next one at once, so that the next job does not wait for its imports."""
        code = self._discard(slot)
        self.replaced += 1
        if not self._closed.is_set():
            slot[0] = self._spawn()
        return code

    def _discard(self, slot: list[Worker | None]) -> int:
        worker, slot[0] = slot[0], None
        return worker.stop(kill=True) if worker is not None else 0

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
