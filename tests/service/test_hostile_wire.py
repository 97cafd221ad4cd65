"""Requests that no HTTP library would send, over a real socket: each ends with its status and with the connection,
and the next client is served.
"""

from __future__ import annotations

import contextlib
import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from support.service_samples import SILICON

BODY = json.dumps({"structure": SILICON, "atoms": False}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
INNER = b"GET /model HTTP/1.1\r\nHost: localhost\r\n\r\n"


def said(url: str, request: bytes, *, rest: bytes = b"") -> bytes:
    """Everything the server answers until it closes the connection."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
        connection.sendall(request + rest)
        answer = b""
        with contextlib.suppress(ConnectionResetError):  # a head of 200 kB is cut off while it is sent
            while chunk := connection.recv(65536):
                answer += chunk
    return answer


@pytest.mark.parametrize(("request_", "status"), [
    (HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + INNER, b"400"),
    (HEAD + b"Content-Length: 4\r\nContent-Length: 400\r\n\r\nabcd" + INNER, b"400"),
    (HEAD + b"Content-Length: -1\r\n\r\n" + INNER, b"400"),
    (HEAD + b"Content-Length: +4\r\n\r\nabcd" + INNER, b"400"),
    (HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER, b"501"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + INNER, b"400"),
    (HEAD + b"Content-Length : 4\r\n\r\nabcd" + INNER, b"400"),
    (b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n" + INNER, b"400"),
    (b"GET /model HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
    (b"GET /model HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"403"),
    (b"GET http://evil.example/model HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", b"403"),
    (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
    (b"GET /model HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", b"400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100, b"400"),
])  # fmt: skip
def test_malformed_requests_end_alone(server_url: str, request_: bytes, status: bytes) -> None:
    answer = said(server_url, request_)
    assert httpx.get(server_url + "/readyz", timeout=60).status_code == 200
    if len(request_) > 200_000 and not answer:
        return
    assert answer.startswith(b"HTTP/1.1 ")
    if answer.split()[1] != status:
        assert (status, answer.split()[1]) == (b"501", b"400")  # either says that it is not understood
    assert answer.count(b"HTTP/1.1 ") == 1  # what hid in the body was not taken for a request
    assert b"Traceback" not in answer


def test_an_upgrade_to_anything_is_not_made(server_url: str) -> None:
    upgrade = (
        b"GET /ui/ HTTP/1.1\r\n"
        b"Host: localhost\r\n"
        b"Connection: close, Upgrade\r\n"
        b"Upgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    assert said(server_url, upgrade).split()[1] in {b"200", b"400", b"403", b"404"}


def test_a_7_mb_body_of_keys_is_answered_by_name_while_others_are_served(server_url: str) -> None:
    body = b"{" + b",".join(b'"k%d":1' % number for number in range(600_000)) + b"}"
    response = httpx.post(
        server_url + "/predict", content=body, headers={"content-type": "application/json"}, timeout=60
    )
    assert response.status_code == 400
    assert "values" in response.json()["error"]["message"]
