"""One object that answers: shared by the HTTP routes and the page, so that both give the same numbers.

States: ``starting`` until the golden values have been reproduced, then ``ready``; ``failed`` when they were not;
    ``draining`` after a
request to stop. Only a ready core predicts; in any other state each call answers with the named error ``not_ready``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, TypeVar

from hsegap.memory import give_back
from hsegap.prediction.errors import Failure
from hsegap.prediction.limits import MAX_ITEMS
from hsegap.prediction.schemas import INSULATOR_FROM_EV, DescribeRequest, ModelInfo, PredictRequest
from hsegap.prediction.what_if import what_if_async
from hsegap.processors import usable_processors
from hsegap.service.budgets import kind_of_prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import GeneratedDescription, Prediction
    from hsegap.prediction.what_if import WhatIf, WhatIfRequest
    from hsegap.service.settings import Settings

#: Items of a batch that may be explained sentence by sentence: each costs up to forty predictions.
MOST_EXPLAINED = 8
State = Literal["starting", "ready", "failed", "draining"]
Answer = TypeVar("Answer")
logger = logging.getLogger("hsegap.service")
#: A structure file longer than this may take seconds to read; it lets shorter ones pass. Of the 11 583 crystals of the
#: data sets none is half as long.
LONG_CHARS = 20_000


class Core:
    """Predicts and describes for many callers at once.

    The ``_async`` methods are called from the server's event loop, which they never block.
    """

    def __init__(self, artifact: Artifact, *, settings: Settings) -> None:
        from hsegap.prediction.predictor import Predictor

        self.artifact = artifact
        self.settings = settings
        self.state: State = "starting"
        self.problem = ""
        #: Requests that this core is answering.
        self.in_flight = 0
        self.predictor: Predictor = Predictor(
            artifact,
            threads=settings.threads,
            # Other server processes have the other cores.
            threads_alone=usable_processors() if settings.processes == 1 else 1,
            workers=settings.workers,
            deadline_s=settings.read_deadline_s,
            describe_deadline_s=settings.describe_deadline_s,
            remember_descriptions=settings.remember_descriptions,
        )
        # Threads mostly wait for a worker process, so there are as many as pieces of work admitted at once; in pools of
        # their own, so that descriptions, which take seconds, and the items of batches never stand before a single
        # prediction.
        self._batch_items = max(1, min(settings.max_concurrency // 2, 2 * (settings.workers + settings.threads)))
        self._threads = ThreadPoolExecutor(max_workers=settings.max_concurrency, thread_name_prefix="hsegap-request")
        self._batch_threads = ThreadPoolExecutor(max_workers=self._batch_items, thread_name_prefix="hsegap-batch")
        self._explain_threads = ThreadPoolExecutor(
            max_workers=settings.max_explains, thread_name_prefix="hsegap-explain"
        )
        self._describe_threads = ThreadPoolExecutor(
            max_workers=settings.max_describes, thread_name_prefix="hsegap-describe"
        )

    @classmethod
    def open(cls, artifact: str | Path | None = None, *, settings: Settings | None = None) -> Core:
        """Check an artifact's hashes and make a core for it; :meth:`start` makes it ready.

        Args:
            artifact: Folder; None takes the settings' or the default one.
            settings: Limits and deadlines; None reads the environment.

        Raises:
            hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
        """
        from hsegap.artifact.artifact import Artifact
        from hsegap.service.settings import Settings

        settings = settings or Settings.from_env()
        return cls(Artifact.load(artifact or settings.artifact), settings=settings)

    def start(self) -> None:
        """Load everything and reproduce the golden values; ``state`` tells how it went. Blocks for a second or two."""
        from hsegap.prediction.golden import verify

        try:
            report = verify(self.artifact, predictor=self.predictor)
        except Exception as error:  # whatever it is, the server must say "not ready" rather than predict
            logger.exception("the artifact could not be verified")
            self.state, self.problem = "failed", f"The artifact could not be verified: {type(error).__name__}."
            return
        if not report.passed:
            logger.error("golden values not reproduced: %s", report.summary())
            self.state, self.problem = "failed", report.summary()
        elif self.state == "starting":
            give_back()
            self.state = "ready"
            logger.info("ready: %s", report.summary())

    def start_in_background(self) -> threading.Thread:
        """:meth:`start` in a thread of its own, so that the server can say that it lives meanwhile."""
        thread = threading.Thread(target=self.start, name="hsegap-verify", daemon=True)
        thread.start()
        return thread

    def drain(self) -> None:
        """Take no new work; what runs is finished."""
        self.state = "draining"

    def close(self) -> None:
        """Stop threads and worker processes."""
        self.state = "draining"
        for threads in (self._threads, self._batch_threads, self._describe_threads, self._explain_threads):
            threads.shutdown(wait=False, cancel_futures=True)
        self.predictor.close()

    def not_ready(self) -> Failure | None:
        """The failure to answer with while the core is not ready; None when it is."""
        if self.state == "ready":
            return None
        messages = {
            "starting": "The model is being loaded and checked.",
            "failed": self.problem or "The artifact failed its golden check.",
            "draining": "The server is shutting down.",
        }
        hint = "Run `hsegap verify` on the artifact, then start the server again." if self.state == "failed" else ""
        return Failure.make("not_ready", messages[self.state], hint)

    async def predict_one_async(self, request: PredictRequest) -> Prediction | Failure:
        """Predict one crystal without blocking the event loop."""
        kind = kind_of_prediction(explain=request.explain, describe=request.describe, description=request.description)
        threads = {"describe": self._describe_threads, "explain": self._explain_threads}.get(kind, self._threads)
        with self._counted():
            return self.not_ready() or await self._predict_in_thread(request, index=None, threads=threads)

    async def predict_many_async(self, requests: Sequence[PredictRequest | Failure]) -> list[Prediction | Failure]:
        """Predict many crystals, in order, without blocking the event loop."""
        if failure := self.not_ready():
            return [failure.at(index) for index in range(len(requests))]

        explained = [index for index, request in enumerate(requests) if getattr(request, "explain", False)]
        too_many = frozenset(explained[MOST_EXPLAINED:])

        async def one(index: int, request: PredictRequest | Failure) -> Prediction | Failure:
            if isinstance(request, Failure):
                return request.at(index)
            if index in too_many:
                message = f"A batch explains at most {MOST_EXPLAINED} crystals."
                return Failure.make("too_many_items", message, "Ask without `explain`, or in further requests.").at(
                    index
                )
            async with admitted:
                return await self._predict_in_thread(request, index=index, threads=self._batch_threads)

        # One batch asks for no more than the threads of all batches, so that batches take turns.
        admitted = asyncio.Semaphore(self._batch_items)
        with self._counted():
            return list(await asyncio.gather(*(one(index, request) for index, request in enumerate(requests))))

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a request while it is answered."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def _predict_in_thread(
        self, request: PredictRequest, *, index: int | None, threads: ThreadPoolExecutor
    ) -> Prediction | Failure:
        expires_at = time.monotonic() + self.settings.request_timeout_s
        patient = True if index is not None or len(request.structure) > LONG_CHARS else None
        work = functools.partial(
            self.predictor.predict_one, request, index=index, expires_at=expires_at, patient=patient
        )
        return await self._in_thread(work, threads)

    async def _in_thread(self, work: Callable[..., Answer], threads: ThreadPoolExecutor) -> Answer:
        """Run work in a thread; when the waiting task is cancelled, the work is told that nobody waits any more."""
        abandoned = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                threads, functools.partial(work, abandoned=abandoned)
            )
        except asyncio.CancelledError:
            abandoned.set()
            raise

    async def describe_async(self, request: DescribeRequest) -> GeneratedDescription | Failure:
        """Generate a description in robocrystallographer's wording, without blocking the event loop.

        The first takes some 15 s more.
        """
        if failure := self.not_ready():
            return failure
        expires_at = time.monotonic() + self.settings.request_timeout_s
        with self._counted():
            return await self._in_thread(
                functools.partial(self.predictor.describe, request, expires_at=expires_at), self._describe_threads
            )

    async def what_if_async(self, request: WhatIfRequest) -> WhatIf | Failure:
        """Predict a crystal strained, or with elements swapped; costs what a batch of as many crystals costs."""
        return await what_if_async(self.predict_many_async, request, elements=self.artifact.manifest.elements)

    def model_info(self) -> ModelInfo:
        """What is known about the artifact that answers."""
        manifest = self.artifact.manifest
        limits = manifest.limits.model_dump()
        server = {"max_items": MAX_ITEMS, "max_body_bytes": self.settings.max_body_bytes}
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            sha256=self.artifact.sha256,
            created=manifest.created,
            units=manifest.units,
            config=manifest.config,
            graph=manifest.graph.model_dump(),
            text_encoder=manifest.text_encoder.model_dump(),
            training=manifest.training,
            elements=manifest.elements,
            metrics=manifest.metrics,
            calibration=manifest.calibration,
            card=self.artifact.model_card(),
            limits={**{key: value for key, value in limits.items() if isinstance(value, int)}, **server},
            kinds={"metal_below": self.predictor.metal_below_ev, "insulator_from": INSULATOR_FROM_EV},
        )
