"""Short trainings on the textbook crystals."""

from __future__ import annotations

import pytest

from hsegap.text import TextEncoder
from hsegap.training.options import options_from
from hsegap.training.run import run_training
from support.small_data import small_training, write_jarvis


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_jarvis(tmp_path_factory.mktemp("data"))


@pytest.fixture
def train(root, tiny_encoder, tmp_path):
    """Run a small training with some options changed; the folder of its results,
    and ``train.lines`` for what it said.
    """

    def run(**values):
        options = options_from(small_training(root, tmp_path) | values)
        run.lines.clear()
        return run_training(
            options, load_encoder=lambda _options: TextEncoder.load(tiny_encoder), report=run.lines.append
        )

    run.lines = []
    return run
