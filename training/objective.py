"""What a run minimises: the losses of the heads, of the teacher, and of the contrast between crystals and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from hsegap.models import NetworkOutput
    from hsegap.training.dataset import TrainingBatch
    from hsegap.training.options import TrainingOptions


def weighted_loss(answer: Tensor, target: Tensor, weight: Tensor, options: TrainingOptions) -> Tensor:
    """The loss of one head.

    Args:
        answer: ``[B]``, a gap or a probability.
        target: ``[B]``.
        weight: ``[B]``, zero where there is no target.
        options: Kind of loss. With ``censored``, an answer below zero costs nothing where the target is zero: the
            answer is cut at zero anyway, and how far below it lies is free to say how metallic a crystal is.
    """
    answer = answer.float()
    if options.classification:
        positive = (target > options.classification_threshold).float()
        each = nn.functional.binary_cross_entropy(answer.clamp(1e-7, 1 - 1e-7), positive, reduction="none")
        return (each * weight).sum() / weight.sum()
    if options.censored:
        answer = torch.where((target <= 0) & (answer < 0), target, answer)
    if options.loss == "huber":
        each = (
            nn.functional.huber_loss(answer, target, reduction="none", delta=options.huber_delta) / options.huber_delta
        )
    elif options.loss == "mae":
        each = (answer - target).abs()
    else:
        each = (answer - target) ** 2
    return (each * weight).sum() / weight.sum().clamp_min(1e-6)


def batch_loss(output: NetworkOutput, batch: TrainingBatch, has_text: Tensor, options: TrainingOptions) -> Tensor:
    """All losses of a batch that need nothing but the network's answer."""
    loss = weighted_loss(output.gap, batch.target, batch.weight, options)
    if options.pbe_head != "none":
        loss = loss + options.pbe_weight * weighted_loss(
            output.pbe_gap, batch.pbe_gap, batch.pbe_known.float(), options
        )
    if options.use_contrastive:
        loss = loss + options.contrastive_weight * contrastive_loss(output, has_text, options.contrastive_temperature)
    return loss


def mean_answer(first: NetworkOutput, second: NetworkOutput) -> NetworkOutput:
    """The first answer with the mean gaps of both."""
    return first._replace(gap=(first.gap + second.gap) / 2, pbe_gap=(first.pbe_gap + second.pbe_gap) / 2)


#: Steepest change of a gap that is believed, eV for a relative change of all lengths: 0.3 eV per percent. Deformation
#: potentials a = dE/d ln V of semiconductors lie between about −10 and 2 eV (Wei and Zunger, Phys. Rev. B 60, 5404
#: (1999), quoted, not verified); ln V changes by three times the change of lengths, so −10 eV are 0.3 eV per percent.
STEEPEST = 30.0


def slope_loss(larger: NetworkOutput, smaller: NetworkOutput, strain: Tensor, options: TrainingOptions) -> Tensor:
    """What two lattices of a crystal differ by in their gaps beyond :data:`STEEPEST`.

    An insulator that is a metal after two percent is the end of a range of bond lengths that training rows had.

    Args:
        larger: Answers to the larger lattices; gaps ``[B]``.
        smaller: Answers to the smaller ones.
        strain: Relative change of each, ``[B]``.
        options: With ``censored``, what lies below zero is a metal on both sides.
    """
    cost = strain.new_zeros(())
    for above, below in ((larger.gap, smaller.gap), (larger.pbe_gap, smaller.pbe_gap)):
        if not len(above):
            continue
        first, second = above.float(), below.float()
        if options.censored:
            first, second = first.clamp_min(0.0), second.clamp_min(0.0)
        excess = ((first - second).abs() - 2.0 * STEEPEST * strain).clamp_min(0.0)
        cost = cost + nn.functional.smooth_l1_loss(excess, torch.zeros_like(excess), beta=options.huber_delta)
    return cost


def contrastive_loss(output: NetworkOutput, has_text: Tensor, temperature: float) -> Tensor:
    """Symmetric cross-entropy of cosine similarities between the crystals and the texts of a batch.

    Only crystals that have a text take part: the learned vector for a missing one would be everybody's match.
    """
    graph = nn.functional.normalize(output.graph_vector[has_text].float(), dim=1)
    text = nn.functional.normalize(output.text_vector[has_text].float(), dim=1)
    if len(graph) < 2:
        return output.gap.sum() * 0.0
    similarity = graph @ text.T / temperature
    own = torch.arange(len(graph), device=graph.device)
    return (nn.functional.cross_entropy(similarity, own) + nn.functional.cross_entropy(similarity.T, own)) / 2
