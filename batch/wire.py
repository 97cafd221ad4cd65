"""Messages between the processes of a run, over sockets.

The frames of :mod:`hsegap.prediction.messages`, without arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.prediction.messages import PREFIX, pack, unpack

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

#: Far above what a batch can hold; a larger number means that the two sides no longer understand each other.
MAX_MESSAGE_BYTES = 2**30


def send(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Send one message; blocks until the other side has taken it.

    Raises:
        OSError: If the other side is gone.
    """
    connection.sendall(pack(message))


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """Wait for one message.

    Returns:
        The message, or None if the other side ended (before or amid a message).
    """
    prefix = _exactly(connection, PREFIX.size)
    if prefix is None:
        return None
    head_bytes, body_bytes = PREFIX.unpack(prefix)
    if head_bytes + body_bytes > MAX_MESSAGE_BYTES:
        return None
    frame = _exactly(connection, head_bytes + body_bytes)
    return None if frame is None else unpack(bytes(frame[:head_bytes]), bytes(frame[head_bytes:]))[0]


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
