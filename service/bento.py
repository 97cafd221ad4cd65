"""The BentoML service. ``hsegap serve`` runs it.

So do ``bentoml serve service.bento:HsegapService`` and ``bentoml build``.
"""

# No postponed annotations: BentoML reads the types of the routes when the class is made.
from typing import Any

import bentoml

from hsegap.prediction.schemas import (
    BatchRequest,
    BatchResponse,
    DescribeRequest,
    GeneratedDescription,
    Prediction,
    PredictRequest,
)
from hsegap.prediction.what_if import WhatIf, WhatIfRequest
from hsegap.service.app import edge_app, json_answer
from hsegap.service.guard import Guard
from hsegap.service.metrics import label_by_route
from hsegap.service.observe import note
from hsegap.service.runtime import Runtime

RUNTIME = Runtime()
label_by_route()


@bentoml.service(
    name="hsegap",
    workers=1,  # the page keeps its sessions in the process that answers
    # The guard's own, shorter limit answers in the shape of all our errors. Not longer than needed: see lean
    # in one_process.py.
    traffic={"timeout": 600},
)
@bentoml.asgi_app(edge_app(RUNTIME), path="/", name="edge")
class HsegapService:
    """HSE06 band gaps of crystals from a structure and an optional description."""

    def __init__(self) -> None:
        RUNTIME.start()

    @bentoml.api(route="/predict")
    async def predict(self, request: PredictRequest, /) -> Prediction:
        """Predict the band gap of one crystal."""
        answer = await RUNTIME.ready_core().predict_one_async(request)
        note([answer])
        return _answer(json_answer(answer))

    @bentoml.api(route="/predict_batch")
    async def predict_batch(self, batch: BatchRequest, /) -> BatchResponse:
        """Predict many crystals: one result or error per item, in order."""
        answers = await RUNTIME.ready_core().predict_many_async(batch.items)
        note(answers)
        return _answer(json_answer(BatchResponse(items=answers)))

    @bentoml.api(route="/describe")
    async def describe(self, request: DescribeRequest, /) -> GeneratedDescription:
        """Describe one crystal in robocrystallographer's wording."""
        answer = await RUNTIME.ready_core().describe_async(request)
        note([answer])
        return _answer(json_answer(answer))

    @bentoml.api(route="/what_if")
    async def what_if(self, request: WhatIfRequest, /) -> WhatIf:
        """Predict one crystal strained, and with elements swapped."""
        answer = await RUNTIME.ready_core().what_if_async(request)
        note([answer])
        return _answer(json_answer(answer))

    @bentoml.on_shutdown
    def stop(self) -> None:
        """End the worker processes."""
        RUNTIME.stop()


def _answer(response: Any) -> Any:
    """A finished response, which BentoML passes on as it is; the routes declare what its body holds."""
    return response


HsegapService.add_asgi_middleware(Guard, runtime=RUNTIME)  # type: ignore[attr-defined]  # the decorator is typed as returning the class
