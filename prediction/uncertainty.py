"""What a calibrated artifact adds to a prediction.

An interval, and warnings where a crystal or a text lies far from training.

An artifact without calibration (``manifest.calibration`` null) gets no interval, which is better than an invented one,
and only those warnings that need none. Calibrations with one width for every crystal (artifact 0.1.0) stay readable
next to those of today, whose widths come from :mod:`hsegap.prediction.scale`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from hsegap.prediction.scale import TENSORS, Scaled, load_scaled
from hsegap.prediction.schemas import METAL_BELOW_EV, Warn
from hsegap.structures.fingerprint import NAMES
from hsegap.text.composition import contradiction

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact, Manifest
    from hsegap.prediction.observed import Observation


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
        embedding: Where graph embeddings of training crystals lie (only where there is one width for all).
        text: Where pooled text vectors of training descriptions lie (likewise).
        metal_below_ev: Predicted gap below which a crystal is called a metal, eV.
        scaled: Settings of the widths per crystal, whose arrays stand in a file of their own; None where there is one
            width for all.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    coverage: float = Field(gt=0, lt=1)
    half_width_ev: float = Field(gt=0)
    half_width_no_text_ev: float | None = Field(default=None, gt=0)
    embedding: _Reference | None = None
    text: _Reference | None = None
    metal_below_ev: float = Field(default=METAL_BELOW_EV, gt=0)
    scaled: dict[str, Any] | None = None
    _model: Scaled | None = PrivateAttr(default=None)

    @property
    def model(self) -> Scaled | None:
        """Widths and distances per crystal; None where there is one width for all."""
        return self._model

    def with_model(self, model: Scaled) -> Calibration:
        """Take the arrays that belong to ``scaled``."""
        self._model = model
        return self

    def interval_of(self, seen: Observation) -> tuple[float, float]:
        """Interval of a crystal, eV."""
        if self._model is None:
            return self.interval(seen.gap_raw_ev, with_text=seen.text is not None)
        gap, half = max(0.0, seen.gap_raw_ev), self._model.half_width(seen)
        return max(0.0, gap - half), gap + half

    def unlike(self, seen: Observation) -> str | None:
        """In which way the crystal is unlike those of the training set, in words; None where it is not."""
        near = "its graph embedding lies far from theirs"
        if self._model is None:
            return near if self.embedding is not None and self.embedding.is_far(seen.graph_embedding) else None
        reasons = [near] if self._model.embedding.is_far(seen.graph_embedding) else []
        known = self._model.fingerprint
        if known.is_far(seen.fingerprint):
            odd = np.argsort(-np.abs(known.offsets(seen.fingerprint)))[:2]
            reasons.append(
                f"it differs from the most similar of them above all in {' and '.join(NAMES[index] for index in odd)}"
            )
        return "; ".join(reasons) or None

    def far_text(self, vector: np.ndarray) -> bool:
        """Whether a pooled text vector lies far from those of the training descriptions."""
        if self._model is not None:
            return self._model.text.is_far(vector)
        return self.text is not None and self.text.is_far(vector)

    def interval(self, gap_raw_ev: float, *, with_text: bool) -> tuple[float, float]:
        """Interval around the network's number, eV. A gap cannot be negative, so neither can its ends."""
        half = self.half_width_ev if with_text or self.half_width_no_text_ev is None else self.half_width_no_text_ev
        return max(0.0, gap_raw_ev - half), max(0.0, gap_raw_ev + half)


def read_calibration(artifact: Artifact) -> Calibration | None:
    """The artifact's calibration; None before calibration.

    Raises:
        ValueError: If there is one that cannot be used.
        hsegap.artifact.artifact.ArtifactError: If the file of its arrays is missing.
    """
    if artifact.manifest.calibration is None:
        return None
    calibration = Calibration.model_validate(artifact.manifest.calibration)
    if calibration.scaled is not None:
        calibration.with_model(load_scaled(calibration.scaled, artifact.path(TENSORS)))
    return calibration


def applicability_warnings(
    manifest: Manifest, calibration: Calibration | None, seen: Observation, *, text: str | None
) -> list[Warn]:
    """Name every way in which a crystal or its text lies outside what the network was trained on.

    Args:
        manifest: Of the artifact.
        calibration: Its calibration, if any.
        seen: The crystal.
        text: Its description as given, with the sentences that state facts: they too may speak of another crystal.
    """
    warnings = []
    unseen = sorted(set(seen.symbols) - set(manifest.elements))
    if unseen:
        message = f"The training set has no {', '.join(unseen)}: the prediction is an extrapolation."
        warnings.append(Warn(code="element_not_in_training", message=message))
    largest: Any = manifest.training.get("max_atoms")
    if isinstance(largest, int | float) and len(seen.symbols) > largest:
        message = (
            f"The cell has {len(seen.symbols)} atoms; the largest in the training set has {largest:g}. "
            "Try the primitive cell."
        )
        warnings.append(Warn(code="larger_than_training", message=message))
    if calibration is not None and (reason := calibration.unlike(seen)):
        warnings.append(
            Warn(code="crystal_unlike_training", message=f"The crystal is unlike those of the training set ({reason}).")
        )
    if text is not None and (reason := contradiction(text, seen.symbols)):
        message = f"The text {reason}; check that it belongs to this crystal, or predict without text."
        warnings.append(Warn(code="text_contradicts_crystal", message=message))
    if calibration is not None and seen.text_vector is not None and calibration.far_text(seen.text_vector):
        message = (
            "The text is unlike the descriptions of the training set; "
            "generate one, or predict without text, and compare."
        )
        warnings.append(Warn(code="text_unlike_training", message=message))
    return warnings
