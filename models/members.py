"""Networks that answer together.

Networks trained apart, from other random weights and with other layers, err on other crystals: the mean of their
answers errs by less than each of them (L. K. Hansen and P. Salamon, IEEE Trans. Pattern Anal. 12, 993 (1990)). One of
them, the network itself, reads the text and has the maps of the fusion; its members read the structure and the facts.

A gap is the PBE gap's estimate (or the stated PBE gap) plus a correction, in each of them. So the mean of the gaps is
the mean estimate, or the stated gap, plus the mean correction, and whatever shares a gap out to the atoms works on the
vectors of all networks side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from hsegap.models.network import CrystalTextNetwork, NetworkOutput

#: Outputs whose mean is taken.
AVERAGED = ("gap", "pbe_gap", "gap_without")
#: Outputs that stand side by side: what the gap is read from.
JOINED = ("text_vector", "structure_atoms", "fused_atoms", "fused_atoms_without", "text_vector_without")


def weighted_mean(own: Tensor, members: Sequence[Tensor], share: float) -> Tensor:
    """``(1 - share)`` of the network's own numbers and ``share`` of the mean of its members'."""
    mean = members[0]
    for other in members[1:]:
        mean = mean + other
    return (1.0 - share) * own + (share / len(members)) * mean


def answer_together(own: NetworkOutput, members: Sequence[NetworkOutput], share: float) -> NetworkOutput:
    """What a network and its members answer.

    Args:
        own: The network's answer. Gates, importance, text shares, weights of late fusion and embedding stay its own.
        members: At least one.
        share: Weight of the mean of the members' gaps.
    """
    averaged = {
        name: weighted_mean(getattr(own, name), [getattr(member, name) for member in members], share)
        for name in AVERAGED
    }
    joined = {
        name: torch.cat([getattr(output, name) for output in (own, *members)], dim=-1)
        for name in JOINED
        if getattr(own, name).ndim == 2
    }
    return own._replace(**averaged, **joined)


def gap_of_vectors(network: CrystalTextNetwork, pooled: Mapping[str, Tensor]) -> Tensor:
    """Read the gap from pooled vectors alone, as the network and its members do at their ends.

    Args:
        network: With its members.
        pooled: By the names of :attr:`hsegap.models.FusionConfig.read_from`, each ``[points, width]`` with its width.

    Returns:
        Gaps in eV counted from the PBE gap's estimate, ``[points]``; where a PBE gap is stated, its distance from that
        estimate has to be added.
    """
    parts = {
        name: pooled[name].split([one.own_widths[name] for one in network.config.networks], dim=1)
        for name in network.config.own_widths
    }
    gaps = []
    for place, one in enumerate((network, *network.members)):
        vectors = {name: part[place] for name, part in parts.items()}
        fused = vectors["fused"]
        base = fused[:, 0] * 0.0
        if "structure" in vectors:
            base = one.pbe_head(vectors["structure"]).squeeze(1)
        gaps.append(one.head(fused, vectors.get("told", fused[:, :0]), base)[0])
    return weighted_mean(gaps[0], gaps[1:], network.config.members_share) if gaps[1:] else gaps[0]
