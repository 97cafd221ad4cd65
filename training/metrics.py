"""How good predictions are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.models import CrystalTextNetwork
    from hsegap.training.dataset import CrystalDataset


def regression_metrics(prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Mean and median absolute error, root mean square error (units of the target) and R²."""
    error = prediction.astype(np.float64) - target.astype(np.float64)
    spread = float(((target - target.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "median_ae": float(np.median(np.abs(error))),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1.0 - float((error**2).sum()) / spread if spread else float("nan"),
    }


def classification_metrics(probability: np.ndarray, target: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall and area under the ROC curve of the positive class."""
    from sklearn.metrics import roc_auc_score

    positive, truth = probability > 0.5, target > 0.5
    hits = int((positive & truth).sum())
    return {
        "accuracy": float((positive == truth).mean()),
        "precision": hits / max(int(positive.sum()), 1),
        "recall": hits / max(int(truth.sum()), 1),
        "roc_auc": float(roc_auc_score(truth, probability)) if 0 < truth.sum() < len(truth) else float("nan"),
    }


def measure(prediction: np.ndarray, target: np.ndarray, *, threshold: float | None) -> dict[str, float]:
    """Metrics of the regression, or of the classes that ``threshold`` divides the targets into."""
    if threshold is None:
        return regression_metrics(prediction, target)
    return classification_metrics(prediction, (target > threshold).astype(np.float32))


def score_of(entry: dict[str, Any], *, classification: bool) -> float:
    """What an epoch is chosen by, the smaller the better: the validation error, or the classes' area under the curve.

    Where a network can be told facts, the mean of its errors without and with them: both are served.
    """
    if classification:
        value = -entry["val_roc_auc"]
        if math.isnan(value):  # validation rows of one class only
            value = -entry["val_accuracy"]
    elif "val_mae_known" in entry:
        value = (entry["val_mae_without_text"] + entry["val_mae_known"]) / 2
    else:
        value = entry["val_mae"]
    return math.inf if math.isnan(value) else value


class Answers(NamedTuple):
    """What a network says of a data set's rows.

    ``gap [rows]`` and, with such a head, ``pbe_gap [rows]`` (else ``[0]``).
    """

    gap: np.ndarray
    pbe_gap: np.ndarray


def predict(
    network: CrystalTextNetwork,
    dataset: CrystalDataset,
    *,
    batch_size: int = 64,
    without_text: bool = False,
    with_facts: bool = False,
    advance: Callable[[int], None] = lambda _rows: None,
) -> Answers:
    """Predict every row in order.

    Args:
        network: Any mode; it is put back into the mode it had.
        dataset: Rows with graphs and texts.
        batch_size: Rows per pass.
        without_text: Hide the descriptions.
        with_facts: State the rows' known facts.
        advance: Called with the number of rows after each pass.
    """
    from hsegap.training.augment import stated_facts
    from hsegap.training.dataset import in_order

    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    gaps, pbe_gaps = [], []
    with torch.no_grad():
        for cpu_batch in dataset.batches(in_order(len(dataset), batch_size)):
            batch = cpu_batch.to(device)
            tokens, mask, has_text = batch.tokens, batch.mask, batch.has_text
            if without_text:
                tokens, mask, has_text = dataset.hidden_texts(tokens, mask, torch.ones_like(has_text))
            facts = stated_facts(batch, network.config, dropout=0.0, jitter=0.0, wrong=0.0) if with_facts else ()
            output = network(batch.graph, tokens, mask, has_text, *facts)
            gaps.append(output.gap.float().cpu())
            pbe_gaps.append(output.pbe_gap.float().cpu())
            advance(len(cpu_batch.rows))
    network.train(was_training)
    return Answers(torch.cat(gaps).numpy(), torch.cat(pbe_gaps).numpy())
