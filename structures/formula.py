"""The reduced formula of a crystal, in the order and with the groups of atoms that pymatgen writes: ``Ca(ClO3)2``.

pymatgen itself takes longer to import than all else that a CIF needs to be read, and `hsegap predict` would wait for
it. Its electronegativities and its rules stand here; the tests compare with it.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from hsegap.structures.symbols import element_symbols

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Pauling's electronegativity by atomic number, from 1; nan where there is none.
_NEGATIVITY = (
    "2.2 nan 0.98 1.57 2.04 2.55 3.04 3.44 3.98 nan 0.93 1.31 1.61 1.9 2.19 2.58 3.16 nan 0.82 1 1.36 1.54 "
    "1.63 1.66 1.55 1.83 1.88 1.91 1.9 1.65 1.81 2.01 2.18 2.55 2.96 3 0.82 0.95 1.22 1.33 1.6 2.16 1.9 2.2 "
    "2.28 2.2 1.93 1.69 1.78 1.96 2.05 2.1 2.66 2.6 0.79 0.89 1.1 1.12 1.13 1.14 1.13 1.17 1.2 1.2 1.1 1.22 "
    "1.23 1.24 1.25 1.1 1.27 1.3 1.5 2.36 1.9 2.2 2.2 2.28 2.54 2 1.62 2.33 2.02 2 2.2 2.2 0.7 0.9 1.1 1.3 "
    "1.5 1.38 1.36 1.28 1.3 1.3 1.3 1.3 1.3 1.3 1.3 1.3 1.3 "
)
#: Elements farther apart than this are no group.
_GROUPED_WITHIN = 1.65
#: Molecules and peroxides keep their number of atoms.
_WHOLE = {f"{element}O": f"{element}2O2" for element in ("Li", "Na", "K", "H", "Cs", "Rb")} | {
    element: f"{element}2" for element in ("O", "N", "F", "Cl", "H")
}


def reduced_formula(symbols: Sequence[str]) -> str:
    """Write the elements in the order of their electronegativity, with the smallest whole numbers.

    The two most electronegative of three and more elements form a group where they are near each other, as ClO3 does.

    Args:
        symbols: Element of each atom.
    """
    counts = Counter(symbols)
    negativity = _negativities()
    # Elements without one come last, then the alphabet decides.
    order = sorted(counts, key=lambda symbol: (_or_infinity(negativity[symbol]), symbol))
    common = math.gcd(*counts.values())
    group = ""
    if len(order) > 2 and negativity[order[-1]] - negativity[order[-2]] < _GROUPED_WITHIN:
        pair = {symbol: counts[symbol] // common for symbol in order[-2:]}
        times = math.gcd(*pair.values())
        if times > 1:
            group = f"({_joined({symbol: count // times for symbol, count in pair.items()})}){times}"
            order = order[:-2]
    formula = _joined({symbol: counts[symbol] // common for symbol in order}) + group
    return _WHOLE.get(formula, formula)


def _joined(counts: Mapping[str, int]) -> str:
    return "".join(f"{symbol}{count if count > 1 else ''}" for symbol, count in counts.items())


def _or_infinity(value: float) -> float:
    return math.inf if math.isnan(value) else value


@lru_cache(maxsize=1)
def _negativities() -> dict[str, float]:
    """By symbol; nan where there is none."""
    stated = dict(enumerate(map(float, "".join(_NEGATIVITY).split()), start=1))
    return {symbol: stated.get(number, math.nan) for number, symbol in element_symbols().items()}
