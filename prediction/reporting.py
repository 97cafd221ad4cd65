"""The last part of a prediction: the network's numbers put into words, with interval, kind, maps and warnings."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from hsegap.prediction.errors import Failure, internal_error
from hsegap.prediction.known import far_from_estimate
from hsegap.prediction.prepared import fusion_layer_names
from hsegap.prediction.schemas import (
    METAL_BELOW_EV,
    AtomReport,
    ModalityWeights,
    ModelName,
    Prediction,
    Timings,
    kind_of,
)
from hsegap.prediction.uncertainty import applicability_warnings, read_calibration

if TYPE_CHECKING:
    import numpy as np

    from hsegap.artifact import Artifact
    from hsegap.prediction.network import NetworkResult
    from hsegap.prediction.prepared import Prepared
    from hsegap.prediction.running import Ran


class Reporter:
    """Makes answers in the name of one artifact.

    Args:
        artifact: A checked artifact.

    Attributes:
        calibration: What the artifact was calibrated with; None before calibration.
    """

    def __init__(self, artifact: Artifact) -> None:
        self._artifact = artifact
        self.calibration = read_calibration(artifact)

    @property
    def metal_below_ev(self) -> float:
        """Predicted gap below which a crystal is called a metal, eV."""
        return self.calibration.metal_below_ev if self.calibration else METAL_BELOW_EV

    def report(self, item: Prepared, ran: Ran) -> Prediction | Failure:
        """The answer for one crystal.

        Args:
            item: The crystal.
            ran: The network's numbers and what was observed on the way.
        """
        result, seen = ran.result, ran.seen
        if not math.isfinite(result.gap):
            return internal_error(ValueError(f"gap {result.gap}"), "running the network").at(item.index)
        manifest, calibration = self._artifact.manifest, self.calibration
        gap_ev = max(0.0, result.gap)
        outside = applicability_warnings(manifest, calibration, seen, text=item.description.text)
        far = far_from_estimate(item.told, result.pbe_gap)
        timings = item.timings.model_copy(update={"total": 1e3 * (time.perf_counter() - item.started)})
        return Prediction(
            index=item.index or 0,
            formula=item.formula,
            n_atoms=len(item.symbols),
            gap_ev=gap_ev,
            gap_raw_ev=result.gap,
            gap_without_text_ev=max(0.0, seen.gap_without_text_ev),
            pbe_gap_estimate_ev=None if result.pbe_gap is None else max(0.0, result.pbe_gap),
            interval_ev=calibration.interval_of(seen) if calibration else None,
            coverage=calibration.coverage if calibration else None,
            kind=kind_of(gap_ev, metal_below_ev=self.metal_below_ev),
            description=item.description,
            facts=item.told.reports(ran.effects),
            modality_weights=ModalityWeights(
                graph=float(result.modality_weights[0]), text=float(result.modality_weights[1])
            ),
            atoms=self._atoms(item, result) if item.want_atoms else None,
            warnings=[*item.warnings, *([far] if far else []), *outside],
            model=ModelName(name=manifest.name, version=manifest.version, sha256=self._artifact.sha256),
            timings_ms=Timings(**{name: round(value, 3) for name, value in timings.model_dump().items()}),
        ).with_lattice(item.lattice.tolist())

    def _atoms(self, item: Prepared, result: NetworkResult) -> list[AtomReport]:
        layers = fusion_layer_names(self._artifact.manifest.config, columns=result.gates.shape[1])
        told = item.network_input.told

        def named(row: np.ndarray) -> dict[str, float]:
            return {layer: float(value) for layer, value in zip(layers, row, strict=False)}

        return [
            AtomReport(
                index=index,
                element=symbol,
                frac_coords=[float(part) for part in item.frac_coords[index]],
                gate=named(result.gates[index]),
                importance=named(result.importance[index]),
                text_share={name: value if told else None for name, value in named(result.text_share[index]).items()},
            )
            for index, symbol in enumerate(item.symbols)
        ]
