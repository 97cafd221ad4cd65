"""The real server over HTTP: what is answered, how each mistake is named,
and that bursts, batches and killed workers change no number.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from hsegap.prediction.schemas import METAL_BELOW_EV, BatchResponse, ModelInfo, Prediction
from support.loops import in_own_loop
from support.processes import unread, until
from support.service_samples import BAD, GOOD, NACL, SILICON, failure, supercell

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor
    from support.serving import RunningServer

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_prediction_over_http_is_the_predictors(client: httpx.Client, predictor: Predictor, name: str) -> None:
    from hsegap.prediction.schemas import PredictRequest

    response = client.post("/predict", json={"structure": GOOD[name]})
    assert response.status_code == 200
    answer = Prediction.model_validate_json(response.text)
    [expected] = predictor.predict([PredictRequest(structure=GOOD[name])])
    skipped = {"timings_ms"}
    assert answer.model_dump(exclude=skipped) == expected.model_dump(exclude=skipped)


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_structure_has_its_own_error(client: httpx.Client, name: str) -> None:
    text, code = BAD[name]
    found = failure(client.post("/predict", json={"structure": text}), code, 422)
    assert found.error.index is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_request"),
        (b"{", "invalid_request"),
        (b"[1]", "invalid_request"),
        (b"\xff\xfe", "invalid_request"),
        (b'{"structure": 1}', "invalid_request"),
        (b'{"structure": "x", "paht": 1}', "invalid_request"),
        (b'{"structure": "\\ud800"}', "invalid_request"),
        (b"[" * 100_000, "invalid_request"),
        (b'{"structure": "x", "format": "pdb"}', "unsupported_format"),
        (json.dumps({"structure": "x", "description": "y" * 100_001}).encode(), "text_too_long"),
        (b"https://example.org/structure.cif", "invalid_request"),
        (b'"https://example.org/structure.cif"', "invalid_request"),
    ],
)
def test_a_request_that_is_not_as_documented(client: httpx.Client, body: bytes, code: str) -> None:
    failure(client.post("/predict", content=body, headers=JSON), code)


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.bentoml+pickle",
        "application/x-pickle",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        None,
    ],
)
@pytest.mark.parametrize("route", ["/predict", "/predict_batch", "/describe", "/what_if"])
def test_only_json_is_taken(client: httpx.Client, route: str, media_type: str | None) -> None:
    request = client.build_request(
        "POST", route, content=b"\x80\x04.", headers={"content-type": media_type} if media_type else {}
    )
    failure(client.send(request), "unsupported_media_type")


def test_pickles_and_compressed_bodies_are_refused_everywhere(client: httpx.Client) -> None:
    for route in ("/", "/model", "/ui/", "/ui/gradio_api/upload", "/nowhere"):
        failure(
            client.post(route, content=b"\x80\x04.", headers={"content-type": "application/vnd.bentoml+pickle"}),
            "unsupported_media_type",
        )
    failure(
        client.post("/predict", content=b"x", headers=JSON | {"content-encoding": "gzip"}), "unsupported_media_type"
    )


def test_a_body_that_is_too_large_is_refused_by_its_length(client: httpx.Client) -> None:
    failure(client.post("/predict", content=b" " * (8 * 2**20 + 1), headers=JSON), "payload_too_large")
    too_long = json.dumps({"structure": "x" * 2_000_001})
    failure(client.post("/predict", content=too_long, headers=JSON), "payload_too_large")


def test_a_body_without_a_length_is_counted(client: httpx.Client) -> None:
    def chunks() -> object:
        for _ in range(9 * 16):
            yield b" " * 65536

    failure(client.post("/predict", content=chunks(), headers=JSON), "payload_too_large")  # type: ignore[arg-type]  # an iterator of bytes


def test_other_routes_and_methods_are_named(client: httpx.Client) -> None:
    failure(client.get("/nowhere"), "invalid_request", 404)
    response = client.get("/predict")
    failure(response, "invalid_request", 405)
    assert response.headers["allow"] == "POST"
    failure(client.post("/model", json={}), "invalid_request", 405)
    failure(client.put("/predict", json={}), "invalid_request", 405)


def test_what_if_names_what_is_wrong_and_swaps_in_the_order_asked(client: httpx.Client) -> None:
    swaps = [{"element": "Cl", "by": "Br"}, {"element": "Na", "by": "K"}]
    answer = client.post("/what_if", json={"structure": NACL, "strain": None, "swaps": swaps}).json()
    assert [swap["formula"] for swap in answer["swaps"]] == ["NaBr", "KCl"]
    failure(client.post("/what_if", json={"structure": NACL, "swaps": swaps * 7}), "invalid_request")
    failure(client.post("/what_if", json={"structure": NACL, "strain": "d"}), "invalid_request")
    failure(
        client.post("/what_if", json={"structure": NACL, "swaps": [{"element": "Xe", "by": "Kr"}]}), "invalid_request"
    )
    failure(client.post("/what_if", json={"structure": NACL, "atoms": True}), "invalid_request")
    chinese = {"accept-language": "zh-CN"}
    body = {"structure": NACL, "strain": None, "swaps": [{"element": "Cl", "by": "I"}]}
    [swap] = client.post("/what_if", json=body, headers=chinese).json()["swaps"]
    assert any("原子半径" in warning["message"] for warning in swap["warnings"])


def test_a_batch_keeps_its_order_and_its_good_items(client: httpx.Client) -> None:
    good, bad = list(GOOD.items()), list(BAD.values())
    items: list[dict[str, object]] = []
    for (_, text), (wrong, _) in zip(good * 3, bad, strict=False):
        items += [{"structure": text, "atoms": False}, {"structure": wrong}]
    items += [{"structure": 1}, {"structure": NACL, "colour": "red"}]
    response = client.post("/predict_batch", json={"items": items})
    assert response.status_code == 200
    answers = BatchResponse.model_validate_json(response.text).items
    assert len(answers) == len(items)
    singles = {
        text: client.post("/predict", json={"structure": text, "atoms": False}).json()["gap_raw_ev"]
        for text in GOOD.values()
    }
    codes = dict(bad)
    for index, (item, answer) in enumerate(zip(items, answers, strict=True)):
        text = item["structure"]
        if isinstance(answer, Prediction):
            assert (answer.index, answer.gap_raw_ev) == (index, singles[str(text)])
        else:
            expected = "invalid_request" if "colour" in item or text == 1 else codes[str(text)]
            assert (answer.error.index, answer.error.code) == (index, expected)


def test_a_batch_of_too_many_items_or_none(client: httpx.Client) -> None:
    failure(client.post("/predict_batch", json={"items": [{"structure": "x"}] * 257}), "too_many_items")
    failure(client.post("/predict_batch", json={"items": []}), "invalid_request")
    failure(client.post("/predict_batch", json=[{"structure": "x"}]), "invalid_request")


def test_a_burst_gets_the_right_answers_in_the_right_order(server_url: str, client: httpx.Client) -> None:
    expected = {
        name: client.post("/predict", json={"structure": text, "atoms": False}).json()["gap_raw_ev"]
        for name, text in GOOD.items()
    }
    names = [list(GOOD)[i % len(GOOD)] for i in range(64)]

    async def burst() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(base_url=server_url, timeout=120, limits=limits) as many:
            return await asyncio.gather(
                *(many.post("/predict", json={"structure": GOOD[name], "atoms": False}) for name in names)
            )

    for name, response in zip(names, in_own_loop(burst()), strict=True):
        assert response.status_code == 200, response.text
        assert response.json()["gap_raw_ev"] == expected[name]


def test_memory_does_not_grow_with_the_number_of_callers(server: RunningServer, client: httpx.Client) -> None:
    """ONNX Runtime keeps scratch memory per thread that runs it;
    with a thread per caller the server once grew by 600 MB.
    """

    def resident_mb() -> int:
        lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024

    async def burst() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=120, limits=httpx.Limits(max_connections=40)) as many:
            for _ in range(2):
                answers = await asyncio.gather(
                    *(many.post("/predict", json={"structure": supercell(2), "atoms": False}) for _ in range(40))
                )
                assert {answer.status_code for answer in answers} == {200}

    assert client.post("/predict", json={"structure": supercell(2)}).status_code == 200
    before = resident_mb()
    in_own_loop(burst())
    assert resident_mb() - before < 150


def test_a_worker_killed_in_the_middle_of_a_request_is_replaced(server: RunningServer, client: httpx.Client) -> None:
    expected = client.post("/predict", json={"structure": NACL, "atoms": False}).json()["gap_raw_ev"]
    hanging: list[int] = []

    async def go() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, timeout=120) as many:
            hanging.extend(await asyncio.to_thread(server.hang_workers))
            asked = [asyncio.create_task(many.post("/predict", json={"structure": NACL})) for _ in range(4)]
            while 'hsegap_running{kind="single"} 4.0' not in (await many.get("/metrics")).text:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
            assert await asyncio.to_thread(until, lambda: any(map(unread, hanging))), "one of them has a job"
            for pid in hanging:
                os.kill(pid, signal.SIGKILL)
            return await asyncio.gather(*asked)

    lost, answered = [], []
    for response in in_own_loop(go()):
        (answered if response.status_code == 200 else lost).append(response)
    assert 1 <= len(lost) <= len(hanging)
    for response in lost:
        assert "SIGKILL" in failure(response, "internal").error.message
    assert {response.json()["gap_raw_ev"] for response in answered} == {expected}
    assert client.post("/predict", json={"structure": NACL, "atoms": False}).json()["gap_raw_ev"] == expected
    assert client.get("/readyz").status_code == 200


def test_too_many_atoms(client: httpx.Client, artifact: Artifact) -> None:
    limit = artifact.manifest.limits.max_atoms
    n = next(n for n in range(1, 40) if 8 * n**3 > limit)
    failure(client.post("/predict", json={"structure": supercell(n)}), "too_many_atoms")


def test_the_model_tells_about_itself(client: httpx.Client, artifact: Artifact) -> None:
    info = ModelInfo.model_validate_json(client.get("/model").text)
    assert (info.name, info.version, info.sha256) == (
        artifact.manifest.name,
        artifact.manifest.version,
        artifact.sha256,
    )
    assert info.limits["max_items"] == 256
    threshold = (artifact.manifest.calibration or {}).get("metal_below_ev", METAL_BELOW_EV)
    assert info.kinds == {"metal_below": threshold, "insulator_from": 4.0}
    assert info.card == artifact.model_card()
    assert info.card.startswith(f"# {artifact.manifest.name}")


def test_health_and_metrics(client: httpx.Client) -> None:
    for route in ("/livez", "/healthz", "/readyz"):
        assert client.get(route).status_code == 200
    metrics = client.get("/metrics")
    assert metrics.status_code == 200
    assert "bentoml" in metrics.text


def test_the_front_door_leads_to_the_page(client: httpx.Client) -> None:
    response = client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/ui/")
    page = client.get("/", follow_redirects=True)
    assert page.status_code == 200
    assert "<html" in page.text.lower()
    assert client.get("/ui", follow_redirects=True).status_code == 200


def test_connections_that_break_off_or_talk_nonsense_harm_nobody(server_url: str, client: httpx.Client) -> None:
    port = urlsplit(server_url).port
    start = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
    for raw in (
        start,
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /predict HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port)) as raw_connection:
            raw_connection.sendall(raw)
            time.sleep(0.05)
    assert client.post("/predict", json={"structure": SILICON}).status_code == 200


def test_a_known_gap_travels_there_and_back(client: httpx.Client) -> None:
    answer = client.post(
        "/predict", json={"structure": GOOD["NaCl"], "known": {"pbe_gap_ev": 5}, "description": "HSE gap: 6.5 eV"}
    ).json()
    request, text = answer["facts"]
    assert (request["name"], request["value"], request["origin"], request["span"]) == (
        "pbe_gap_ev",
        5.0,
        "request",
        None,
    )
    assert (text["name"], text["value"], text["origin"], text["span"], text["used"]) == (
        "hse_gap_ev",
        6.5,
        "text",
        [0, 15],
        False,
    )
    assert "fact_not_used" in {warning["code"] for warning in answer["warnings"]}


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ('{"pbe_gap_ev": -1}', "gap_out_of_range"),
        ('{"pbe_gap_ev": 1e999}', "gap_out_of_range"),
        ('{"pbe_gap_ev": NaN}', "invalid_request"),
        ('{"pbe_gap_ev": "1"}', "gap_out_of_range"),
        ('{"hse_gap_ev": 1}', "invalid_request"),
        ('"1.17"', "invalid_request"),
    ],
)
def test_a_known_gap_that_cannot_be_is_named(client: httpx.Client, known: str, code: str) -> None:
    body = f'{{"structure": {json.dumps(GOOD["NaCl"])}, "known": {known}}}'
    response = client.post("/predict", content=body, headers={"content-type": "application/json"})
    failure(response, code)
