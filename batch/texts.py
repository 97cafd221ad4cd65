"""Each distinct text is encoded once: vectors in memory that all workers of a run share.

A direct-mapped table in anonymous shared memory, made before the workers are forked. There is no lock that a killed
worker could leave
locked: a checksum tells a slot that two workers wrote at the same moment, or that one of them did not finish, and such
    a slot counts as
empty.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hsegap.prediction.loaded import Loaded
from hsegap.prediction.predictor import Predictor

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.nearest import Known
    from hsegap.text import TextEncoder

#: Memory for vectors of texts, bytes; 40 000 texts at a width of 384. Pages are taken as they are first written.
TABLE_BYTES = 64 * 2**20
_HEAD = struct.Struct("<16sBI")  # key, flags, checksum of all else


class VectorTable:
    """Pooled vectors of texts, by text.

    Args:
        width: Numbers in a vector.
        size_bytes: Memory of the table.
    """

    def __init__(self, width: int, *, size_bytes: int = TABLE_BYTES) -> None:
        self._width = width
        self._slot = _HEAD.size + 4 * width
        self._slots = max(1, size_bytes // self._slot)
        self._memory = mmap.mmap(-1, self._slots * self._slot)

    def get(self, text: str) -> tuple[np.ndarray, bool] | None:
        """The vector ``[1, width]`` of a text and whether the text was cut; None if it is not there."""
        key, start = self._place(text)
        raw = self._memory[start : start + self._slot]
        found, truncated, checksum = _HEAD.unpack_from(raw)
        body = raw[_HEAD.size :]
        if found != key or checksum != _checksum(key, truncated, body):
            return None
        return np.frombuffer(body, dtype=np.float32).reshape(1, self._width), bool(truncated)

    def put(self, text: str, vector: np.ndarray, *, truncated: bool) -> None:
        """Keep the vector of a text, in place of whatever stood in its slot."""
        key, start = self._place(text)
        body = np.ascontiguousarray(vector, dtype=np.float32).reshape(self._width).tobytes()
        flags = int(truncated)
        self._memory[start : start + self._slot] = _HEAD.pack(key, flags, _checksum(key, flags, body)) + body

    def _place(self, text: str) -> tuple[bytes, int]:
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return key, int.from_bytes(key[:8], "little") % self._slots * self._slot


def _checksum(key: bytes, flags: int, body: bytes) -> int:
    # Never 0, so that a page never written is no entry.
    return zlib.crc32(body, zlib.crc32(bytes([flags]), zlib.crc32(key))) or 1


class RememberingEncoder:
    """The text encoder with a memory for pooled vectors, for networks that read nothing else of a text.

    Args:
        encoder: The encoder itself.
        vectors: The memory.
    """

    def __init__(self, encoder: TextEncoder, vectors: VectorTable) -> None:
        self._encoder = encoder
        self._vectors = vectors

    def encode(self, text: str) -> np.ndarray:
        """Hidden states ``[tokens, width]``, or the pooled vector alone, ``[1, width]``, of a text met before."""
        known = self._vectors.get(text)
        if known is not None:
            return known[0]
        tokens = self._encoder.encode(text)
        self._vectors.put(text, tokens[0], truncated=self._encoder.truncated(text))
        return tokens

    def truncated(self, text: str) -> bool:
        """Whether the end of the text is cut."""
        known = self._vectors.get(text)
        return self._encoder.truncated(text) if known is None else known[1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


class SharedTexts(Loaded):
    """Network and encoder with a memory for texts that outlives a batch and is shared between processes.

    Args:
        artifact: A checked artifact.
        threads: Crystals and texts computed at the same time.
        neighbours: Whether the nearest training crystals are wanted.
    """

    def __init__(self, artifact: Artifact, *, threads: int = 1, neighbours: bool = True) -> None:
        super().__init__(artifact, threads=threads)
        self._neighbours = neighbours
        self.vectors = VectorTable(artifact.manifest.text_encoder.width)

    def encoder(self) -> TextEncoder:
        """The text encoder, loaded once."""
        encoder = super().encoder()
        # A network that reads every token would need the whole hidden states: too large to keep, so each text is
        # encoded again.
        if self.network().reads_all_tokens:
            return encoder
        return cast("TextEncoder", RememberingEncoder(encoder, self.vectors))

    def known(self) -> Known | None:
        """The table of training crystals, loaded once; None where no neighbours are wanted."""
        return super().known() if self._neighbours else None


class ScoringPredictor(Predictor):
    """The predictor with memories for texts, shared between processes, and for descriptions, kept between runs.

    Args:
        artifact: A checked artifact.
        threads: Crystals and texts computed at the same time.
        neighbours: Whether the nearest training crystals are wanted; rows without a column for them are a tenth
            cheaper.
        options: As for :class:`hsegap.prediction.predictor.Predictor`.
    """

    def __init__(self, artifact: Artifact, *, threads: int = 1, neighbours: bool = True, **options: Any) -> None:
        loaded = SharedTexts(artifact, threads=threads, neighbours=neighbours)
        super().__init__(artifact, **{"remember_descriptions": True, **options}, loaded=loaded)
