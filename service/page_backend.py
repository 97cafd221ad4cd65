"""What the page asks: the server's core, with the same budgets and the same time limit as over the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from hsegap.prediction.errors import Failure
from hsegap.service.budgets import OverloadedError, kind_of_prediction
from hsegap.service.observe import note

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.schemas import DescribeRequest, GeneratedDescription, ModelInfo, Prediction, PredictRequest
    from hsegap.service.budgets import Kind
    from hsegap.service.core import Core
    from hsegap.service.runtime import Runtime
    from hsegap.service.settings import Settings

Answer = TypeVar("Answer")
#: How long a question of the page waits for its turn.
WAIT_S = 30.0


class PageBackend:
    """The page's way to the core; each call finds the core that answers at that moment.

    Args:
        runtime: Holds it.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def _core(self) -> Core:
        return self._runtime.ready_core()

    @property
    def artifact(self) -> Artifact:
        """The artifact that answers."""
        return self._core.artifact

    @property
    def state(self) -> str:
        """``starting``, ``ready``, ``failed`` or ``draining``."""
        return self._core.state

    @property
    def settings(self) -> Settings:
        """The server's limits."""
        return self._runtime.settings

    async def predict_one_async(self, request: PredictRequest) -> Prediction | Failure:
        """Predict one crystal."""
        kind = kind_of_prediction(explain=request.explain, describe=request.describe, description=request.description)
        answer = await self._in_turn(kind, lambda: self._core.predict_one_async(request))
        note([answer])
        return answer

    async def predict_many_async(self, requests: Sequence[PredictRequest | Failure]) -> list[Prediction | Failure]:
        """Predict many crystals, in order."""
        answers = await self._in_turn("batch", lambda: self._core.predict_many_async(requests))
        if isinstance(answers, Failure):
            return [answers.at(index) for index in range(len(requests))]
        note(answers)
        return answers

    async def describe_async(self, request: DescribeRequest) -> GeneratedDescription | Failure:
        """Generate a description."""
        answer = await self._in_turn("describe", lambda: self._core.describe_async(request))
        note([answer])
        return answer

    def model_info(self) -> ModelInfo:
        """What is known about the model."""
        return self._core.model_info()

    async def _in_turn(self, kind: Kind, ask: Callable[[], Awaitable[Answer]]) -> Any:
        """Ask when there is a place, for as long as a request may take."""
        settings = self._runtime.settings
        try:
            async with (
                self._runtime.budgets.place(kind, wait_s=WAIT_S),
                asyncio.timeout(settings.request_timeout_s) as limit,
            ):
                with self._runtime.shortened_when_draining(limit):
                    return await ask()
        except OverloadedError as error:
            return error.failure
        except TimeoutError:
            return self._runtime.not_ready() or Failure.make(
                "timeout", f"It took longer than {settings.request_timeout_s:g} s."
            )
