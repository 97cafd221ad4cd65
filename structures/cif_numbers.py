"""Numbers as CIFs write them."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?:\([\d.]*\))?")
_FRACTION = re.compile(r"([+-]?\d{1,4})/(\d{1,4})")


def number_of(value: str) -> float | None:
    """A CIF number, with its uncertainty in brackets taken off, or a fraction such as 1/3.

    None for ``.``, ``?`` and anything else.
    """
    found = _NUMBER.fullmatch(value)
    if found:
        number = float(found[1])
        return number if math.isfinite(number) else None
    fraction = _FRACTION.fullmatch(value)
    return int(fraction[1]) / int(fraction[2]) if fraction and int(fraction[2]) else None


def numbers_in(column: Sequence[str]) -> list[float | None]:
    """The numbers of a column."""
    try:
        numbers = [float(value) for value in column]
    except ValueError:
        return [number_of(value) for value in column]
    # float() knows words and underscores that are no numbers here.
    plain = math.isfinite(math.fsum(numbers)) and "_" not in "".join(column)
    return list(numbers) if plain else [number_of(value) for value in column]
