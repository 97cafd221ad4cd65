"""A large crystal that is alone gets more than one thread, and the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from hsegap.artifact.artifact import Artifact
from hsegap.prediction.loaded import Loaded
from hsegap.prediction.network import MOST_KEPT, Network, NetworkInput
from hsegap.structures import Crystal, build_graph


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load()


def shaken(repeats: int, artifact: Artifact) -> NetworkInput:
    """Rock salt, each atom a little off its place, so many cells in each direction."""
    random = np.random.default_rng(repeats)
    cells = np.array(list(np.ndindex(repeats, repeats, repeats)), dtype=float)
    sodium = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    cell = np.concatenate([sodium, sodium + np.array([0.5, 0, 0])])
    places = (cells[:, None] + cell[None] + 0.01 * random.normal(size=(len(cells), 8, 3))).reshape(-1, 3) / repeats
    crystal = Crystal(5.6 * repeats * np.eye(3), places % 1.0, np.tile([11] * 4 + [17] * 4, len(cells)))
    setting = artifact.manifest.graph.model_dump(include={"flavour", "cutoff", "max_neighbors"})
    nothing = np.zeros((1, artifact.manifest.text_encoder.width), dtype=np.float32)
    return NetworkInput(build_graph(crystal, **setting), nothing, has_text=False)


def test_several_threads_give_the_numbers_of_one_to_the_last_bit(artifact):
    item = shaken(3, artifact)
    assert len(item.graph.line_src) > MOST_KEPT
    one = Network(artifact).run(item)
    several = Network(artifact, threads_alone=2, alone=lambda: True)
    found = several.run(item)
    assert several._wide is not None
    for mine, other in zip(found, one, strict=True):
        assert np.array_equal(np.asarray(mine, dtype=object), np.asarray(other, dtype=object))


def test_a_small_crystal_and_one_that_is_not_alone_get_one_thread(artifact):
    network = Network(artifact, threads_alone=2, alone=lambda: True)
    network.run(shaken(1, artifact))
    assert network._wide is None
    crowded = Network(artifact, threads_alone=2)
    crowded.run(shaken(3, artifact))
    assert crowded._wide is None


def test_what_waits_counts_as_not_alone(artifact):
    loaded = Loaded(artifact, threads_alone=2)
    try:
        network = loaded.network()
        assert loaded.compute(network._alone)
        assert not loaded.compute(lambda: loaded.compute(network._alone, patient=True))
        assert loaded.compute(network._alone)
    finally:
        loaded.close()
