"""The HTTP side of errors: the status of each code, and when trying again helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.structures.errors import DESCRIPTION_ERROR_CODES, STRUCTURE_ERROR_CODES

if TYPE_CHECKING:
    from hsegap.prediction.errors import Failure

#: HTTP status of each code. A batch answers 200 and carries the failures of its items inside.
STATUS: dict[str, int] = {
    **dict.fromkeys((*STRUCTURE_ERROR_CODES, *DESCRIPTION_ERROR_CODES), 422),
    **dict.fromkeys(("text_too_long", "gap_out_of_range", "too_many_items"), 422),
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "overloaded": 429,
    "not_ready": 503,
    "timeout": 504,
    "internal": 500,
}
#: Seconds a client should wait before it tries again, for the codes where trying again helps.
RETRY_AFTER_S: dict[str, int] = {"overloaded": 1, "not_ready": 2}


def status_of(failure: Failure) -> int:
    """HTTP status that a failure is answered with."""
    return STATUS[failure.error.code]
