"""Messages between the processes of a run: one JSON value each, its length in front. No pickle, as everywhere on the serving side."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

_LENGTH = struct.Struct("<Q")
#: Far above what a batch can hold; a larger number means that the two sides no longer understand each other.
MAX_MESSAGE_BYTES = 2**30


def send(connection: socket.socket, value: Any) -> None:
    """Send one message; blocks until the other side has taken it.

    Raises:
        OSError: If the other side is gone.
    """
    body = json.dumps(value, separators=(",", ":")).encode()
    connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> Any:
    """Wait for one message.

    Returns:
        The value, or None if the other side ended (before or amid a message).
    """
    head = _exactly(connection, _LENGTH.size)
    if head is None:
        return None
    (size,) = _LENGTH.unpack(head)
    if size > MAX_MESSAGE_BYTES:
        return None
    body = _exactly(connection, size)
    return None if body is None else json.loads(body)


def _exactly(connection: socket.socket, count: int) -> bytearray | None:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        try:
            got = connection.recv_into(view)
        except OSError:
            return None
        if not got:
            return None
        view = view[got:]
    return data
