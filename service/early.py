"""Answers of a server that is still importing: it listens from its first moment, lives, and is not ready.

Nothing but the standard library is used here, because everything else is what the start waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

#: What a failure named `not_ready` looks like; a test holds it against the class that makes them otherwise.
NOT_READY = {
    "error": {
        "code": "not_ready",
        "message": "The service is starting.",
        "hint": "Try again after the seconds named in the Retry-After header; "
        "/readyz answers 200 when the server is ready.",
    }
}
ALIVE = (b"GET /livez ", b"GET /healthz ")
#: Longest time a client gets, seconds, and most clients at once.
PATIENCE_S = 2.0
MOST = 32


def _message(status: str, body: bytes, media_type: str, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n"
        f"connection: close\r\n{more}\r\n"
    )
    return head.encode() + body


_ALIVE = _message("200 OK", b"\n", "text/plain")
_STARTING = _message(
    "503 Service Unavailable", json.dumps(NOT_READY).encode(), "application/json", "retry-after: 2\r\n"
)


class EarlyAnswers:
    """Answers on a listening socket in a thread of its own until the server takes over.

    Args:
        listening: The socket; it stays open.
    """

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening.dup()
        self._loop = asyncio.new_event_loop()
        self._running = 0
        self._thread = threading.Thread(target=self._run, name="hsegap-early", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; who connects now waits for the server. Comes back when that is so."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._answer, sock=self._socket, backlog=MOST))
        self._loop.run_forever()
        server.close()
        # Who was just being answered gets the answer.
        pending = asyncio.all_tasks(self._loop)
        if pending:
            self._loop.run_until_complete(asyncio.wait(pending, timeout=0.5))
        self._loop.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._running += 1
        try:
            if self._running <= MOST:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
                writer.write(_ALIVE if head.startswith(ALIVE) else _STARTING)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._running -= 1
            with contextlib.suppress(OSError):
                writer.close()
