"""Encoded texts on disk: training encodes each description once and for all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    import numpy as np

#: Vectors collected before they are written; what a killed run loses at most.
SHARD_SIZE = 64


def vector_key(encoder_hash: str, text: str, *, pooled: bool) -> str:
    """Name of a text's vectors: changes with the encoder's content, the normalised text and what is kept of it."""
    kind = "pooled" if pooled else "tokens"
    return hashlib.sha256(f"{encoder_hash}\0{kind}\0{text}".encode()).hexdigest()


class VectorCache:
    """A folder of safetensors files ("shards"), each written whole or not at all.

    Several processes may write to one folder at once: each shard has a name of its own, and a vector that two of them
    computed stands twice. A shard that cannot be read (a full disk, a copy cut short) is passed over, so that its
    texts are encoded again. May be used from several threads.

    Use it as a context manager, or call :meth:`flush` at the end.
    """

    def __init__(self, path: Path | str, *, shard_size: int = SHARD_SIZE) -> None:
        self._path = Path(path)
        self._shard_size = shard_size
        self._pending: dict[str, np.ndarray] = {}
        self._shard_of: dict[str, Path] = {}
        self._loaded: tuple[Path, dict[str, np.ndarray]] | None = None
        self._lock = threading.RLock()
        self.unreadable: list[Path] = []
        self._index()

    def __len__(self) -> int:
        return len(self._shard_of) + len(self._pending)

    def __contains__(self, key: str) -> bool:
        return key in self._pending or key in self._shard_of

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def get(self, key: str) -> np.ndarray | None:
        """The vectors stored under ``key`` (the caller's own copy), or None."""
        with self._lock:
            if key in self._pending:
                return self._pending[key].copy()
            shard = self._shard_of.get(key)
            if shard is None:
                return None
            try:
                return self._shard(shard)[key].copy()
            except Exception:  # deleted or damaged since it was indexed: as good as absent
                self._forget(shard)
                return None

    def put(self, key: str, vectors: np.ndarray) -> None:
        """Store vectors; they reach the disk with the next full shard or :meth:`flush`."""
        with self._lock:
            if key in self:
                return
            self._pending[key] = vectors.copy()
            if len(self._pending) >= self._shard_size:
                self.flush()

    def flush(self) -> None:
        """Write what is pending as one shard: to a temporary name first, then renamed."""
        from safetensors.numpy import save

        with self._lock:
            if not self._pending:
                return
            self._path.mkdir(parents=True, exist_ok=True)
            shard = self._path / f"{uuid.uuid4().hex}.safetensors"
            temporary = shard.with_suffix(".tmp")
            try:
                with temporary.open("wb") as stream:
                    stream.write(save(self._pending))
                    stream.flush()
                    os.fsync(stream.fileno())
                temporary.replace(shard)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
            self._shard_of.update(dict.fromkeys(self._pending, shard))
            self._pending = {}

    def _index(self) -> None:
        from safetensors import safe_open

        for shard in sorted(self._path.glob("*.safetensors")):
            try:
                with safe_open(shard, framework="numpy") as stream:  # reads the header only
                    self._shard_of.update(dict.fromkeys(stream.keys(), shard))
            except Exception:  # safetensors raises its own error for a cut file; any other is as little use
                self.unreadable.append(shard)

    def _shard(self, path: Path) -> dict[str, np.ndarray]:
        # Vectors are asked for in about the order they were written, so one shard in memory is enough.
        from safetensors.numpy import load_file

        if self._loaded is None or self._loaded[0] != path:
            self._loaded = (path, load_file(path))
        return self._loaded[1]

    def _forget(self, shard: Path) -> None:
        self.unreadable.append(shard)
        self._shard_of = {key: path for key, path in self._shard_of.items() if path != shard}
