"""Metrics have a fixed number of series whatever strangers ask for, with a token and without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.service.metrics import PAGE_ROUTES, ROUTES, UNKNOWN, label_of
from support.service_samples import SILICON

if TYPE_CHECKING:
    from support.serving import KeyedServer

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PROPFIND")


def endpoints(metrics: str) -> set[str]:
    return set(re.findall(r'endpoint="((?:[^"\\]|\\.)*)"', metrics))


def test_paths_of_strangers_are_one_label(keyed: KeyedServer) -> None:
    bearer = keyed.bearer
    with httpx.Client(base_url=keyed.server.url, timeout=30) as client:

        def ask(first: int, last: int) -> str:
            for place in range(first, last):
                for headers in ({}, bearer):
                    for method in METHODS:
                        client.request(method, f"/r{place}" + "x" * 2000, headers=headers)
                    for start in (
                        "/predict/",
                        "/ui/",
                        "/ui/gradio_api/",
                        "/ui/gradio_api/call/",
                        "/metrics/",
                        "/livez/",
                        "//",
                        "/%2e%2e/",
                    ):
                        client.get(f"{start}{place}", headers=headers)
                    client.get(f"/predict?r={place}", headers=headers)
            client.post("/predict", json={"structure": SILICON}, headers=bearer).raise_for_status()
            return client.get("/metrics", headers=bearer).text

        one = ask(0, 1)
        many = ask(1, 40)
        assert endpoints(many) == endpoints(one)
        assert many.count("\n") == one.count("\n")
        assert len(many) < 100_000
        assert {UNKNOWN, "/predict"} <= endpoints(many)
        assert endpoints(many) <= {*ROUTES, UNKNOWN, *PAGE_ROUTES, *(f"{route}/{{path}}" for route in PAGE_ROUTES)}
        refused = re.search(rf'request_total{{[^}}]*endpoint="{UNKNOWN}",http_response_code="401"[^}}]*}} (\S+)', many)
        assert refused is not None
        assert float(refused[1]) >= 40 * (len(METHODS) - 1)


def test_every_documented_route_has_a_label_of_its_own(client: httpx.Client) -> None:
    assert {label_of(path) for path in client.get("/docs.json").json()["paths"]} <= ROUTES


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/predict", "/predict"),
        ("/predict/", UNKNOWN),
        ("/predictx", UNKNOWN),
        ("", UNKNOWN),
        ("/ui", "/ui"),
        ("/ui/", "/ui/{path}"),
        ("/uix", UNKNOWN),
        ("/ui/gradio_api/queue/join", "/ui/gradio_api/queue/{path}"),
        ("/ui/gradio_api/file=/etc/hosts", "/ui/gradio_api/{path}"),
        ("/\n\x00", UNKNOWN),
    ],
)
def test_labels(path: str, label: str) -> None:
    assert label_of(path) == label
