"""The OpenAPI document is complete, and what it promises holds for hundreds of made-up requests:
no 5xx, no undocumented answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.service.statuses import STATUS

if TYPE_CHECKING:
    import httpx

    from support.serving import RunningServer

#: What schemathesis holds every answer against.
CHECKS = [
    *(
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ),
    *("unsupported_method", "allow_header_conformance", "missing_required_header"),
]


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    return client.get("/docs.json").json()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("routes", "checks"),
    [
        ("^/(predict|predict_batch|model|docs.json|livez|healthz|readyz|metrics)$", CHECKS),
        # An item of a batch that does not validate is answered inside the batch,
        # so only single requests can be held to this one.
        ("^/predict$", ["negative_data_rejection"]),
    ],
    ids=["answers", "refusals"],
)
def test_made_up_requests_are_answered_as_documented(
    server: RunningServer, tmp_path: Path, routes: str, checks: list[str]
) -> None:
    """Run schemathesis as its command: examples, boundary cases and random ones,
    with no 5xx and no undocumented answer among them.
    """
    command = [
        Path(sys.executable).parent / "schemathesis",
        "run",
        f"{server.url}/docs.json",
        "--include-path-regex",
        routes,
    ]
    command += [
        "--checks",
        ",".join(checks),
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "12",
        "--seed",
        "1",
    ]
    command += ["--request-timeout", "200", "--suppress-health-check", "all", "--continue-on-failure", "--no-color"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_every_route_is_described(document: dict[str, Any]) -> None:
    routes = {(path, method) for path, item in document["paths"].items() for method in item}
    assert routes == {
        *((route, "post") for route in ("/predict", "/predict_batch", "/describe", "/what_if")),
        *((route, "get") for route in ("/model", "/docs.json", "/livez", "/healthz", "/readyz", "/metrics")),
    }
    assert document["openapi"].startswith("3.1")


def test_every_error_is_described_where_it_can_occur(document: dict[str, Any]) -> None:
    responses = document["paths"]["/predict"]["post"]["responses"]
    described = " ".join(response["description"] for response in responses.values())
    for code, status in STATUS.items():
        if code in {"unauthorized", "too_many_items"}:
            continue
        assert str(status) in responses, code
        assert f"`{code}`" in described
    for status, response in responses.items():
        if status != "200":
            assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Failure"}
    assert "`too_many_items`" in document["paths"]["/predict_batch"]["post"]["responses"]["422"]["description"]
    assert "Retry-After" in responses["429"]["headers"]


def test_the_shapes_are_those_of_the_house(document: dict[str, Any]) -> None:
    shapes = document["components"]["schemas"]
    assert set(shapes["PredictRequest"]["properties"]) == {
        "structure",
        "format",
        "description",
        "describe",
        "known",
        "atoms",
        "explain",
        "sensitivity",
    }
    assert shapes["PredictRequest"]["additionalProperties"] is False
    assert shapes["PredictRequest"]["required"] == ["structure"]
    assert set(shapes["ErrorInfo"]["properties"]) == {"code", "message", "hint", "index"}
    references = {text.split('"')[0] for text in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert references <= set(shapes)


def test_the_example_of_the_document_works(document: dict[str, Any], client: httpx.Client) -> None:
    for path in ("/predict", "/predict_batch", "/what_if"):
        [example] = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"].values()
        response = client.post(path, json=example["value"])
        assert response.status_code == 200
        answer = response.json()["items"][0] if path == "/predict_batch" else response.json()
        assert answer["formula"] == "Si"
