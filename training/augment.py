"""What training changes at random about a batch before the network sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from hsegap.models import FusionConfig, GraphBatch
    from hsegap.training.dataset import TrainingBatch


def displaced(graph: GraphBatch, deviation: float) -> GraphBatch:
    """The same graphs with every atom moved at random: bonds and angles follow, who is bonded to whom stays.

    A network that never sees the same distances twice cannot tell its training crystals apart by their last digits.

    Args:
        graph: The batch; not changed.
        deviation: Standard deviation of each Cartesian component in Å.
    """
    shift = deviation * torch.randn(graph.atomic_numbers.shape[0], 3, device="cpu").to(graph.r.device)
    return graph._replace(r=graph.r + (shift[graph.dst] - shift[graph.src]))


def scaled(batch: TrainingBatch, deviation: float, slope: float = 0.0) -> TrainingBatch:
    """The same crystals, each one's lattice larger or smaller by a random share, and its gaps by what that is worth.

    Args:
        batch: On any device; not changed.
        deviation: Standard deviation of the relative change of all lengths, which stays below three of them. Without a
            slope kept well below a percent.
        slope: Change of a gap with the relative change of all lengths, eV. A gap of zero stays zero, and none falls
            below it.
    """
    graph = batch.graph
    drawn = torch.randn(graph.crystal_atoms.shape[0], device="cpu").clamp(-3.0, 3.0)
    strain = (deviation * drawn).to(graph.r.device)
    stretched = graph._replace(r=graph.r * (1.0 + strain)[graph.atom_crystal[graph.src]][:, None])

    def moved(gaps: Tensor) -> Tensor:
        return torch.where(gaps > 0, (gaps + slope * strain).clamp_min(0.0), gaps)

    return batch._replace(graph=stretched, target=moved(batch.target), pbe_gap=moved(batch.pbe_gap))


#: Largest relative change of all lengths of a pair of strained lattices.
MOST_STRAIN = 0.03


def strained_pair(graph: GraphBatch, most: float = MOST_STRAIN) -> tuple[GraphBatch, GraphBatch, Tensor]:
    """The same graphs twice: each crystal's lattice larger by a random share, and smaller by the same.

    To first order in the strain a gap rises by as much on one side as it falls on the other (its deformation
    potential), so the mean of the two answers is the gap that is known.

    Args:
        graph: The batch; not changed.
        most: Largest relative change of all lengths; each crystal's is drawn evenly up to it.

    Returns:
        The larger crystals, the smaller ones, and the relative change of each, ``[B]``.
    """
    strain = (most * torch.rand(graph.crystal_atoms.shape[0], device="cpu")).to(graph.r.device)
    each = strain[graph.atom_crystal[graph.src]][:, None]
    return graph._replace(r=graph.r * (1.0 + each)), graph._replace(r=graph.r * (1.0 - each)), strain


def stated_facts(
    batch: TrainingBatch, config: FusionConfig, *, dropout: float, jitter: float, wrong: float
) -> tuple[Tensor, Tensor]:
    """The facts a batch's crystals are told, as users would state them.

    A user's PBE gap comes from another calculation than the row's: it is off by a little, sometimes it is another
    crystal's. A gap of zero stays zero, and a gap does not fall below it.

    Args:
        batch: On any device.
        config: Of the network; its facts in order.
        dropout: Share of crystals that are told nothing.
        jitter: Standard deviation of the noise, eV.
        wrong: Share of stated values that are another crystal's of the batch.

    Returns:
        Values ``[B, F]`` and whether they are stated ``[B, F]``.
    """
    columns = {"pbe_gap_ev": (batch.pbe_gap, batch.pbe_known)}
    values, known = (torch.stack([columns[name][part] for name in config.facts], dim=1) for part in (0, 1))

    def random(kind: str) -> Tensor:
        return getattr(torch, kind)(values.shape, device="cpu").to(values.device)

    noisy = torch.where(values > 0, (values + jitter * random("randn")).clamp_min(0.0), values)
    other = torch.randperm(len(values), device="cpu").to(values.device)
    exchanged = (random("rand") < wrong) & known[other]
    return torch.where(exchanged, values[other], noisy), known & (random("rand") >= dropout)
