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
    return trainer(root, tiny_encoder, tmp_path)


@pytest.fixture(scope="module")
def run_once(root, tiny_encoder, tmp_path_factory):
    """Like ``train``, for runs that several tests of a file compare with: each set of options is trained once.
    Tests leave its folder as it is.
    """
    done = {}

    def run(**values):
        key = tuple(sorted(values.items()))
        if key not in done:
            train = trainer(root, tiny_encoder, tmp_path_factory.mktemp("run"))
            done[key] = (train(**values), train.lines)
        folder, run.lines = done[key]
        return folder

    return run


def trainer(root, encoder, place):
    """A function that trains with some options changed and keeps in ``lines`` what the last run said."""

    def run(**values):
        options = options_from(small_training(root, place) | values)
        run.lines.clear()
        return run_training(options, load_encoder=lambda _options: TextEncoder.load(encoder), report=run.lines.append)

    run.lines = []
    return run
