"""Which of our languages a reader wants: what ``Accept-Language`` says, else English."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

#: Longest header that is looked at; browsers send some 50 characters.
_MAX_HEADER = 400


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
