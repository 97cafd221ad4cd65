"""The OpenAPI document: every route, what it takes, what it gives, and each error it may answer with.

BentoML's own document knows neither the GET routes nor the shape of the errors, so this one is built from the same
pydantic classes that check requests and write answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from hsegap.prediction.errors import HINTS, Failure
from hsegap.prediction.schemas import (
    BatchRequest,
    BatchResponse,
    DescribeRequest,
    GeneratedDescription,
    ModelInfo,
    Prediction,
    PredictRequest,
)
from hsegap.prediction.what_if import WhatIf, WhatIfRequest
from hsegap.service.statuses import RETRY_AFTER_S, STATUS
from hsegap.structures.errors import DESCRIPTION_ERROR_CODES, STRUCTURE_ERROR_CODES

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hsegap.service.settings import Settings

REF = "#/components/schemas/{model}"
#: Errors any route that works on a crystal may answer with.
WORK_CODES = (
    "invalid_request",
    "forbidden",
    "payload_too_large",
    "unsupported_media_type",
    "overloaded",
    "not_ready",
    "timeout",
    "internal",
)

SILICON = """data_Si
_symmetry_space_group_name_H-M 'P 1'
_cell_length_a 5.431
_cell_length_b 5.431
_cell_length_c 5.431
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Si 0 0 0
Si 0.25 0.25 0.25
Si 0.5 0.5 0
Si 0.75 0.75 0.25
Si 0.5 0 0.5
Si 0.75 0.25 0.75
Si 0 0.5 0.5
Si 0.25 0.75 0.75
"""


def openapi_document(settings: Settings) -> dict[str, Any]:
    """The document ``/docs.json`` answers with, OpenAPI 3.1.

    Args:
        settings: Tell whether a token is asked for.
    """
    paths = _paths()
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "hsegap",
            "version": "1",
            "summary": "HSE06 band gaps of crystals, from a structure and an optional description.",
            "description": "Structures and texts travel as JSON strings. Every error has one shape: see `Failure`.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if settings.secured:
        for path in paths.values():
            for operation in path.values():
                if operation.get("security") != []:
                    operation["responses"].update(_errors(("unauthorized",)))
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _paths() -> dict[str, Any]:
    """Every route, as if no token were asked for."""
    one = {"structure": SILICON, "format": "cif", "description": None, "describe": False, "known": None, "atoms": True}
    one |= {"explain": False, "sensitivity": False}
    posts = {
        "/predict": _post(
            "predict",
            "Predict the band gap of one crystal.",
            takes=PredictRequest,
            gives=Prediction,
            example=one,
            codes=(*STRUCTURE_ERROR_CODES, *DESCRIPTION_ERROR_CODES, "text_too_long", "gap_out_of_range", *WORK_CODES),
        ),
        "/predict_batch": _post(
            "predict_batch",
            "Predict many crystals. The answer holds one prediction or error per item, in order; "
            "a bad item costs its neighbours nothing.",
            takes=BatchRequest,
            gives=BatchResponse,
            example={"items": [one]},
            codes=("too_many_items", *WORK_CODES),
        ),
        "/describe": _post(
            "describe",
            "Describe one crystal in robocrystallographer's wording. Takes seconds; the first call some 15 s more.",
            takes=DescribeRequest,
            gives=GeneratedDescription,
            example={"structure": SILICON, "format": "cif"},
            codes=(*STRUCTURE_ERROR_CODES, *DESCRIPTION_ERROR_CODES, *WORK_CODES),
        ),
    }
    posts |= {
        "/what_if": _post(
            "what_if",
            "Predict one crystal strained by -3 to +3 %, and with elements swapped. Some two dozen predictions, "
            "counted as a batch.",
            takes=WhatIfRequest,
            gives=WhatIf,
            example={"structure": SILICON, "format": "cif", "strain": "c", "swaps": [{"element": "Si", "by": "Ge"}]},
            codes=(*STRUCTURE_ERROR_CODES, "text_too_long", "gap_out_of_range", *WORK_CODES),
        ),
    }
    about, closed = _json(ModelInfo), ("forbidden",)
    document = {"application/json": {"schema": {"type": "object"}}}
    ready = "200 once the artifact is verified, until the server stops."
    return posts | {
        "/model": _get("model", "What is known about the artifact that answers.", about, ("forbidden", "not_ready")),
        "/docs.json": _get("docs", "This document.", document, closed),
        "/livez": _get("livez", "200 while the process lives.", _text(), (), open_to_all=True),
        "/healthz": _get("healthz", "The same as /livez.", _text(), (), open_to_all=True),
        "/readyz": _get("readyz", ready, _text(), ("not_ready",), open_to_all=True),
        "/metrics": _get("metrics", "Prometheus metrics.", _text(), closed),
    }


def _schemas() -> dict[str, Any]:
    """What requests and answers look like."""
    classes: list[type[BaseModel]] = [PredictRequest, BatchRequest, DescribeRequest, WhatIfRequest]
    answers: list[type[BaseModel]] = [Prediction, BatchResponse, GeneratedDescription, WhatIf, ModelInfo, Failure]
    # The validation schema describes answers too: serialisers that leave an absent field out hide the others from the
    # other one.
    modes: Any = [(cls, "validation") for cls in (*classes, *answers)]
    _, definitions = models_json_schema(modes, ref_template=REF)
    found: dict[str, Any] = definitions["$defs"]
    return found


def _post(
    name: str,
    summary: str,
    *,
    takes: type[BaseModel],
    gives: type[BaseModel],
    example: dict[str, Any],
    codes: tuple[str, ...],
) -> dict[str, Any]:
    body = {
        "required": True,
        "content": {"application/json": {"schema": _ref(takes), "examples": {"silicon": {"value": example}}}},
    }
    slow = {"408": {"description": "`timeout`: The body did not arrive in time.", "content": _json(Failure)}}
    responses = {"200": {"description": "The answer.", "content": _json(gives)}, **_errors(codes), **slow}
    return {"post": {"operationId": name, "summary": summary, "requestBody": body, "responses": responses}}


def _get(
    name: str, summary: str, content: dict[str, Any], codes: tuple[str, ...], *, open_to_all: bool = False
) -> dict[str, Any]:
    responses = {"200": {"description": "The answer.", "content": content}, **_errors(codes)}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if open_to_all:
        operation["security"] = []
    return {"get": operation}


def _ref(cls: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REF.format(model=cls.__name__)}


def _json(cls: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(cls)}}


def _text() -> dict[str, Any]:
    return {"text/plain": {"schema": {"type": "string"}}}


def _errors(codes: tuple[str, ...]) -> dict[str, Any]:
    """One response per status, listing its codes with what to do about each."""
    responses: dict[str, Any] = {}
    for code in codes:
        status = str(STATUS[code])
        response = responses.setdefault(status, {"description": "", "content": _json(Failure)})
        response["description"] += f"{'' if not response['description'] else ' '}`{code}`: {HINTS[code]}"
        if code in RETRY_AFTER_S:
            response["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return responses
