"""The page's functions called by scripts, and its HTTP manners: the same answers as the API, nothing foreign,
nothing to be had of others.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.needs import needed
from support.ui_samples import BROKEN, DESCRIPTION, PEROVSKITE, SILICON

if TYPE_CHECKING:
    import httpx


@pytest.fixture(scope="module")
def remote(server_url: str):
    gradio_client = needed("gradio_client")
    return gradio_client.Client(
        f"{server_url}/ui/", verbose=False, analytics_enabled=False, httpx_kwargs={"timeout": 120}
    )


def without_times(answer: dict) -> dict:
    return {key: value for key, value in answer.items() if key != "timings_ms"}


@pytest.mark.parametrize("description", [None, DESCRIPTION])
def test_a_script_gets_what_http_answers(remote, client: httpx.Client, description: str | None) -> None:
    over_http = client.post("/predict", json={"structure": PEROVSKITE, "description": description}).json()
    called = remote.predict(PEROVSKITE, description or "", api_name="/predict")
    assert without_times(called) == without_times(over_http)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_input_has_its_name(remote, name: str) -> None:
    text, code = BROKEN[name]
    assert remote.predict(structure=text, api_name="/predict")["error"]["code"] == code


def test_a_batch_keeps_order_and_a_bad_item_costs_nobody(remote) -> None:
    items = [
        {"structure": SILICON},
        {"structure": "nonsense"},
        {"structure": SILICON, "colour": "red"},
        {"structure": PEROVSKITE},
    ]
    answers = remote.predict(items, api_name="/predict_batch")
    assert [answer.get("formula") for answer in answers] == ["Si", None, None, "SrTiO3"]
    assert answers[2]["error"]["code"] == "invalid_request"


def test_strain_goes_from_minus_three_to_three_percent_through_the_crystal_itself(remote, client: httpx.Client) -> None:
    curve = remote.predict(structure=SILICON, api_name="/strain")
    assert len(curve["interval_ev"]) == len(curve["warnings"]) == len(curve["pbe_gap_estimate_ev"]) == 13
    assert (curve["percent"][0], curve["percent"][-1], len(curve["gap_ev"])) == (-3.0, 3.0, 13)
    alone = client.post("/predict", json={"structure": SILICON}).json()["gap_ev"]
    assert curve["gap_ev"][curve["percent"].index(0.0)] == pytest.approx(alone, abs=1e-4)


def test_what_if_answers_as_over_http(remote, client: httpx.Client) -> None:
    swaps = [{"element": "Si", "by": "Ge"}]
    found = remote.predict(structure=SILICON, strain="b", swaps=swaps, api_name="/what_if")
    over_http = client.post("/what_if", json={"structure": SILICON, "strain": "b", "swaps": swaps}).json()
    assert found["strain"]["gap_ev"] == pytest.approx(over_http["strain"]["gap_ev"], abs=1e-4)
    assert [swap["formula"] for swap in found["swaps"]] == ["Ge"]
    assert remote.predict(structure=SILICON, strain="d", api_name="/what_if")["error"]["code"] == "invalid_request"


def test_the_model_is_the_one_that_http_names(remote, client: httpx.Client) -> None:
    assert remote.predict(api_name="/model") == client.get("/model").json()


def test_only_the_functions_meant_for_scripts_are_offered(remote) -> None:
    offered = remote.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(offered) == {"/predict", "/predict_batch", "/describe", "/strain", "/what_if", "/model"}


def test_the_page_forbids_the_browser_to_ask_other_hosts(client: httpx.Client) -> None:
    answer = client.get("/ui/")
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "<title>hsegap" in answer.text
    linked = re.findall(r"(?:src|href)=\"([^\"]+)\"", answer.text)
    assert linked
    assert not [address for address in linked if address.startswith(("http:", "https:", "//"))]
    assert client.get("/ui", follow_redirects=True).status_code == 200


@pytest.mark.parametrize(
    "name", ["../mount.py", "..%2Fmount.py", "nothing.js", "example_descriptions.json", "%2e%2e%2fmount.py"]
)
def test_only_scripts_of_the_static_folder_are_served(client: httpx.Client, name: str) -> None:
    assert client.get(f"/ui/hsegap/any/{name}").status_code == 404
    assert client.get("/ui/hsegap/any/page.js").status_code == 200


@pytest.mark.parametrize(
    "path", ["/etc/passwd", str(Path(__file__).resolve().parents[2] / "pyproject.toml"), "ui/mount.py"]
)
def test_no_file_of_the_server_can_be_read(client: httpx.Client, path: str) -> None:
    assert client.get(f"/ui/gradio_api/file={path}").status_code in {403, 404}


def test_documents_that_load_foreign_scripts_are_off(client: httpx.Client) -> None:
    for path in ("/ui/docs", "/ui/redoc", "/ui/openapi.json"):
        assert "swagger" not in client.get(path).text.lower()
        assert "redoc" not in client.get(path).text.lower()


def test_an_upload_over_the_limit_is_refused(client: httpx.Client) -> None:
    answer = client.post("/ui/gradio_api/upload", files={"files": ("big.cif", b"#" * (9 * 2**20))})
    assert answer.status_code == 413
