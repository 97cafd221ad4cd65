"""A small object store that speaks S3's protocol, enough for a real client:
list, read (ranges), write, write in parts. In memory.
"""

from __future__ import annotations

import hashlib
import re
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Store(ThreadingHTTPServer):
    """The server; ``objects`` maps ``bucket/key`` to content."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *_: Any) -> None:
        self.server.requests.append(f"{self.command} {self.path}")

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self) -> None:
        self._answer(
            404,
            f"{XML}<Error><Code>NoSuchKey</Code><Message>not here</Message></Error>".encode(),
            Content_Type="application/xml",
        )

    def _where(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).lstrip("/"), query

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            raw = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", "") and "STREAMING" not in self.headers.get(
            "x-amz-content-sha256", ""
        ):
            return raw
        content, rest = b"", raw
        while rest:
            head, _, rest = rest.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if size == 0:
                break
            content, rest = content + rest[:size], rest[size + 2 :]
        return content

    def _headers(self, content: bytes) -> dict[str, str]:
        return {
            "ETag": f'"{hashlib.md5(content).hexdigest()}"',
            "Last_Modified": formatdate(0, usegmt=True),
            "Content_Type": "binary/octet-stream",
        }

    def do_HEAD(self) -> None:
        key, _ = self._where()
        content = self.server.objects.get(key)
        if content is None and "/" not in key.rstrip("/"):
            self._answer(200)  # a bucket
        elif content is None:
            self._missing()
        else:
            self._answer(200, Content_Length=str(len(content)), **self._headers(content))

    def do_GET(self) -> None:
        key, query = self._where()
        if "list-type" in query:
            self._list(key.strip("/"), query)
            return
        content = self.server.objects.get(key)
        if content is None:
            self._missing()
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
            self._answer(
                206,
                content[start : end + 1],
                Content_Range=f"bytes {start}-{end}/{len(content)}",
                **self._headers(content),
            )
        else:
            self._answer(200, content, **self._headers(content))

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        keys, folders = [], set()
        for name in sorted(self.server.objects):
            inside, _, key = name.partition("/")
            if inside != bucket or not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            content = self.server.objects[name]
            tag = hashlib.md5(content).hexdigest()
            keys.append(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>&quot;{tag}&quot;</ETag>"
                "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders)
        )
        head = (
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        )
        self._answer(
            200,
            f"{XML}<ListBucketResult>{head}{''.join(keys)}{common}</ListBucketResult>".encode(),
            Content_Type="application/xml",
        )

    def do_PUT(self) -> None:
        key, query = self._where()
        content = self._body()
        if "uploadId" in query:
            self.server.parts[query["uploadId"]][int(query["partNumber"])] = content
        else:
            self.server.objects[key] = content
        self._answer(200, ETag=f'"{hashlib.md5(content).hexdigest()}"')

    def do_POST(self) -> None:
        key, query = self._where()
        self._body()
        if "uploads" in query:
            name = f"u{len(self.server.parts)}"
            self.server.parts[name] = {}
            inner = f"<Key>{escape(key)}</Key><UploadId>{name}</UploadId>"
            self._answer(200, f"{XML}<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>".encode())
        elif "uploadId" in query:
            parts = self.server.parts.pop(query["uploadId"])
            self.server.objects[key] = b"".join(parts[number] for number in sorted(parts))
            inner = f"<Key>{escape(key)}</Key><ETag>&quot;x&quot;</ETag>"
            self._answer(200, f"{XML}<CompleteMultipartUploadResult>{inner}</CompleteMultipartUploadResult>".encode())
        else:
            self._answer(501)

    def do_DELETE(self) -> None:
        key, query = self._where()
        self.server.parts.pop(query.get("uploadId", ""), None)
        if "uploadId" not in query:
            self.server.objects.pop(key, None)
        self._answer(204)
