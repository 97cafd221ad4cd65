"""The nearest training crystals: found by a product, listed with exact distances."""

from __future__ import annotations

import numpy as np
import pytest

from hsegap.prediction.nearest import LISTED, TRIED, Known


def table(count: int, random: np.random.Generator) -> Known:
    return Known(
        ids=[f"mp-{place}" for place in range(count)],
        formulas=["Si"] * count,
        scores=random.normal(size=(count, 24)).astype(np.float32),
        space_group=np.full(count, 227, dtype=np.uint8),
        hse_gap_ev=random.random(count).astype(np.float32),
        pbe_gap_ev=np.full(count, np.nan, dtype=np.float32),
    )


@pytest.mark.parametrize("count", [1, LISTED, TRIED, TRIED + 1, 8 * TRIED + 3, 3000])
def test_those_listed_are_those_of_a_search_through_all(count):
    random = np.random.default_rng(count)
    known = table(count, random)
    for near in (0.0, 0.01, 1.0):
        scores = known.scores[count // 2] + near * random.normal(size=24)
        squares = np.mean((known.scores - scores.astype(np.float32)) ** 2, axis=1)
        expected = np.argsort(squares, kind="stable")[:LISTED]
        found = known.nearest(scores)
        assert [entry.id for entry in found] == [known.ids[place] for place in expected]
        assert [entry.distance for entry in found] == [float(np.sqrt(squares[place])) for place in expected]


def test_crystals_equally_near_keep_the_order_of_the_table():
    known = table(100, np.random.default_rng(0))
    known.scores[[70, 20, 50]] = 0.0
    assert [entry.id for entry in known.nearest(np.zeros(24))][:3] == ["mp-20", "mp-50", "mp-70"]
