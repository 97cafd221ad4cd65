"""The published network's outputs on real crystals come out of ours, alone and in batches, gap and maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hsegap.models import collate, load_checkpoint, read_checkpoint

pytestmark = [pytest.mark.shared_data, pytest.mark.usefixtures("one_thread")]
NAMES = ("recommended", "no_middle_concat", "fine_grained_adaptive")
TOLERANCE = 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_the_published_gaps_and_maps(published, name):
    network = load_checkpoint(published.checkpoint(name))
    with torch.no_grad():
        output = network(published.batch(), torch.from_numpy(published.tokens), torch.from_numpy(published.mask))
    np.testing.assert_allclose(output.gap.numpy(), published.answers(name)["gap"], atol=TOLERANCE)
    np.testing.assert_allclose(output.gates.numpy(), published.maps(name, "gate"), atol=TOLERANCE)
    np.testing.assert_allclose(output.importance.numpy(), published.maps(name, "importance"), atol=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_single_crystals_give_the_published_gaps_and_maps(published, name):
    network = load_checkpoint(published.checkpoint(name))
    gate, importance = published.maps(name, "gate"), published.maps(name, "importance")
    first = 0
    for index, graph in enumerate(published.graphs):
        tokens, mask = (
            torch.from_numpy(published.tokens[index : index + 1]),
            torch.from_numpy(published.mask[index : index + 1]),
        )
        with torch.no_grad():
            output = network(collate([graph]), tokens, mask)
        atoms = slice(first, first + len(graph.atomic_numbers))
        first = atoms.stop
        assert abs(float(output.gap) - published.answers(name)["gap"][index]) < TOLERANCE
        np.testing.assert_allclose(output.gates.numpy(), gate[atoms], atol=TOLERANCE)
        np.testing.assert_allclose(output.importance.numpy(), importance[atoms], atol=TOLERANCE)


def test_the_references_reach_every_kind_of_map(published):
    assert published.maps("recommended", "gate").shape[1] == published.maps("recommended", "importance").shape[1] == 1
    assert np.ptp(published.maps("recommended", "gate")) > 1e-3
    assert np.ptp(published.answers("recommended")["gap"]) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_training_plans_give_the_published_gaps(published, name):
    network = load_checkpoint(published.checkpoint(name))
    with torch.no_grad():
        output = network(
            collate(published.graphs, for_training=True),
            torch.from_numpy(published.tokens),
            torch.from_numpy(published.mask),
        )
    np.testing.assert_allclose(output.gap.numpy(), published.answers(name)["gap"], atol=TOLERANCE)


@pytest.mark.parametrize("name", NAMES)
def test_without_its_config_a_published_checkpoint_gives_the_same_gaps(published, name, tmp_path):
    """Everything but head counts shows in names and shapes;
    the fine-grained reference has the family's default of 8 heads, or is told.
    """
    content = torch.load(published.checkpoint(name), weights_only=True)
    torch.save({"model": content["model"]}, tmp_path / "bare.pt")
    heads = content["config"].get("fine_grained_num_heads")
    overrides = (
        {"fine_grained_num_heads": str(heads)}
        if heads and content["config"].get("use_fine_grained_attention")
        else None
    )
    loaded = read_checkpoint(tmp_path / "bare.pt", overrides=overrides)
    assert any("no config" in line for line in loaded.assumed)
    with torch.no_grad():
        output = loaded.network(published.batch(), torch.from_numpy(published.tokens), torch.from_numpy(published.mask))
    np.testing.assert_allclose(output.gap.numpy(), published.answers(name)["gap"], atol=TOLERANCE)


@pytest.mark.parametrize("end", ["src", "dst"])
def test_a_wrong_summing_direction_would_show(published, monkeypatch, end):
    """Summing at the source loads old weights without an error; these references tell it from the right network."""

    def summed(values, edges):
        nodes = edges.incoming.shape[0]
        return values.new_zeros(nodes, values.shape[1]).index_add(0, getattr(edges, end), values)

    network = load_checkpoint(published.checkpoint("recommended"))
    monkeypatch.setattr("hsegap.models.layers.sum_at_dst", summed)
    with torch.no_grad():
        output = network(published.batch(), torch.from_numpy(published.tokens), torch.from_numpy(published.mask))
    worst = np.abs(output.gap.numpy() - published.answers("recommended")["gap"]).max()
    assert worst < TOLERANCE if end == "dst" else worst > 100 * TOLERANCE
