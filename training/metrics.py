"""How good predictions are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
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


def predict(network: CrystalTextNetwork, dataset: CrystalDataset, *, batch_size: int = 64, without_text: bool = False) -> np.ndarray:
    """Predict every row in order, ``[rows]``.

    Args:
        network: Any mode; it is put back into the mode it had.
        dataset: Rows with graphs and texts.
        batch_size: Rows per pass.
        without_text: Hide the descriptions.
    """
    from hsegap.training.dataset import in_order

    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    outputs = []
    with torch.no_grad():
        for cpu_batch in dataset.batches(in_order(len(dataset), batch_size)):
            batch = cpu_batch.to(device)
            tokens, mask, has_text = batch.tokens, batch.mask, batch.has_text
            if without_text:
                tokens, mask, has_text = dataset.hidden_texts(tokens, mask, torch.ones_like(has_text))
            outputs.append(network(batch.graph, tokens, mask, has_text).gap.float().cpu())
    network.train(was_training)
    return torch.cat(outputs).numpy()
