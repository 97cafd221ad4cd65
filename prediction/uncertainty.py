"""What a calibrated artifact adds to a prediction.

An interval, and warnings where a crystal or a text lies far from training. An artifact without calibration
(``manifest.calibration`` null) gets no interval, which is better than an invented one, and only those warnings that
need none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hsegap.prediction.scale import TENSORS, Scaled, load_scaled
from hsegap.prediction.schemas import METAL_BELOW_EV, Warn
from hsegap.structures.fingerprint import NAMES

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact
    from hsegap.artifact.manifest import Manifest
    from hsegap.prediction.observed import Observation


class CalibrationSettings(BaseModel):
    """The keys of ``manifest.calibration`` that predictions use.

    Attributes:
        coverage: Share of crystals whose true gap lies inside the interval.
        metal_below_ev: Predicted gap below which a crystal is called a metal, eV.
        scaled: Settings of the widths per crystal, whose arrays stand in a file of their own.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    coverage: float = Field(gt=0, lt=1)
    metal_below_ev: float = Field(default=METAL_BELOW_EV, gt=0)
    scaled: dict[str, Any]


class Calibration(NamedTuple):
    """What an artifact was calibrated with.

    Attributes:
        coverage: Share of crystals whose true gap lies inside the interval.
        metal_below_ev: Predicted gap below which a crystal is called a metal, eV.
        model: Widths and distances per crystal.
    """

    coverage: float
    metal_below_ev: float
    model: Scaled

    def interval_of(self, seen: Observation) -> tuple[float, float]:
        """Interval of a crystal, eV. A gap cannot be negative, so neither can its ends."""
        gap, half = max(0.0, seen.gap_raw_ev), self.model.half_width(seen)
        return max(0.0, gap - half), gap + half

    def unlike(self, seen: Observation) -> str | None:
        """In which way the crystal is unlike those of the training set, in words; None where it is not."""
        reasons = []
        if self.model.embedding.is_far(seen.graph_embedding):
            reasons.append("its graph embedding lies far from theirs")
        known = self.model.fingerprint
        if known.is_far(seen.fingerprint):
            odd = np.argsort(-np.abs(known.offsets(seen.fingerprint)))[:2]
            reasons.append(
                f"it differs from the most similar of them above all in {' and '.join(NAMES[index] for index in odd)}"
            )
        return "; ".join(reasons) or None

    def far_text(self, vector: np.ndarray) -> bool:
        """Whether a pooled text vector lies far from those of the training descriptions."""
        return self.model.text.is_far(vector)


def read_calibration(artifact: Artifact) -> Calibration | None:
    """The artifact's calibration; None before calibration.

    Raises:
        ValueError: If there is one that cannot be used.
        hsegap.artifact.artifact.ArtifactError: If the file of its arrays is missing.
    """
    if artifact.manifest.calibration is None:
        return None
    settings = CalibrationSettings.model_validate(artifact.manifest.calibration)
    model = load_scaled(settings.scaled, artifact.path(TENSORS))
    return Calibration(settings.coverage, settings.metal_below_ev, model)


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
    if text is not None:
        # A request without a description is answered without its patterns.
        from hsegap.text.composition import contradiction

        if reason := contradiction(text, seen.symbols):
            message = f"The text {reason}; check that it belongs to this crystal, or predict without text."
            warnings.append(Warn(code="text_contradicts_crystal", message=message))
    if calibration is not None and seen.text_vector is not None and calibration.far_text(seen.text_vector):
        message = (
            "The text is unlike the descriptions of the training set; "
            "generate one, or predict without text, and compare."
        )
        warnings.append(Warn(code="text_unlike_training", message=message))
    return warnings
