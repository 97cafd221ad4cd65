"""Structure before content: how deep and how long a JSON body may be, counted while it arrives.

A parser makes an object of every key before anybody can look at it, and stops the whole server meanwhile. Here only
brackets, commas and quotes are looked at, chunk by chunk as they come from the socket, and a body that holds too many
of them is refused at once.
"""

from __future__ import annotations

import json
import re
from typing import Any

from hsegap.prediction.errors import Failure

#: Far above what any request has: an item of a batch has two levels and at most a dozen values.
MAX_DEPTH = 16
MAX_VALUES = 16_384
_OUTSIDE = re.compile(rb'["{}\[\],]')
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)


class StructureCount:
    """Counts the structure of one JSON text.

    Args:
        max_values: Most keys and items together.
    """

    def __init__(self, *, max_values: int = MAX_VALUES) -> None:
        self.values = 0
        self._max_values = max_values
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, chunk: bytes) -> Failure | None:
        """Take the next bytes; the failure once there is too much."""
        at, end = 0, len(chunk)
        while at < end:
            if self._in_string:
                at = self._skip_string(chunk, at)
                continue
            found = _OUTSIDE.search(chunk, at)
            if found is None:
                return None
            at = found.end()
            mark = found[0]
            if mark == b'"':
                self._in_string = True
            elif mark in b"{[":
                self._depth += 1
                self.values += 1
                if self._depth > MAX_DEPTH:
                    return _refused(f"The JSON is nested more than {MAX_DEPTH} levels deep.")
            elif mark in b"}]":
                self._depth -= 1
            else:
                self.values += 1
            if self.values > self._max_values:
                return _refused(f"The JSON has more than {self._max_values} values.")
        return None

    def _skip_string(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        rest = _STRING_REST.match(chunk, at)
        at = rest.end() if rest is not None else at
        if at < len(chunk):
            if chunk[at : at + 1] == b'"':
                self._in_string = False
            else:  # a backslash whose letter comes with the next chunk
                self._escaped = True
            at += 1
        return at


def _refused(message: str) -> Failure:
    return Failure.make(
        "invalid_request", message, "Compare the request with docs/api.md; a batch has `items` and nothing else."
    )


class _DuplicateKeyError(ValueError):
    """A key stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def parsed(body: bytes) -> Any | Failure:
    """The value of a body that :class:`StructureCount` has let pass, or why it is none.

    Two keys of one name are refused: of two answers a reader could give, each takes another. So are NaN and Infinity,
    which JSON has not.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except _DuplicateKeyError:
        return Failure.make("invalid_request", "A key stands twice in one object of the JSON.", "Send each field once.")
    except (ValueError, RecursionError):
        return Failure.make(
            "invalid_request", "The body is not valid JSON.", "Send one JSON object in UTF-8; see docs/api.md."
        )
