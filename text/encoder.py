"""The exported text encoder: a description becomes one vector per token. ONNX Runtime and tokenizers only, no torch."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.text.cache import vector_key
from hsegap.text.errors import TextEncoderError
from hsegap.text.normalise import normalise, read_table
from hsegap.text.settings import MODEL_FILE, TOKENIZER_FILE, TextEncoderSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

    from hsegap.text.cache import VectorCache

#: Memory for the hidden states of recent texts; a text of 256 tokens and 384 numbers takes 0.4 MB.
DEFAULT_CACHE_BYTES = 64 * 2**20


class TextEncoder:
    """A frozen text encoder that encodes one text at a time, so that a batch cannot differ from its singles.

    Build it with :meth:`load`. All methods may be called from several threads at once.
    """

    def __init__(
        self,
        *,
        session: InferenceSession,
        tokenizer: Tokenizer,
        settings: TextEncoderSettings,
        content_hash: str,
        table: Mapping[str, str] | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self.settings = settings
        self.content_hash = content_hash
        self._session = session
        self._input_names = {node.name for node in session.get_inputs()}
        self._tokenizer = tokenizer
        # Spelling and splitting a long text take milliseconds, and a text seldom comes once.
        self._spelled = lru_cache(maxsize=64)(self.normalise)
        self._overflows = lru_cache(maxsize=64)(lambda text: bool(tokenizer.encode(self._spelled(text)).overflowing))
        self._table = table
        self._recent = _RecentTexts(cache_bytes)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        settings: TextEncoderSettings | Mapping[str, Any] | None = None,
        intra_op_num_threads: int = 1,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> TextEncoder:
        """Load an exported encoder.

        Args:
            folder: Holds ``text_encoder.onnx`` and ``tokenizer.json``; an encoder's own folder or an artifact.
            settings: What the manifest says under ``text_encoder``; None reads ``text_encoder.json`` in the folder.
            intra_op_num_threads: Threads of one pass. One is fastest where several requests run side by side.
            cache_bytes: Bound of the memory for recent texts; 0 keeps none.

        Returns:
            The encoder, ready to use.

        Raises:
            TextEncoderError: If a file is missing or broken, or the files and the settings do not fit together.
        """
        from tokenizers import Tokenizer

        folder = Path(folder)
        if settings is None:
            settings = TextEncoderSettings.read(folder)
        elif not isinstance(settings, TextEncoderSettings):
            settings = TextEncoderSettings.from_manifest(settings)
        model_bytes = _read(folder / MODEL_FILE)
        tokenizer_bytes = _read(folder / TOKENIZER_FILE)
        table_bytes = b""
        table = None
        if settings.normalisation_table is not None:
            table = read_table(folder / settings.normalisation_table)
            table_bytes = _read(folder / settings.normalisation_table)
        try:
            tokenizer = Tokenizer.from_str(tokenizer_bytes.decode("utf-8"))
        except Exception as error:  # the library raises bare Exception
            raise TextEncoderError(
                f"{TOKENIZER_FILE} is not a tokenizer: {error}", "Export the encoder again."
            ) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=settings.max_tokens)
        session = _session(folder / MODEL_FILE, threads=intra_op_num_threads)
        width = session.get_outputs()[0].shape[-1]
        if width != settings.width:
            raise TextEncoderError(
                f"{MODEL_FILE} gives {width} numbers per token where the settings say {settings.width}.",
                "Take files and settings from the same export.",
            )
        return cls(
            session=session,
            tokenizer=tokenizer,
            settings=settings,
            content_hash=_content_hash(settings, model_bytes, tokenizer_bytes, table_bytes),
            table=table,
            cache_bytes=cache_bytes,
        )

    @property
    def name(self) -> str:
        """Name of the encoder."""
        return self.settings.name

    @property
    def width(self) -> int:
        """Numbers per token."""
        return self.settings.width

    @property
    def max_tokens(self) -> int:
        """Longest text in tokens; longer ones are cut."""
        return self.settings.max_tokens

    def normalise(self, text: str) -> str:
        """The text as the tokenizer gets it (the encoder's own character table applied)."""
        return normalise(text, table=self._table)

    def truncated(self, text: str) -> bool:
        """Whether the end of the text is cut because it has more than ``max_tokens`` tokens."""
        return self._overflows(text)

    def encode(self, text: str) -> np.ndarray:
        """Encode one text.

        Args:
            text: A description. An empty one (or white space only) is encoded as the two special tokens.

        Returns:
            Hidden states ``[tokens, width]`` float32, the caller's own copy. Token 0 holds the pooled vector: the
            hidden state of ``[CLS]``, or the mean over all tokens where the encoder's ``pooling`` is ``mean``.

        Raises:
            TextEncoderError: If ONNX Runtime fails.
        """
        return self._encode_normalised(self._spelled(text)).copy()

    def pooled(self, text: str) -> np.ndarray:
        """The pooled vector of one text, ``[width]`` float32: token 0 of :meth:`encode`."""
        return self._encode_normalised(self._spelled(text))[0].copy()

    def encode_many(
        self,
        texts: Sequence[str],
        *,
        pooled: bool = False,
        cache: VectorCache | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[np.ndarray]:
        """Encode texts one at a time, each distinct one once.

        Args:
            texts: Descriptions in any order, repeats allowed.
            pooled: Give the pooled vectors instead of all tokens.
            cache: Vectors on disk to look into first and to add to.
            progress: Called with (distinct texts done, distinct texts) after each one.

        Returns:
            One array per text in the order given, ``[width]`` where ``pooled``, else ``[tokens, width]``, float32.
            Equal texts share one array.

        Raises:
            TextEncoderError: If ONNX Runtime fails.
        """
        normalised = [self.normalise(text) for text in texts]
        distinct = dict.fromkeys(normalised)
        done: dict[str, np.ndarray] = {}
        for text in distinct:
            key = vector_key(self.content_hash, text, pooled=pooled)
            vectors = cache.get(key) if cache is not None else None
            if vectors is None:
                # Not through the memory of recent texts: a training set would only push everything out of it.
                vectors = self._run(text)
                if pooled:
                    vectors = vectors[0].copy()
                if cache is not None:
                    cache.put(key, vectors)
            done[text] = vectors
            if progress is not None:
                progress(len(done), len(distinct))
        if cache is not None:
            cache.flush()
        return [done[text] for text in normalised]

    def _encode_normalised(self, text: str) -> np.ndarray:
        known = self._recent.get(text)
        if known is None:
            known = self._run(text)
            self._recent.put(text, known)
        return known

    def _run(self, text: str) -> np.ndarray:
        """Encode a normalised text, ``[tokens, width]`` with the pooled vector in token 0."""
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        try:
            answer = self._session.run(None, {name: feeds[name] for name in self._input_names})
        except Exception as error:  # onnxruntime's exceptions have no common base but Exception
            raise TextEncoderError(f"the text encoder failed: {error}", "Export the encoder again.") from error
        hidden = np.array(answer[0][0], dtype=np.float32)
        if self.settings.pooling == "mean":
            hidden[0] = hidden.mean(axis=0, dtype=np.float64)
        return hidden


class _RecentTexts:
    """Hidden states of the most recently used texts, bounded by bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._entries: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> np.ndarray | None:
        with self._lock:
            found = self._entries.get(text)
            if found is not None:
                self._entries.move_to_end(text)
            return found

    def put(self, text: str, hidden: np.ndarray) -> None:
        size = hidden.nbytes + 4 * len(text)
        with self._lock:
            if text in self._entries or size > self._limit:
                return
            self._entries[text] = hidden
            self._bytes += size
            while self._bytes > self._limit:
                old_text, old_hidden = self._entries.popitem(last=False)
                self._bytes -= old_hidden.nbytes + 4 * len(old_text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TextEncoderError(
            f"{path.name} of the text encoder cannot be read: {error}", "Export the encoder again."
        ) from error


def _session(model: Path, *, threads: int) -> InferenceSession:
    """Open the file by its path: of bytes given to it the session keeps a copy for as long as it lives, 23 MB."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # warnings are about fusions, and stderr belongs to the command line's progress
    # Scratch memory kept for the next text is 28 MB; asking for it anew costs nothing that can be measured.
    options.enable_cpu_mem_arena = False
    # A spinning thread pool takes the core from whoever computes beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base but Exception
        raise TextEncoderError(f"{MODEL_FILE} cannot be loaded: {error}", "Export the encoder again.") from error


def _content_hash(settings: TextEncoderSettings, *parts: bytes) -> str:
    """SHA-256 over everything that decides the vectors, and over nothing else (not the name or the licence)."""
    digest = hashlib.sha256(json.dumps([settings.max_tokens, settings.pooling]).encode())
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
