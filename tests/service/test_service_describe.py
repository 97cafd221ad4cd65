"""Generated descriptions: made in a worker of their own, the same text wherever they are asked for,
and never at anyone else's cost.
"""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from hsegap.prediction.errors import Failure
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import DescribeRequest, GeneratedDescription, Prediction, PredictRequest
from support.processes import stop, unread, until
from support.service_samples import BAD, NACL, SILICON

if TYPE_CHECKING:
    import httpx

    from hsegap.artifact.artifact import Artifact

pytestmark = pytest.mark.slow


def described(answer: GeneratedDescription | Failure) -> str:
    assert isinstance(answer, GeneratedDescription), answer
    assert answer.description.origin == "generated"
    assert answer.description.text
    return answer.description.text


def test_a_description_can_be_asked_for_alone_and_with_a_prediction(predictor: Predictor) -> None:
    text = described(predictor.describe(DescribeRequest(structure=NACL)))
    assert "Rock Salt" in text
    generated, given, bare = predictor.predict(
        [
            PredictRequest(structure=NACL, describe=True),
            PredictRequest(structure=NACL, description=text, describe=True),
            PredictRequest(structure=NACL),
        ]
    )
    assert isinstance(generated, Prediction)
    assert isinstance(given, Prediction)
    assert isinstance(bare, Prediction)
    assert generated.description.model_dump() == {"text": text, "origin": "generated"}
    assert given.description.origin == "given"
    assert generated.gap_raw_ev == given.gap_raw_ev != bare.gap_raw_ev
    assert generated.timings_ms.describe > 0
    assert given.timings_ms.describe == 0


def test_a_bad_structure_is_named_and_others_go_on(predictor: Predictor) -> None:
    for name in ("empty", "partial occupancy", "near-zero volume"):
        text, code = BAD[name]
        answer = predictor.describe(DescribeRequest(structure=text))
        assert isinstance(answer, Failure)
        assert answer.error.code == code
    bad, good = predictor.predict(
        [PredictRequest(structure="", describe=True), PredictRequest(structure=SILICON, describe=True)]
    )
    assert isinstance(bad, Failure)
    assert isinstance(good, Prediction)
    assert good.description.origin == "generated"


def test_predictions_do_not_wait_for_a_description(predictor: Predictor) -> None:
    described(predictor.describe(DescribeRequest(structure=NACL)))
    with ThreadPoolExecutor(2) as pool:
        slow = [pool.submit(predictor.describe, DescribeRequest(structure=text)) for text in (SILICON, NACL)]
        [quick] = predictor.predict([PredictRequest(structure=SILICON)])
        assert isinstance(quick, Prediction)
        assert not all(future.done() for future in slow)
        for future in slow:
            described(future.result())


def test_a_killed_describer_costs_one_description(predictor: Predictor) -> None:
    described(predictor.describe(DescribeRequest(structure=NACL)))
    [pid] = predictor.describers.pids()
    assert stop(pid)
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(predictor.describe, DescribeRequest(structure=NACL))
        assert until(lambda: unread(pid)), "it has the job"
        os.kill(pid, signal.SIGKILL)
        lost = asked.result()
    made = predictor.describe(DescribeRequest(structure=NACL))
    assert isinstance(lost, Failure)
    assert lost.error.code == "internal"
    described(made)


def test_a_caller_may_stop_waiting_and_a_description_may_take_too_long(artifact: Artifact) -> None:
    with Predictor(artifact, describe_deadline_s=0.01) as predictor:
        impatient = predictor.describe(DescribeRequest(structure=NACL), expires_at=time.monotonic() + 0.1)
        assert isinstance(impatient, Failure)
        assert "starting" in impatient.error.message
        [pid] = predictor.describers.pids()  # its imports go on for the next caller
        answer = predictor.describe(DescribeRequest(structure=NACL))
        assert isinstance(answer, Failure)
        assert answer.error.code == "timeout"
        assert "0.01 s" in answer.error.message
        assert pid not in predictor.describers.pids()


def test_descriptions_over_http(client: httpx.Client, predictor: Predictor) -> None:
    for _ in range(10):  # on a busy machine the first call may outlast a request while robocrys is being imported
        response = client.post("/describe", json={"structure": NACL}, timeout=300)
        if response.status_code != 504:
            break
    assert response.status_code == 200, response.text
    assert described(GeneratedDescription.model_validate_json(response.text)) == described(
        predictor.describe(DescribeRequest(structure=NACL))
    )
    answer = client.post("/predict", json={"structure": NACL, "describe": True, "atoms": False}, timeout=300).json()
    assert answer["description"] == response.json()["description"]
    failed = client.post("/describe", json={"structure": ""})
    assert (failed.status_code, failed.json()["error"]["code"]) == (422, "unreadable_structure")
    assert (
        client.post("/describe", json={"structure": NACL, "describe": True}).json()["error"]["code"]
        == "invalid_request"
    )
