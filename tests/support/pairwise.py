"""Few combinations of many options in which every two values still meet."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: A value of each factor, by the factor's name.
Row = dict[str, str]
#: Two factors, each with one of its values.
Pair = tuple[tuple[str, str], tuple[str, str]]
#: Rows tried for each one that is taken.
TRIED = 5


def pairs_of(row: Mapping[str, str]) -> set[Pair]:
    """Every two values of a row."""
    return set(itertools.combinations(sorted(row.items()), 2))


def all_pairs(factors: Mapping[str, Sequence[str]]) -> set[Pair]:
    """Every two values of different factors."""
    return {
        pair
        for one, other in itertools.combinations(sorted(factors), 2)
        for pair in itertools.product(((one, value) for value in factors[one]), ((other, v) for v in factors[other]))
    }


def pairwise(factors: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows in which all pairs of values occur; the same ones on every run.

    Greedy: each row starts from a pair that is missing and takes, factor by factor, the value that adds most.
    """
    draw = random.Random(0)
    missing, rows = all_pairs(factors), []
    while missing:
        best = max(
            (_filled(factors, missing, draw) for _ in range(TRIED)), key=lambda row: len(missing & pairs_of(row))
        )
        missing -= pairs_of(best)
        rows.append(best)
    return rows


def _filled(factors: Mapping[str, Sequence[str]], missing: set[Pair], draw: random.Random) -> Row:
    row: Row = dict(draw.choice(sorted(missing)))
    others = sorted(factors.keys() - row.keys())
    for name in draw.sample(others, len(others)):
        values = draw.sample(factors[name], len(factors[name]))
        row[name] = max(values, key=lambda value: len(missing & pairs_of({**row, name: value})))
    return {name: row[name] for name in factors}


def each_value(rows: Iterable[Row], *, made: Iterable[Row] = ()) -> list[Row]:
    """Of some rows so many that every value is among them or in what is made already.

    Always the one with most values that are missing is taken.
    """
    rows, taken = list(rows), []
    missing = {item for row in rows for item in row.items()} - {item for row in made for item in row.items()}
    while missing:
        best = max(rows, key=lambda row: len(missing & row.items()))
        missing -= best.items()
        taken.append(best)
    return taken
