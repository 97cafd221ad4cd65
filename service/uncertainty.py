"""What a calibrated artifact adds to a prediction: an interval, and warnings where a crystal or a text lies far from training.

An artifact without calibration (``manifest.calibration`` null) gets neither: no interval is better than an invented one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from service.schemas import Warn

if TYPE_CHECKING:
    from export.artifact import Manifest


class _Reference(BaseModel):
    """Where training vectors lie: a distance beyond ``limit`` is far.

    Attributes:
        centre: Mean of the training vectors.
        scale: Standard deviation per component; the distance is the root mean square of the scaled differences.
        limit: Distance that a stated share (99 %, say) of held-out training-like inputs stays below.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    centre: list[float]
    scale: list[float]
    limit: float = Field(gt=0)

    def is_far(self, vector: np.ndarray) -> bool:
        if len(vector) != len(self.centre):
            return False
        scaled = (np.asarray(vector, dtype=np.float64) - self.centre) / np.maximum(self.scale, 1e-12)
        return bool(math.sqrt(float(np.mean(scaled**2))) > self.limit)


class Calibration(BaseModel):
    """The keys of ``manifest.calibration`` that predictions use.

    Attributes:
        coverage: Share of crystals whose true gap lies inside the interval.
        half_width_ev: Split-conformal half width with a description, eV.
        half_width_no_text_ev: The same without one; None takes the other.
        embedding: Where graph embeddings of training crystals lie.
        text: Where pooled text vectors of training descriptions lie.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    coverage: float = Field(gt=0, lt=1)
    half_width_ev: float = Field(gt=0)
    half_width_no_text_ev: float | None = Field(default=None, gt=0)
    embedding: _Reference | None = None
    text: _Reference | None = None

    def interval(self, gap_raw_ev: float, *, with_text: bool) -> tuple[float, float]:
        """Interval around the network's number, eV. A gap cannot be negative, so neither can its ends."""
        half = self.half_width_ev if with_text or self.half_width_no_text_ev is None else self.half_width_no_text_ev
        return max(0.0, gap_raw_ev - half), max(0.0, gap_raw_ev + half)


def read_calibration(manifest: Manifest) -> Calibration | None:
    """The manifest's calibration; None before calibration.

    Raises:
        pydantic.ValidationError: If there is one that cannot be used.
    """
    return None if manifest.calibration is None else Calibration.model_validate(manifest.calibration)


def applicability_warnings(
    manifest: Manifest,
    calibration: Calibration | None,
    *,
    symbols: list[str],
    graph_embedding: np.ndarray,
    text_vector: np.ndarray | None,
) -> list[Warn]:
    """Name every way in which a crystal or its text lies outside what the network was trained on.

    Args:
        manifest: Of the artifact.
        calibration: Its calibration, if any.
        symbols: Element of each atom.
        graph_embedding: ``[hidden]``.
        text_vector: Pooled text vector ``[width]``; None without text.
    """
    warnings = []
    unseen = sorted(set(symbols) - set(manifest.elements))
    if unseen:
        text = f"The training set has no {', '.join(unseen)}: the prediction is an extrapolation."
        warnings.append(Warn(code="element_not_in_training", message=text))
    largest: Any = manifest.training.get("max_atoms")
    if isinstance(largest, int | float) and len(symbols) > largest:
        text = f"The cell has {len(symbols)} atoms; the largest in the training set has {largest:g}. Try the primitive cell."
        warnings.append(Warn(code="larger_than_training", message=text))
    if calibration is not None and calibration.embedding is not None and calibration.embedding.is_far(graph_embedding):
        text = "The crystal is unlike those of the training set (its graph embedding lies far from theirs)."
        warnings.append(Warn(code="crystal_unlike_training", message=text))
    if calibration is not None and calibration.text is not None and text_vector is not None and calibration.text.is_far(text_vector):
        text = "The text is unlike the descriptions of the training set; generate one, or predict without text, and compare."
        warnings.append(Warn(code="text_unlike_training", message=text))
    return warnings
