"""Generated descriptions are kept between runs: each takes seconds, and depends on nothing but the structure and the program."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import Failure
from service.workers import WorkerPool

if TYPE_CHECKING:
    import threading

    import numpy as np

#: Libraries whose versions may change the words.
WORDING = ("robocrys", "matminer", "pymatgen", "pymatgen-core", "spglib")


def default_cache() -> Path:
    """Where descriptions are kept: ``$XDG_CACHE_HOME/hsegap``, else ``~/.cache/hsegap``."""
    named = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(named) if named else Path("~/.cache").expanduser()) / "hsegap" / "descriptions.sqlite"


def wording() -> str:
    """Changes with everything but the structure that decides the words: versions of the libraries, and our own files."""
    digest = hashlib.sha256()
    for name in WORDING:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{name} {metadata.version(name)}\n".encode())
    for path in sorted((Path(__file__).resolve().parents[1] / "structures").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class RememberingDescribers(WorkerPool):
    """The describing processes, asked only for what no earlier run has described.

    Any number of processes may share the file. A cache that cannot be used is done without: it saves time, nothing else.

    Args:
        cache: The file; None takes :func:`default_cache`.
        options: Of :class:`~service.workers.WorkerPool`.
    """

    def __init__(self, *, cache: Path | None = None, **options: Any) -> None:
        super().__init__("describe", **options)
        self._path = cache
        self._wording = ""
        self._connection: sqlite3.Connection | None = None
        self._usable = True

    def run(
        self, job: dict[str, Any], *, expires_at: float, abandoned: threading.Event | None = None
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | Failure:
        """Describe, or remember what was said about the same structure before."""
        key = self._key(job)
        known = self._find(key)
        if known is not None:
            return known, {}
        answer = super().run(job, expires_at=expires_at, abandoned=abandoned)
        if not isinstance(answer, Failure):
            self._keep(key, answer[0])
        return answer

    def _key(self, job: dict[str, Any]) -> bytes:
        # Not before the first description is asked for, and not in the process that workers are forked from.
        self._wording = self._wording or wording()
        return hashlib.sha256(json.dumps([self._wording, job["structure"], job["format"], job["max_atoms"]]).encode()).digest()

    def _find(self, key: bytes) -> dict[str, Any] | None:
        with self._cache() as connection:
            if connection is not None:
                row = connection.execute("SELECT answer FROM descriptions WHERE key = ?", (key,)).fetchone()
                return None if row is None else json.loads(row[0])
        return None

    def _keep(self, key: bytes, answer: dict[str, Any]) -> None:
        with self._cache() as connection:
            if connection is not None:
                connection.execute("INSERT OR REPLACE INTO descriptions VALUES (?, ?)", (key, json.dumps(answer)))

    @contextlib.contextmanager
    def _cache(self) -> Any:
        """The open cache, or None; what goes wrong inside the block means that there is none from then on."""
        try:
            if self._connection is None and self._usable:
                path = self._path or default_cache()
                path.parent.mkdir(parents=True, exist_ok=True)
                # Each statement is its own transaction; a killed run keeps what it paid for.
                self._connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
                self._connection.execute("CREATE TABLE IF NOT EXISTS descriptions (key BLOB PRIMARY KEY, answer TEXT) WITHOUT ROWID")
            yield self._connection
        except (sqlite3.Error, OSError, ValueError):
            self._connection, self._usable = None, False
