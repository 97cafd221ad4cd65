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
