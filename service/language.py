"""In which language errors and warnings are told: what a client asks for with ``Accept-Language``, else English."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeVar

from hsegap.prediction.chinese import failure_in_chinese, warning_in_chinese
from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import BatchResponse, GeneratedDescription, Prediction

if TYPE_CHECKING:
    from pydantic import BaseModel

Language = Literal["en", "zh"]
Answer = TypeVar("Answer", bound="BaseModel")

#: Longest header that is looked at; browsers send some 50 characters.
_MAX_HEADER = 400

#: The language of the request that is being answered.
LANGUAGE: ContextVar[Language] = ContextVar("LANGUAGE", default="en")


def preferred(header: str) -> Language:
    """The language of ours that an ``Accept-Language`` header likes best (RFC 9110, 12.5.4).

    Args:
        header: Its value, for instance ``zh-CN,zh;q=0.9,en;q=0.8``; empty for none.
    """
    best: tuple[float, Language] = (0.0, "en")
    for part in header[:_MAX_HEADER].split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        language: Language | None = "zh" if name.split("-")[0] == "zh" else "en" if name.split("-")[0] == "en" else None
        weight = _weight(parameters)
        if language is not None and weight > best[0]:
            best = (weight, language)
    return best[1]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def told(answer: Answer) -> Answer:
    """The answer with the sentences of its errors and warnings in the language of the request. Codes stay."""
    if LANGUAGE.get() == "en":
        return answer
    if isinstance(answer, Failure):
        return failure_in_chinese(answer)
    if isinstance(answer, BatchResponse):
        return answer.model_copy(update={"items": [told(item) for item in answer.items]})
    if isinstance(answer, Prediction | GeneratedDescription):
        return answer.model_copy(update={"warnings": [warning_in_chinese(warning) for warning in answer.warnings]})
    return answer
