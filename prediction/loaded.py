"""The network and the text encoder of an artifact, loaded when they are first needed, and the threads they run in."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from hsegap.prediction.contributions import HEAD_FILE, Head
from hsegap.prediction.nearest import NEIGHBOURS_FILE, Known
from hsegap.prediction.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.artifact import Artifact
    from hsegap.text import TextEncoder

Result = TypeVar("Result")
#: How far those that can wait stand back, in steps of `nice`.
BACK = 10


def _give_way() -> None:
    """Let this thread alone have less of the processor than others want."""
    with contextlib.suppress(OSError, AttributeError):  # Linux counts priorities by thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACK)


class Encoded(NamedTuple):
    """A text, or its absence, as the network takes it.

    Attributes:
        tokens: ``[tokens, width]`` float32.
        vector: The pooled vector ``[width]``; None without text.
        truncated: Whether the end of the text was cut.
        ms: Milliseconds it took.
    """

    tokens: np.ndarray
    vector: np.ndarray | None
    truncated: bool
    ms: float


class Loaded:
    """What an artifact computes with. All methods may be called from several threads.

    Args:
        artifact: A checked artifact.
        threads: Crystals and texts computed at the same time, one processor core each; and as many of those that can
            wait.
        threads_alone: Threads for a large crystal while nothing else is computed here, and for a text.
    """

    def __init__(self, artifact: Artifact, *, threads: int = 1, threads_alone: int = 1) -> None:
        self.artifact = artifact
        self.threads = threads
        self._threads_alone = threads_alone
        # What is computed or waits for its turn.
        self._under_way = 0
        self._counting = threading.Lock()
        self._network: Network | None = None
        self._encoder: TextEncoder | None = None
        self._head: Head | None = None
        self._known: Known | None = None
        self._loading = threading.Lock()
        # ONNX Runtime keeps scratch memory for every thread that ever ran it (20 to 50 MB each): only these do, whoever
        # asks.
        self._computing = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hsegap-compute")
        # What can wait has threads of its own: nobody else stands behind a crystal of a thousand atoms, and where
        # processor cores are few these threads leave them to the others.
        self._giving_way = ThreadPoolExecutor(
            max_workers=threads, thread_name_prefix="hsegap-patient", initializer=_give_way
        )

    def network(self) -> Network:
        """The network, loaded once."""
        with self._loading:
            if self._network is None:
                self._network = Network(
                    self.artifact, threads_alone=self._threads_alone, alone=lambda: self._under_way <= 1
                )
            return self._network

    def encoder(self) -> TextEncoder:
        """The text encoder, loaded once and only when a text asks for it."""
        from hsegap.text import TextEncoder, TextEncoderSettings

        with self._loading:
            if self._encoder is None:
                known = self.artifact.manifest.text_encoder.model_dump()
                settings = {key: value for key, value in known.items() if key in TextEncoderSettings.model_fields}
                # A lone text takes three quarters of the time on two cores; two at once take an eighth longer.
                self._encoder = TextEncoder.load(
                    self.artifact.folder, settings=settings, intra_op_num_threads=self._threads_alone
                )
            return self._encoder

    def head(self) -> Head | None:
        """The end of the network alone, loaded once; None in artifacts exported without it."""
        if HEAD_FILE not in self.artifact.manifest.files:
            return None
        with self._loading:
            if self._head is None:
                self._head = Head(self.artifact)
            return self._head

    def known(self) -> Known | None:
        """The table of training crystals, loaded once; None in artifacts calibrated without it."""
        if NEIGHBOURS_FILE not in self.artifact.manifest.files:
            return None
        with self._loading:
            if self._known is None:
                self._known = Known.load(self.artifact.path(NEIGHBOURS_FILE))
            return self._known

    def compute(self, work: Callable[[], Result], *, patient: bool = False) -> Result:
        """Do some work in one of the computing threads and wait for it.

        Args:
            work: The work.
            patient: Whether it can wait: one crystal of many, or a large one.
        """
        threads = self._giving_way if patient else self._computing
        with self._counting:
            self._under_way += 1
        try:
            return threads.submit(work).result()
        finally:
            with self._counting:
                self._under_way -= 1

    def encode(self, text: str | None, *, patient: bool = False) -> Encoded:
        """A text as the network takes it.

        None for no text, which the network has learned a vector for or reads as an empty one.

        Args:
            text: The text.
            patient: Whether it can wait: one crystal of many.
        """
        manifest = self.artifact.manifest
        if text is None and manifest.config.get("no_text", "learned") == "learned":
            return Encoded(np.zeros((1, manifest.text_encoder.width), dtype=np.float32), None, truncated=False, ms=0.0)
        encoder, network = self.encoder(), self.network()

        def run() -> Encoded:
            clock = time.perf_counter()
            tokens = encoder.encode(text or "")
            cut = text is not None and encoder.truncated(text)
            pooled = tokens[0] if text is not None else None
            # Where the network reads no other token, none is carried along.
            return Encoded(
                tokens if network.reads_all_tokens else tokens[:1], pooled, cut, 1e3 * (time.perf_counter() - clock)
            )

        return self.compute(run, patient=patient)

    def close(self) -> None:
        """End the computing threads."""
        for threads in (self._computing, self._giving_way):
            threads.shutdown(wait=False, cancel_futures=True)
