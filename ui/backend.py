"""What the page asks of whoever answers it. The server's core is one; the page does not import the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.artifact import Artifact
    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import DescribeRequest, GeneratedDescription, ModelInfo, Prediction, PredictRequest


class Bounds(Protocol):
    """The server's limits that the page keeps to."""

    @property
    def max_body_bytes(self) -> int:
        """Largest file taken."""

    @property
    def max_uploads_bytes(self) -> int:
        """Bytes of all uploads kept at once."""

    @property
    def max_visitor_bytes(self) -> int:
        """Bytes of uploads kept for one visitor."""

    @property
    def max_concurrency(self) -> int:
        """Requests worked on at once."""


class Backend(Protocol):
    """Answers for the page: state, model, predictions and descriptions."""

    @property
    def artifact(self) -> Artifact:
        """The artifact that answers."""

    @property
    def state(self) -> str:
        """``starting``, ``ready``, ``failed`` or ``draining``."""

    @property
    def settings(self) -> Bounds:
        """Limits."""

    async def predict_one_async(self, request: PredictRequest) -> Prediction | Failure:
        """Predict one crystal."""

    async def predict_many_async(self, requests: Sequence[PredictRequest | Failure]) -> list[Prediction | Failure]:
        """Predict many crystals, in order."""

    async def describe_async(self, request: DescribeRequest) -> GeneratedDescription | Failure:
        """Generate a description."""

    def model_info(self) -> ModelInfo:
        """What is known about the model."""
