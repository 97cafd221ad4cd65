"""Requests are taken as documented or refused by name; answers keep the documented field names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from hsegap.artifact.artifact import ARTIFACT_ERROR_CODES
from hsegap.prediction.errors import HINTS, ErrorCode, Failure
from hsegap.prediction.schemas import (
    INSULATOR_FROM_EV,
    MAX_DESCRIPTION_CHARS,
    MAX_ITEMS,
    MAX_STRUCTURE_CHARS,
    METAL_BELOW_EV,
    BatchRequest,
    Prediction,
    PredictRequest,
    kind_of,
)
from hsegap.service.statuses import RETRY_AFTER_S, STATUS, status_of
from hsegap.structures.errors import DESCRIPTION_ERROR_CODES, STRUCTURE_ERROR_CODES

ROOT = Path(__file__).resolve().parents[2]


def failure_of(model: Any, text: str) -> Failure:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(text)
    return Failure.from_validation(caught.value.errors())


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ("", "invalid_request", "not JSON"),
        ("{", "invalid_request", "not JSON"),
        ("[]", "invalid_request", "object"),
        ("{}", "invalid_request", "`structure` is missing"),
        ('{"structure": 1}', "invalid_request", "`structure`"),
        ('{"structure": null}', "invalid_request", "`structure`"),
        ('{"structure": "x", "descripton": "y"}', "invalid_request", "no field `descripton`"),
        ('{"structure": "x", "describe": "yes"}', "invalid_request", "`describe`"),
        ('{"structure": "x", "atoms": 1}', "invalid_request", "`atoms`"),
        ('{"structure": "x", "path": "/etc/passwd"}', "invalid_request", "no field `path`"),
        ('{"structure": "x", "known": {"pbe_gap_ev": "0.19 eV"}}', "gap_out_of_range", "0 to 30 eV"),
        ('{"structure": "x", "known": {"pbe_gap_ev": -1}}', "gap_out_of_range", "0 to 30 eV"),
        ('{"structure": "x", "known": {"pbe_gap_ev": 30.1}}', "gap_out_of_range", "0 to 30 eV"),
        ('{"structure": "x", "known": {"pbe_gap": 1}}', "invalid_request", "no field `known.pbe_gap`"),
        ('{"structure": "x", "format": "pdb"}', "unsupported_format", "cif, poscar"),
        (json.dumps({"structure": "x" * (MAX_STRUCTURE_CHARS + 1)}), "payload_too_large", "longer"),
        (json.dumps({"structure": "x", "description": "y" * (MAX_DESCRIPTION_CHARS + 1)}), "text_too_long", "longer"),
    ],
)
def test_a_request_that_is_not_as_documented_is_refused_by_name(body: str, code: str, says: str) -> None:
    failure = failure_of(PredictRequest, body)
    assert failure.error.code == code
    assert says in failure.error.message
    assert failure.error.hint
    assert len(failure.error.message) < 300


def test_defaults_are_those_of_the_contract() -> None:
    request = PredictRequest(structure="x")
    defaults = {"format": None, "description": None, "describe": False, "known": None, "atoms": True}
    defaults |= {"explain": False, "sensitivity": False}
    assert request.model_dump() == {"structure": "x", **defaults}


def test_a_bad_item_of_a_batch_becomes_its_own_failure() -> None:
    batch = BatchRequest.model_validate_json(
        '{"items": [{"structure": "a"}, {"structure": 1}, 3, {"structure": "b", "format": "pdb"}]}'
    )
    kinds = [item.error.code if isinstance(item, Failure) else item.structure for item in batch.items]
    assert kinds == ["a", "invalid_request", "invalid_request", "unsupported_format"]


def test_too_many_items_and_none_at_all() -> None:
    many = json.dumps({"items": [{"structure": "x"}] * (MAX_ITEMS + 1)})
    assert failure_of(BatchRequest, many).error.code == "too_many_items"
    assert failure_of(BatchRequest, '{"items": []}').error.code == "invalid_request"
    assert failure_of(BatchRequest, '{"items": [], "more": 1}').error.code == "invalid_request"


def test_every_code_has_a_status_a_hint_and_a_place_in_the_documentation() -> None:
    codes = set(get_args(ErrorCode))
    assert codes == set(STATUS) == set(HINTS)
    assert set(STRUCTURE_ERROR_CODES) | set(DESCRIPTION_ERROR_CODES) <= codes
    text = (ROOT / "docs" / "errors.md").read_text()
    documented = {
        (code, int(status))
        for code, status in re.findall(r"^\| `(\w+)` \| (\d{3})(?:, \d{3})* \|", text, flags=re.MULTILINE)
    }
    assert documented == set(STATUS.items())
    assert all(f"`{code}`" in text for code in ARTIFACT_ERROR_CODES)
    assert set(RETRY_AFTER_S) == {"overloaded", "not_ready"}


def test_an_unknown_code_is_an_internal_error() -> None:
    assert Failure.make("surprise", "message").error.code == "internal"


def test_a_failure_keeps_its_shape() -> None:
    failure = Failure.make("timeout", "It took too long.")
    assert failure.model_dump() == {
        "error": {"code": "timeout", "message": "It took too long.", "hint": HINTS["timeout"]}
    }
    assert failure.at(3).model_dump()["error"]["index"] == 3
    assert status_of(failure) == 504


@pytest.mark.parametrize(
    ("gap", "kind"),
    [
        (0.0, "metal"),
        (0.0999, "metal"),
        (0.1, "semiconductor"),
        (3.999, "semiconductor"),
        (4.0, "insulator"),
        (9.0, "insulator"),
    ],
)
def test_kinds_change_at_the_documented_gaps(gap: float, kind: str) -> None:
    assert kind_of(gap) == kind
    text = (ROOT / "docs" / "api.md").read_text()
    assert f"below {METAL_BELOW_EV:g} eV" in text
    assert f"from {INSULATOR_FROM_EV:g} eV" in text


def test_the_api_page_shows_the_answer_and_names_every_field() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    [example] = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    # What stands in it is held by tests/cli/test_cli_samples.py.
    [shown] = json.loads(example)
    assert list(shown) == list(Prediction.model_fields)
    Prediction.model_validate(shown)
    for model in (PredictRequest, Prediction):
        for name in model.model_fields:
            assert f"`{name}`" in text, name
