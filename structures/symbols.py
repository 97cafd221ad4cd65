"""Element symbols and atomic numbers."""

from __future__ import annotations

from functools import lru_cache

#: Deuterium and tritium, which some files tell from hydrogen.
MASSES_OF_HYDROGEN = {"D", "T"}


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
