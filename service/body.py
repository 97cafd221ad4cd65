"""Reading a request's body: whole, under a deadline of its own, within the bytes that the server holds at once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import Failure
from hsegap.service.json_limits import StructureCount

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from hsegap.service.answers import Outgoing

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]

#: Status of a body that is too slow. The code is `timeout`; 504 would blame the server.
TOO_SLOW = 408
#: How long the rest of a refused body is taken and thrown away, seconds.
DISCARD_S = 2.0


class BodyError(Exception):
    """A body that is not taken; carries the named failure and, where it differs from the code's own, the status."""

    def __init__(self, failure: Failure, *, status: int | None = None) -> None:
        super().__init__(failure.error.message)
        self.failure = failure
        self.status = status


class ClientGoneError(Exception):
    """The client has closed the connection."""


class Pending:
    """Bytes of all bodies held now.

    Args:
        limit: Most of them.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0


def too_slow(seconds: float) -> BodyError:
    """A body that has not arrived in time."""
    failure = Failure.make(
        "timeout", f"The body did not arrive within {seconds:g} s.", "Send the request faster, or in smaller parts."
    )
    return BodyError(failure, status=TOO_SLOW)


async def read_json(receive: Receive, *, limit: int, deadline_s: float, pending: Pending, max_values: int) -> bytes:
    """Read a JSON body. The caller gives its bytes back to ``pending`` when it is done with them.

    Args:
        receive: Where it comes from.
        limit: Most bytes.
        deadline_s: Longest time.
        pending: What the server holds.
        max_values: Most values in it.

    Raises:
        BodyError: If it is too large, too slow, too rich in structure, or too much for the server now.
        ClientGoneError: If the client goes away.
    """
    reading = _Reading(limit, pending, StructureCount(max_values=max_values))
    try:
        async with asyncio.timeout(deadline_s):
            while reading.takes(await receive()):
                pass
    except TimeoutError:
        reading.give_back()
        raise too_slow(deadline_s) from None
    except BodyError:
        reading.give_back()
        await discard(receive, most=limit)
        raise
    except BaseException:
        reading.give_back()
        raise
    return bytes(reading.body)


async def discard(receive: Receive, *, most: int) -> None:
    """Take what a client still sends and throw it away, for a moment.

    One that is cut off while it sends never reads the answer.

    Args:
        receive: Where it comes from.
        most: Bytes.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_S):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


class _Reading:
    """A body on its way in."""

    def __init__(self, limit: int, pending: Pending, count: StructureCount) -> None:
        self.body = bytearray()
        self._limit = limit
        self._pending = pending
        self._count = count

    def takes(self, message: Message) -> bool:
        """Add the next part; tells whether more is to come."""
        if message["type"] != "http.request":
            raise ClientGoneError
        chunk = message.get("body", b"")
        self.body += chunk
        self._pending.held += len(chunk)
        if len(self.body) > self._limit:
            raise BodyError(Failure.make("payload_too_large", f"The body has more than {self._limit} bytes."))
        if self._pending.held > self._pending.limit:
            raise BodyError(Failure.make("overloaded", "The server holds as many bytes of requests as it may."))
        if failure := self._count.feed(chunk):
            raise BodyError(failure)
        return bool(message.get("more_body", False))

    def give_back(self) -> None:
        """Its bytes are held no longer."""
        self._pending.held -= len(self.body)


class Replayed:
    """``receive`` for an application that gets a body already read; then it waits for the client to go away."""

    def __init__(self, body: bytes, gone: asyncio.Event) -> None:
        self._body: bytes | None = body
        self._gone = gone

    async def __call__(self) -> Message:
        """The body once, then the end of the connection."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}


class Streamed:
    """``receive`` that counts the body's bytes and its time, for bodies that are not held.

    Uploads, and routes that want none.
    """

    def __init__(self, receive: Receive, outgoing: Outgoing, *, limit: int, deadline_s: float) -> None:
        self._receive = receive
        self._outgoing = outgoing
        self._limit = limit
        self._seconds = deadline_s
        self._ends = asyncio.get_running_loop().time() + deadline_s
        self._seen = 0
        self._whole = self._broken = False

    async def __call__(self) -> Message:
        """The next part, or the end of the connection where the body is refused."""
        if self._broken:
            return {"type": "http.disconnect"}
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._ends):
                message = await self._receive()
        except TimeoutError:
            return await self._refuse(too_slow(self._seconds))
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._seen > self._limit:
                return await self._refuse(
                    BodyError(Failure.make("payload_too_large", f"The body has more than {self._limit} bytes."))
                )
        return message

    async def _refuse(self, error: BodyError) -> Message:
        """Answered here and now: whatever the application makes of the broken-off body no longer goes out."""
        self._broken = True
        await self._outgoing.fail(error.failure, status=error.status, headers=[(b"connection", b"close")])
        return {"type": "http.disconnect"}
