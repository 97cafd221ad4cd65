"""Generated descriptions are kept between runs.

Each takes seconds, and depends on nothing but the structure and the program.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sqlite3
import threading
import time
import zlib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hsegap.folders import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

#: Libraries whose versions may change the words.
WORDING = ("robocrys", "matminer", "pymatgen", "pymatgen-core", "spglib")
#: Answers kept, bytes; some 50 000 descriptions.
MAX_BYTES = 128 * 2**20
_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers "
    "(key BLOB PRIMARY KEY, answer BLOB NOT NULL, checksum INTEGER NOT NULL, used REAL NOT NULL) WITHOUT ROWID"
)
Answer = TypeVar("Answer")


def default_cache() -> Path:
    """Where descriptions are kept: in the program's cache folder."""
    return cache_folder() / "descriptions-3.sqlite"


@functools.lru_cache(maxsize=1)
def wording() -> str:
    """Changes with everything but the structure that decides the words.

    Versions of the libraries, and our own files.
    """
    digest = hashlib.sha256()
    for name in WORDING:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{name} {metadata.version(name)}\n".encode())
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class DescriptionCache:
    """Answers by what was asked. Any number of processes and threads may share the file.

    A damaged answer counts as none, a damaged file is begun anew, and a cache that cannot be written is done without:
    it saves time, nothing else.

    Args:
        path: The file; None takes :func:`default_cache`. Made when first used.
        max_bytes: Answers kept; the longest unused go first.
    """

    def __init__(self, path: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._usable = True
        self._lock = threading.RLock()
        self._owner = 0

    def key(self, *parts: Any) -> bytes:
        """Name of an answer: changes with the words' origin and every part."""
        return hashlib.sha256(json.dumps([wording(), *parts]).encode()).digest()

    def get(self, key: bytes) -> dict[str, Any] | None:
        """The answer kept under a key, if it is whole."""

        def find(connection: sqlite3.Connection) -> dict[str, Any] | None:
            row = connection.execute("SELECT answer, checksum FROM answers WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            answer = _whole(key, *row)
            if answer is None:
                connection.execute("DELETE FROM answers WHERE key = ?", (key,))
            else:
                connection.execute("UPDATE answers SET used = ? WHERE key = ?", (time.time(), key))
            return answer

        return self._attempt(find)

    def put(self, key: bytes, answer: dict[str, Any]) -> None:
        """Keep an answer; what has not been used for longest makes room."""
        data = json.dumps(answer).encode()
        if len(data) > self._max_bytes // 2:
            return

        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, data, zlib.crc32(key + data), time.time())
            )
            (kept,) = connection.execute("SELECT COALESCE(SUM(LENGTH(answer)), 0) FROM answers").fetchone()
            if kept > self._max_bytes:
                self._make_room(connection, kept)

        self._attempt(keep)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _make_room(self, connection: sqlite3.Connection, kept: int) -> None:
        # A quarter at once, so that a full cache does not pay for each new answer.
        for key, size in connection.execute("SELECT key, LENGTH(answer) FROM answers ORDER BY used").fetchall():
            if kept <= 0.75 * self._max_bytes:
                return
            connection.execute("DELETE FROM answers WHERE key = ?", (key,))
            kept -= size

    def _attempt(self, action: Callable[[sqlite3.Connection], Answer]) -> Answer | None:
        """Do something with the open file; None where there is none, or where it turns out damaged."""
        with self._lock:
            try:
                connection = self._connected()
                return None if connection is None else action(connection)
            except sqlite3.OperationalError:  # busy for too long, read-only, no space: done without from now on
                self._usable = False
            except (sqlite3.Error, OSError):
                self._begin_anew()
        return None

    def _connected(self) -> sqlite3.Connection | None:
        if self._connection is not None and self._owner != os.getpid():
            self._connection = None  # a connection must not be used across a fork; the parent closes its own
        if self._connection is None and self._usable:
            path = self._path or default_cache()
            path.parent.mkdir(parents=True, exist_ok=True)
            # Each statement is its own transaction; a killed run keeps what it paid for.
            connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            connection.execute(_TABLE)
            self._connection, self._owner = connection, os.getpid()
        return self._connection

    def _begin_anew(self) -> None:
        """Put a damaged file out of the way, once.

        Processes that still have it open go on with it, and without harm.
        """
        self._connection = None
        try:
            (self._path or default_cache()).unlink(missing_ok=True)
            self._connected()
        except (sqlite3.Error, OSError):
            self._usable = False


def _whole(key: bytes, data: Any, checksum: Any) -> dict[str, Any] | None:
    if not isinstance(data, bytes) or zlib.crc32(key + data) != checksum:
        return None
    try:
        answer = json.loads(data)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
