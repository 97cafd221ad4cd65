"""Element symbols and atomic numbers."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Deuterium and tritium, which some files tell from hydrogen.
MASSES_OF_HYDROGEN = {"D", "T"}
#: Density of one atomic mass unit in one Å³, g/cm³.
GRAM_PER_CM3 = 1.66053906892


@lru_cache(maxsize=1)
def element_numbers() -> dict[str, int]:
    """Atomic number of every element symbol, deuterium and tritium included."""
    import gemmi

    numbers = {gemmi.Element(number).name: number for number in range(1, 119)}
    return numbers | dict.fromkeys(MASSES_OF_HYDROGEN, 1)


@lru_cache(maxsize=1)
def element_symbols() -> dict[int, str]:
    """Element symbol of every atomic number."""
    return {number: symbol for symbol, number in element_numbers().items() if symbol not in MASSES_OF_HYDROGEN}


def mass_of(symbols: Iterable[str]) -> float:
    """Mass of atoms together, u."""
    return math.fsum(map(_mass, symbols))


@lru_cache(maxsize=256)
def _mass(symbol: str) -> float:
    import gemmi

    return float(gemmi.Element(symbol).weight)
