"""Connections: how many may be open, how long a head may take to arrive, how long an idle one is kept."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from uvicorn.protocols.http.h11_impl import H11Protocol

from hsegap.prediction.errors import Failure

if TYPE_CHECKING:
    import asyncio

#: Open files that the server itself needs: pipes of worker processes, uploads, logs, the artifact.
SPARE_FILES = 24
FILES_PER_WORKER = 6
#: Raised so far where the system allows it.
ENOUGH_FILES = 16_384
#: How long a client over the bound gets to send its request, so that it can read the refusal, seconds.
REFUSAL_S = 1.0


class Bounds(NamedTuple):
    """How many connections.

    Attributes:
        most: Served at once.
        backlog: Waiting in the system's queue; as many may be taken from it in one go.
    """

    most: int
    backlog: int


def bounds_for(wanted: int, *, workers: int) -> Bounds:
    """The bounds that the open-file limit leaves, which is raised to what the system allows.

    A process at that limit cannot accept, and would be woken again and again by the connection that it cannot take.

    Args:
        wanted: The operator's bound.
        workers: Worker processes.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < ENOUGH_FILES:
        soft = ENOUGH_FILES if hard == resource.RLIM_INFINITY else max(soft, min(hard, ENOUGH_FILES))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    room = soft - len(list(Path("/proc/self/fd").iterdir())) - SPARE_FILES - FILES_PER_WORKER * (workers + 1)
    return Bounds(max(2, min(wanted, room // 2)), max(2, min(1024, room // 4)))


def _whole(status: str, failure: Failure, more: str = "") -> bytes:
    body = json.dumps(failure.model_dump()).encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n{more}\r\n"
    )
    return head.encode() + body


FULL = _whole(
    "503 Service Unavailable",
    Failure.make("overloaded", "The server has as many connections open as it may."),
    "retry-after: 1\r\n",
)
LATE = _whole(
    "408 Request Timeout",
    Failure.make("timeout", "The head of the request did not arrive in time.", "Send the request faster."),
)


def protocol(bounds: Bounds, *, header_timeout_s: float) -> type[H11Protocol]:
    """HTTP/1.1 as uvicorn speaks it, with our bounds.

    Args:
        bounds: How many connections.
        header_timeout_s: Longest time for the head of a request.
    """

    class Connection(H11Protocol):
        """One connection."""

        _timer: asyncio.TimerHandle | None = None
        _over = False

        def connection_made(self, transport: Any) -> None:
            """Take it, if there is room."""
            super().connection_made(transport)
            open_now = len(self.connections)
            if open_now > bounds.most + bounds.backlog:
                self._over = True
                transport.abort()
            elif open_now > bounds.most:
                self._over = True
                self._arm(REFUSAL_S)
            else:
                self._arm(header_timeout_s)

        def connection_lost(self, exc: Exception | None) -> None:
            """It is closed."""
            self._disarm()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """A part of a request has come."""
            if self._over:
                self._close(FULL)
                return
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:
                self._disarm()  # the head is here; the guard has the time limits from now on
            elif self._timer is None:
                self._arm(header_timeout_s)

        def _arm(self, seconds: float) -> None:
            self._timer = self.loop.call_later(seconds, self._late)

        def _disarm(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            self._timer = None
            if self.cycle is None or self.cycle.response_complete:
                self._close(FULL if self._over else LATE)

        def _close(self, answer: bytes) -> None:
            self._disarm()
            if not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.close()

    return Connection
