"""How answers drifted from one artifact to another: what the table counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.drift import standard_error, table


def test_each_kind_of_crystal_has_its_row_and_only_common_ids_count() -> None:
    old = pd.DataFrame(
        {
            "id": ["a", "b", "m", "only old"],
            "hse_gap_ev": [2.0, 3.0, 0.0, 1.0],
            "without": [2.5, 3.0, 0.2, 9.0],
            "given": [2.5, np.nan, 0.2, 9.0],
        }
    )
    new = pd.DataFrame(
        {"id": ["m", "b", "a"], "hse_gap_ev": [0.0, 3.0, 2.0], "without": [0.0, 3.0, 3.6], "given": [0.1, 3.0, 2.5]}
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table(old, new).splitlines()[2:]]
    assert [row[:9] for row in rows] == [
        ["with a gap", "nothing", "2", "0.550", "0.550", "50.0%", "50.0%", "0.250", "0.800"],
        ["with a gap", "the file's description", "1", "0.000", "0.000", "0.0%", "0.0%", "0.500", "0.500"],
        ["without", "nothing", "1", "0.200", "0.200", "0.0%", "0.0%", "0.200", "0.000"],
        ["without", "the file's description", "1", "0.100", "0.100", "0.0%", "0.0%", "0.200", "0.100"],
    ]
    assert rows[0][9].startswith("+0.550 ± ")
    assert rows[2][9] == "-0.200 ± 0.000"


def test_the_standard_error_is_that_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(size=400)
    assert standard_error(values) == pytest.approx(values.std() / 20, rel=0.05)
