"""In which language errors and warnings are told: what a client asks for with ``Accept-Language``, else English."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from hsegap.prediction.chinese import failure_in_chinese, warning_in_chinese
from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import BatchResponse, GeneratedDescription, Prediction
from hsegap.prediction.what_if import SwapReport, WhatIf

if TYPE_CHECKING:
    from pydantic import BaseModel

    from hsegap.prediction.language import Language


#: The language of the request that is being answered.
LANGUAGE: ContextVar[Language] = ContextVar("LANGUAGE", default="en")


def told(answer: BaseModel) -> BaseModel:
    """The answer with the sentences of its errors and warnings in the language of the request. Codes stay."""
    if LANGUAGE.get() == "en":
        return answer
    if isinstance(answer, Failure):
        return failure_in_chinese(answer)
    if isinstance(answer, BatchResponse):
        return answer.model_copy(update={"items": [told(item) for item in answer.items]})
    if isinstance(answer, WhatIf):
        curve = answer.strain
        if curve is not None:
            warnings = [[warning_in_chinese(warning) for warning in each] for each in curve.warnings]
            curve = curve.model_copy(update={"warnings": warnings})
        return answer.model_copy(update={"strain": curve, "swaps": [told(swap) for swap in answer.swaps]})
    if isinstance(answer, Prediction | GeneratedDescription | SwapReport):
        return answer.model_copy(update={"warnings": [warning_in_chinese(warning) for warning in answer.warnings]})
    return answer
