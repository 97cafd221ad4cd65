"""Networks that answer together: the weighted mean of their gaps, of which only the first reads the text."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from hsegap.models import CrystalTextNetwork, FusionConfig, read_checkpoint
from hsegap.models.members import gap_of_vectors
from hsegap.training.join import join
from support.networks import TOLD, random_network, some_batch, some_texts, together

pytestmark = pytest.mark.usefixtures("one_thread")

FACTS = torch.tensor([[0.0], [1.2], [0.0], [3.1], [0.7]])
KNOWN = torch.tensor([[True], [True], [False], [False], [True]])


@pytest.fixture(scope="module")
def network():
    return random_network(**together())


@torch.no_grad()
def answered(network: CrystalTextNetwork, *, text: bool = True, facts: bool = True):
    batch = some_batch()
    tokens, mask = some_texts(network.config)
    told = (FACTS, KNOWN) if facts else ()
    return network(batch, tokens, mask, torch.full((5,), text), *told, without=True)


def alone(network: CrystalTextNetwork) -> CrystalTextNetwork:
    """The network without its members."""
    own = CrystalTextNetwork(FusionConfig(**{**network.config.model_dump(), "members": (), "members_share": 0})).eval()
    own.load_state_dict({key: value for key, value in network.state_dict().items() if not key.startswith("members.")})
    return own


@pytest.mark.parametrize("facts", [True, False])
@pytest.mark.parametrize("text", [True, False])
def test_answers_are_the_weighted_mean_of_networks_run_apart(network, text, facts):
    found = answered(network, text=text, facts=facts)
    own = answered(alone(network), text=text, facts=facts)
    members = [answered(member, text=False, facts=facts) for member in network.members]
    for name in ("gap", "pbe_gap", "gap_without"):
        mean = sum(getattr(member, name) for member in members) / len(members)
        torch.testing.assert_close(getattr(found, name), 0.6 * getattr(own, name) + 0.4 * mean, msg=name)


def test_maps_and_embedding_are_the_network_s_own(network):
    found, own = answered(network), answered(alone(network))
    for name in ("gates", "importance", "text_share", "modality_weights", "graph_embedding", "embedding_without"):
        torch.testing.assert_close(getattr(found, name), getattr(own, name), msg=name)


def test_the_gap_can_be_read_from_the_joined_vectors(network):
    found = answered(network)
    batch = some_batch()
    pooled = {
        name: torch.stack([atoms[batch.atom_crystal == crystal].mean(0) for crystal in range(5)])
        for name, atoms in (("fused", found.fused_atoms), ("structure", found.structure_atoms))
    }
    assert {name: vectors.shape[1] for name, vectors in pooled.items()} | {
        "told": found.text_vector.shape[1]
    } == network.config.read_from
    with torch.no_grad():
        gap = gap_of_vectors(network, {**pooled, "told": found.text_vector})
    shift = torch.where(KNOWN, FACTS - found.pbe_gap[:, None], torch.zeros(5, 1))[:, 0]
    torch.testing.assert_close(gap + shift, found.gap)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_neighbors": 5}, "member 0 was trained with max_neighbors 5, the network with 12"),
        ({"facts": ()}, "facts"),
        ({"text_features": 11}, "text_features"),
        ({"use_middle_fusion": True}, "middle fusion of its own"),
        ({"no_text": "encode_empty"}, "without a text"),
    ],
)
def test_members_that_do_not_fit_are_refused(change, said):
    settings = together()
    member = {**settings["members"][0], **change}
    with pytest.raises(ValidationError, match=said):
        FusionConfig(**{**settings, "members": (member,)})


@pytest.mark.parametrize("change", [{"members": ()}, {"members_share": 0.0}])
def test_members_and_their_share_go_together(change):
    with pytest.raises(ValidationError, match="go together"):
        FusionConfig(**{**together(), **change})


def test_joined_checkpoints_are_read_as_one_network(network, tmp_path):
    own = alone(network)
    contents = [
        {"model": one.state_dict(), "config": one.config.model_dump(mode="json")} for one in (own, *network.members)
    ]
    torch.save(join(contents[0], contents[1:], share=0.4), tmp_path / "joined.pt")
    read = read_checkpoint(tmp_path / "joined.pt").network
    torch.testing.assert_close(answered(read).gap, answered(network).gap)
    # Joining once more replaces the members.
    again = join(join(contents[0], contents[1:], share=0.4), contents[1:2], share=0.1)
    assert {key.split(".")[1] for key in again["model"] if key.startswith("members.")} == {"0"}


def test_networks_that_read_other_facts_cannot_be_joined():
    contents = [
        {"model": one.state_dict(), "config": one.config.model_dump(mode="json")}
        for one in (random_network(**TOLD), random_network(use_text=False))
    ]
    with pytest.raises(ValueError, match="member 0 was trained with facts"):
        join(contents[0], contents[1:], share=0.4)
