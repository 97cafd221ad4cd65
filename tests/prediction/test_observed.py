"""Features and distances that an error is estimated from, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from hsegap.prediction.observed import Reference, plain_features


def test_a_distance_is_counted_from_the_mean_of_training_in_its_own_units() -> None:
    reference = Reference(np.array([1.0, -2.0]), np.diag([2.0, 0.5]), 1.0)
    np.testing.assert_allclose(reference.scores(np.array([1.0, -2.0])), [0.0, 0.0])
    np.testing.assert_allclose(reference.scores(np.array([2.0, 2.0])), [2.0, 2.0])
    assert not reference.is_far(np.array([1.1, -2.0]))
    assert reference.is_far(np.array([3.0, 6.0]))


def features(**changed: object) -> list[float]:
    given = {
        "gap_raw_ev": 1.5,
        "gap_without_text_ev": 1.0,
        "n_atoms": 8,
        "with_text": True,
        "embedding_distance": 2.0,
        "fingerprint_distance": 3.0,
    }
    return plain_features(**given | changed)


def test_a_text_shows_in_the_features_by_whether_it_is_there_and_what_it_changes() -> None:
    assert features(gap_without_text_ev=1.0)[4] == features(gap_without_text_ev=2.0)[4], (
        "the change counts, not its sign"
    )
    assert features(gap_without_text_ev=1.0)[4] > features(gap_without_text_ev=1.4)[4]
    assert [features(with_text=told)[5] for told in (True, False)] == [1.0, 0.0]
    # Without a text nothing is compared, whatever the numbers are.
    assert features(with_text=False)[4] == features(with_text=False, gap_without_text_ev=0.0)[4] == 0.0


def test_gaps_below_zero_are_none_and_small_ones_have_a_feature_of_their_own() -> None:
    assert features(gap_raw_ev=-0.3)[1:3] == [0.0, 0.5]
    assert features(gap_raw_ev=0.2)[1:3] == [0.2, pytest.approx(0.3)]
    assert features(gap_raw_ev=2.0)[1:3] == [2.0, 0.0]
    assert features()[3] == pytest.approx(np.log(8))
    assert features()[6:8] == [pytest.approx(np.log(2)), pytest.approx(np.log(3))]
