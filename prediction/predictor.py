"""From a request to a prediction: the one code path of HTTP, page, command line and batch.

Its three parts stand in files of their own: preparing, running, reporting. Reading, graph building and describing
happen in processes that may be killed at a deadline, so a bad item never costs its neighbours. Each crystal goes
through the network alone, so its numbers do not depend on its neighbours either.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.loaded import Loaded
from hsegap.prediction.preparing import Preparer
from hsegap.prediction.reporting import Reporter
from hsegap.prediction.running import run_network
from hsegap.prediction.schemas import DescribeRequest, GeneratedDescription, Prediction, PredictRequest
from hsegap.prediction.worker_start import DEADLINE_S
from hsegap.prediction.workers import WorkerPool

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence

    from hsegap.artifact import Artifact
    from hsegap.prediction.network import Network
    from hsegap.prediction.observed import Observation
    from hsegap.prediction.prepared import Prepared
    from hsegap.prediction.schemas import SentenceReport
    from hsegap.prediction.worker_start import Begun
    from hsegap.text import TextEncoder

#: Crystals worked on ahead of the one whose turn it is. Bounds memory when a caller hands over many thousands.
WINDOW = 64
#: Longest that anybody is waited for who named no moment, seconds.
LONGEST_S = 3600.0


class Predictor:
    """Predicts with one artifact. All methods may be called from several threads.

    Args:
        artifact: A checked artifact.
        threads: Crystals in the text encoder and the network at the same time, one processor core each.
        threads_alone: Threads for a large crystal while nothing else is computed here.
        workers: Processes that read structures and build graphs.
        deadline_s: Longest time reading one structure and building its graph may take.
        describe_deadline_s: Longest time describing one structure may take.
        worker_memory_bytes: Address space of one reading process; None takes the default.
        remember_descriptions: Whether generated descriptions are kept on disk for later runs.
        loaded: Network and encoder to compute with, of the same artifact; None loads them, with ``threads``.
        reader: A reading process that has begun already, with the default deadline and memory.

    Everything is started when it is first needed: making a predictor costs nothing.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        threads: int = 1,
        threads_alone: int = 1,
        workers: int = 1,
        deadline_s: float = DEADLINE_S["read"],
        describe_deadline_s: float = DEADLINE_S["describe"],
        worker_memory_bytes: int | None = None,
        remember_descriptions: bool = False,
        loaded: Loaded | None = None,
        reader: Begun | None = None,
    ) -> None:
        self.artifact = artifact
        self.readers = WorkerPool(
            "read", size=workers, deadline_s=deadline_s, memory_bytes=worker_memory_bytes, begun=reader
        )
        if remember_descriptions:
            from hsegap.prediction.described import RememberingDescribers

            self.describers: WorkerPool = RememberingDescribers(size=1, deadline_s=describe_deadline_s)
        else:
            self.describers = WorkerPool("describe", size=1, deadline_s=describe_deadline_s)
        self.loaded = loaded or Loaded(artifact, threads=threads, threads_alone=threads_alone)
        self._workers = workers
        self._preparer = Preparer(self.loaded, readers=self.readers, describers=self.describers)
        self._reporter = Reporter(artifact)

    @property
    def metal_below_ev(self) -> float:
        """Predicted gap below which a crystal is called a metal, eV."""
        return self._reporter.metal_below_ev

    def predict(
        self, requests: Sequence[PredictRequest | Failure], *, ids: Sequence[str] | None = None
    ) -> list[Prediction | Failure]:
        """Predict crystals, in the order given.

        Args:
            requests: The crystals; a :class:`Failure` among them (an item that did not validate) keeps its place.
            ids: Name of each, copied into its prediction.

        Returns:
            One prediction or failure per request, each the same as it would be alone.

        Raises:
            ValueError: If ``ids`` has another length.
        """
        return list(self.predict_iter(requests, ids=ids))

    def predict_iter(
        self, requests: Iterable[PredictRequest | Failure], *, ids: Iterable[str] | None = None
    ) -> Iterator[Prediction | Failure]:
        """:meth:`predict` for any number of crystals.

        Results come in order, each as soon as it and those before it are there.
        """
        names = iter(ids) if ids is not None else None
        numbered = not (isinstance(requests, list | tuple) and len(requests) == 1)
        with ThreadPoolExecutor(
            max_workers=self._workers + self.loaded.threads, thread_name_prefix="hsegap-predict"
        ) as pool:
            ahead: deque[tuple[Future[Prediction | Failure], str | None]] = deque()
            try:
                for index, request in enumerate(requests):
                    name = None
                    if names is not None and (name := next(names, None)) is None:
                        raise ValueError("fewer ids than requests")
                    ahead.append((pool.submit(self.predict_one, request, index=index if numbered else None), name))
                    if index == 0:
                        self._load_network_ahead()
                    if len(ahead) >= WINDOW:
                        yield _named(*ahead.popleft())
                while ahead:
                    yield _named(*ahead.popleft())
            finally:
                for future, _ in ahead:  # the caller has gone away before the end
                    future.cancel()

    def _load_network_ahead(self) -> None:
        """Load the network while the first crystals are being read; if it cannot be loaded, each prediction says so."""
        with contextlib.suppress(Exception):
            self.network()

    def predict_one(
        self,
        request: PredictRequest | Failure,
        *,
        index: int | None = None,
        expires_at: float = math.inf,
        abandoned: threading.Event | None = None,
        patient: bool | None = False,
    ) -> Prediction | Failure:
        """Predict one crystal.

        Args:
            request: The crystal.
            index: Its place in a batch; None for a single request.
            expires_at: Moment (``time.monotonic``) after which nobody waits for it any more.
            abandoned: Set by a caller who goes away before that; what is under way is given up then.
            patient: Whether it can wait, so that many such crystals keep nobody waiting; None: if it is large.

        Returns:
            The prediction, or the named failure. Never raises.
        """
        if isinstance(request, Failure):
            return request.at(index)
        try:
            until = min(expires_at, time.monotonic() + LONGEST_S)
            prepared = self._preparer.prepare(
                request, index=index, expires_at=until, abandoned=abandoned, patient=patient
            )
            result = prepared if isinstance(prepared, Failure) else self._answer(prepared, expires_at)
        except Exception as error:  # the boundary where a surprise becomes a named error
            return internal_error(error, "predicting a crystal").at(index)
        return result.at(index) if isinstance(result, Failure) else result

    def _answer(self, item: Prepared, expires_at: float) -> Prediction | Failure:
        """Run the network on a prepared crystal and report."""
        compare = self._reporter.calibration is not None
        ran = run_network(item, self.loaded, expires_at=expires_at, compare=compare, reference=self._reporter.reference)
        if isinstance(ran, Failure):
            return ran
        sentences: list[SentenceReport] | Failure | None = None
        if item.explain:
            # Its patterns take a tenth of a command's time to make.
            from hsegap.prediction.sentences import sentence_effects

            sentences = sentence_effects(item, self.loaded, gap_raw_ev=ran.result.gap, expires_at=expires_at)
        if isinstance(sentences, Failure):
            return sentences
        return self._reporter.report(item, ran, sentences=sentences, known=self.loaded.known())

    def observe(self, request: PredictRequest) -> Observation | Failure:
        """What is seen of a crystal on the way to its prediction: what calibration is fitted to. Never raises."""
        try:
            prepared = self._preparer.prepare(request, index=None, expires_at=time.monotonic() + LONGEST_S)
            ran = (
                prepared
                if isinstance(prepared, Failure)
                else run_network(prepared, self.loaded, expires_at=math.inf, compare=True)
            )
        except Exception as error:  # the boundary where a surprise becomes a named error
            return internal_error(error, "observing a crystal")
        return ran if isinstance(ran, Failure) else ran.seen

    def describe(
        self, request: DescribeRequest, *, expires_at: float = math.inf, abandoned: threading.Event | None = None
    ) -> GeneratedDescription | Failure:
        """Generate a crystal's description. Never raises; a failure is named. Arguments as for :meth:`predict_one`."""
        try:
            return self._preparer.describe(
                request, expires_at=min(expires_at, time.monotonic() + LONGEST_S), abandoned=abandoned
            )
        except Exception as error:  # the boundary where a surprise becomes a named error
            return internal_error(error, "describing a crystal")

    def network(self) -> Network:
        """The network, loaded once."""
        return self.loaded.network()

    def encoder(self) -> TextEncoder:
        """The text encoder, loaded once and only when a text asks for it."""
        return self.loaded.encoder()

    def close(self) -> None:
        """End the worker processes and the computing threads."""
        self.readers.close()
        self.describers.close()
        self.loaded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _named(future: Future[Prediction | Failure], name: str | None) -> Prediction | Failure:
    """Wait for a prediction and put its input's name on it."""
    result = future.result()
    return result.model_copy(update={"id": name}) if name is not None and isinstance(result, Prediction) else result
