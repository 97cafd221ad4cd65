"""A description that states a gap is encoded in training as it is in serving: without the sentence that states it."""

from __future__ import annotations

import numpy as np

from hsegap.text import TextEncoder, VectorCache
from hsegap.training.dataset import TextVectors

TEXT = "NaCl is Halite, Rock Salt structured."


def test_stated_gaps_do_not_reach_the_encoder(tiny_encoder, tmp_path):
    encoder = TextEncoder.load(tiny_encoder)
    texts = [TEXT, f"{TEXT} The HSE06 gap is 6.5 eV.", f"{TEXT} PBE gap: 5 eV", "PBE gap: 5 eV", None]
    vectors = TextVectors.encode(texts, encoder, cache=VectorCache(tmp_path / "vectors"), all_tokens=False)
    assert vectors.which.tolist() == [0, 0, 0, -1, -1]
    np.testing.assert_array_equal(vectors.vectors[0][0], encoder.pooled(TEXT))
