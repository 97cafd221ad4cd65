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
    from collections.abc import Mapping

    import numpy as np

    from hsegap.artifact import Artifact
    from hsegap.prediction.nearest import Known
    from hsegap.prediction.network import NetworkResult
    from hsegap.prediction.prepared import Prepared
    from hsegap.prediction.running import Ran, Shares
    from hsegap.prediction.schemas import NeighbourReport, SentenceReport

_NO_HEAD = (
    "This artifact was exported without the end of the network apart: export its checkpoint again, then calibrate."
)
_NO_REFERENCE = "This artifact has no reference to count contributions from: run `hsegap calibrate`."
_NO_TABLE = "This artifact carries no table of training crystals: run `hsegap calibrate`."


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

    @property
    def reference(self) -> Mapping[str, np.ndarray] | None:
        """What contributions are counted from; None where the artifact was not calibrated for them."""
        scaled = self.calibration.model if self.calibration else None
        return (scaled.reference or None) if scaled else None

    def report(
        self, item: Prepared, ran: Ran, *, sentences: list[SentenceReport] | None = None, known: Known | None = None
    ) -> Prediction | Failure:
        """The answer for one crystal.

        Args:
            item: The crystal.
            ran: The network's numbers and what was observed on the way.
            sentences: Effect of each sentence, where it was asked for.
            known: Training crystals to look for neighbours in.
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
            reference_ev=ran.shares.told.reference_ev if ran.shares else None,
            shared_ev=ran.shares.told.shared_ev if ran.shares else None,
            told_effect_ev=result.gap - seen.gap_without_text_ev if item.network_input.told else None,
            text_effect_ev=ran.text_effect_ev,
            sentences=sentences,
            sensitivity_ev=sensitivity_of(ran.strained_ev),
            neighbours=self._neighbours(ran, known),
            absent=self._absent(item, ran, known),
            interval_ev=calibration.interval_of(seen) if calibration else None,
            coverage=calibration.coverage if calibration else None,
            kind=kind_of(gap_ev, metal_below_ev=self.metal_below_ev),
            description=item.description,
            facts=item.told.reports(ran.effects),
            modality_weights=ModalityWeights(
                graph=float(result.modality_weights[0]), text=float(result.modality_weights[1])
            ),
            atoms=self._atoms(item, result, ran.shares) if item.want_atoms else None,
            warnings=[*item.warnings, *([far] if far else []), *outside],
            model=ModelName(name=manifest.name, version=manifest.version, sha256=self._artifact.sha256),
            timings_ms=Timings(**{name: round(value, 3) for name, value in timings.model_dump().items()}),
        ).with_graph(item.lattice.tolist(), n_edges=len(item.network_input.graph.src))

    def _neighbours(self, ran: Ran, known: Known | None) -> list[NeighbourReport] | None:
        scaled = self.calibration.model if self.calibration else None
        if known is None or scaled is None:
            return None
        return known.nearest(scaled.embedding.scores(ran.seen.graph_embedding))

    def _absent(self, item: Prepared, ran: Ran, known: Known | None) -> dict[str, str]:
        """Why fields are empty that were asked for."""
        absent = {}
        if item.want_atoms and ran.shares is None:
            absent["contribution_ev"] = _NO_REFERENCE if ran.result.fused_atoms is not None else _NO_HEAD
        if known is None:
            absent["neighbours"] = _NO_TABLE
        if item.asked_strains and not ran.strained_ev:
            absent["sensitivity_ev"] = "The strained cells make no crystal graph within the limits."
        return absent

    def _atoms(self, item: Prepared, result: NetworkResult, shares: Shares | None) -> list[AtomReport]:
        layers = fusion_layer_names(self._artifact.manifest.config, columns=result.gates.shape[1])
        told = item.network_input.told

        def named(row: np.ndarray) -> dict[str, float]:
            return {layer: float(value) for layer, value in zip(layers, row, strict=False)}

        parts = _effects(shares, told=told) if shares else {}
        return [
            AtomReport(
                index=index,
                element=symbol,
                frac_coords=[float(part) for part in item.frac_coords[index]],
                gate=named(result.gates[index]),
                importance=named(result.importance[index]),
                text_share={name: value if told else None for name, value in named(result.text_share[index]).items()},
                **{name: float(values[index]) for name, values in parts.items()},
            )
            for index, symbol in enumerate(item.symbols)
        ]


def sensitivity_of(strained_ev: tuple[float, ...]) -> tuple[float, float] | None:
    """Gaps at both strains as answered, never below 0; None where they were not asked for."""
    if not strained_ev:
        return None
    smaller, larger = (max(0.0, gap) for gap in strained_ev)
    return smaller, larger


def _effects(shares: Shares, *, told: bool) -> dict[str, np.ndarray]:
    """Columns of the atoms' table in eV, by the field's name."""
    columns = {"contribution_ev": shares.told.ev}
    if told:
        columns["told_effect_ev"] = shares.told.ev - shares.silent.ev
    if shares.textless is not None:
        columns["text_effect_ev"] = shares.told.ev - shares.textless.ev
    return columns
