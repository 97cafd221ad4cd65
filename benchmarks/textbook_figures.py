"""What the answers to the textbook's crystals amount to."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import Prediction
    from support.textbook.crystals import Crystal

#: A crystal with a larger gap than the first that is answered with less than the second is a false metal, eV.
FALSE_METAL_EV = (1.0, 0.3)
#: How far outside the interval a known gap may lie: what sources disagree by on one crystal, eV.
TOLERANCE_EV = 0.3


class Answered(NamedTuple):
    """A crystal and what was answered."""

    crystal: Crystal
    answer: Prediction | Failure

    @property
    def gap(self) -> float:
        """Answered gap, eV; NaN without an answer, which makes every figure NaN that it stands in."""
        return getattr(self.answer, "gap_ev", math.nan)

    @property
    def error(self) -> float:
        """Absolute difference to the known gap, eV."""
        return abs(self.gap - self.crystal.hse_gap_ev)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 90 % interval, eV."""
        found = getattr(self.answer, "interval_ev", None)
        return None if found is None else (found[0], found[1])

    @property
    def warned(self) -> bool:
        """Whether the answer carries a warning."""
        return bool(getattr(self.answer, "warnings", []))

    @property
    def false_metal(self) -> bool:
        """Whether a crystal with a clear gap was answered as a metal."""
        known, answered = FALSE_METAL_EV
        return self.crystal.hse_gap_ev > known and self.gap < answered

    def inside(self, tolerance: float = 0.0) -> bool:
        """Whether the known gap lies in the interval."""
        low, high = self.interval or (math.nan, math.nan)
        return low - tolerance <= self.crystal.hse_gap_ev <= high + tolerance


def line_of(one: Answered) -> str:
    """A line of the table."""
    crystal = one.crystal
    marks = [] if crystal.scored else ["not scored"]
    marks += [] if crystal.in_training else ["formula new"]
    marks += ["**false metal**"] if one.false_metal else []
    marks += ["outside"] if crystal.scored and one.interval and not one.inside(TOLERANCE_EV) else []
    marks += ["warned"] if one.warned else []
    interval = "–" if one.interval is None else f"{one.interval[0]:.2f} to {one.interval[1]:.2f}"
    return (
        f"| {crystal.name} | {crystal.formula} | {crystal.constants['a']:.3f} | {crystal.hse_gap_ev:.2f} | "
        f"{crystal.source} "
        f"| {one.gap:.2f} | {interval} | {', '.join(marks)} |"
    )


def errors(some: Sequence[Answered]) -> dict[str, float | int]:
    """Error statistics, eV; only a count without crystals."""
    if not some:
        return {"n": 0}
    values = np.array([one.error for one in some])
    return {
        "n": len(values),
        "mae": float(values.mean()),
        "standard_error": float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan,
        "median_ae": float(np.median(values)),
        "bias": float(np.mean([one.gap - one.crystal.hse_gap_ev for one in some])),
        "off_by_1_ev": int((values > 1).sum()),
    }


def coverage(some: Sequence[Answered]) -> dict[str, float | int]:
    """Share of known gaps in the 90 % interval, warned crystals counted like the others."""
    bounded = [one for one in some if one.interval is not None]
    warned = [one for one in bounded if one.warned]
    if not bounded:
        return {"n": 0}
    return {
        "n": len(bounded),
        "inside": fmean(one.inside(TOLERANCE_EV) for one in bounded),
        "inside_without_tolerance": fmean(one.inside() for one in bounded),
        "mean_width_ev": fmean(one.interval[1] - one.interval[0] for one in bounded if one.interval),
        "warned": len(warned),
        "warned_inside": fmean(one.inside(TOLERANCE_EV) for one in warned) if warned else math.nan,
    }


def figures_of(answered: Sequence[Answered]) -> dict[str, Any]:
    """All figures; errors are those of scored crystals with a gap, metals apart."""
    scored = [one for one in answered if one.crystal.scored]
    gapped = [one for one in scored if one.crystal.hse_gap_ev > 0]
    metals = [one for one in scored if one.crystal.hse_gap_ev == 0]
    clear = [one for one in answered if one.crystal.hse_gap_ev > FALSE_METAL_EV[0]]
    new = [one for one in gapped if not one.crystal.in_training]
    groups = {
        "scored, with a gap": gapped,
        "formula in the training rows": [one for one in gapped if one.crystal.in_training],
        "formula not in the training rows": new,
        "the same, row not in the validation file": [one for one in new if one.crystal.file != "val"],
        "gaps of borlido": [one for one in gapped if one.crystal.source == "borlido"],
        "gaps of snumat": [one for one in gapped if one.crystal.source == "snumat"],
        "cubic": [one for one in gapped if one.crystal.space_group >= 195],
        "no gap": metals,
        "shown, not scored": [one for one in answered if not one.crystal.scored],
    }
    return {
        "errors": {name: errors(some) for name, some in groups.items()},
        "false_metals": {
            "of": len(clear),
            "all": [one.crystal.name for one in clear if one.false_metal],
            "scored": [one.crystal.name for one in clear if one.false_metal and one.crystal.scored],
        },
        "false_insulators": [one.crystal.name for one in metals if one.gap >= FALSE_METAL_EV[1]],
        "interval": coverage(gapped),
        "unanswered": [one.crystal.name for one in answered if math.isnan(one.gap)],
    }


def show_figures(figures: dict[str, Any]) -> None:
    """Print them."""
    print(
        "\n| crystals | count | MAE, eV | median, eV | mean of answer − known, eV | off by > 1 eV |\n"
        "|---|---|---|---|---|---|"
    )
    for name, found in figures["errors"].items():
        if found["n"]:
            print(
                f"| {name} | {found['n']} | {found['mae']:.3f} ± {found['standard_error']:.3f} | "
                f"{found['median_ae']:.3f} "
                f"| {found['bias']:+.3f} | {found['off_by_1_ev']} |"
            )
    false, interval = figures["false_metals"], figures["interval"]
    known, answered = FALSE_METAL_EV
    print(
        f"\ngap > {known:g} eV answered < {answered:g} eV: {len(false['all'])} of {false['of']}, "
        f"{len(false['scored'])} of them scored{': ' if false['all'] else ''}{', '.join(false['all'])}"
    )
    print(f"no gap answered ≥ {answered:g} eV: {', '.join(figures['false_insulators']) or 'none'}")
    if interval["n"]:
        print(
            f"known gap inside the 90 % interval (±{TOLERANCE_EV:g} eV): "
            f"{100 * interval['inside']:.1f} % of {interval['n']}; "
            f"without tolerance {100 * interval['inside_without_tolerance']:.1f} %; "
            f"mean width {interval['mean_width_ev']:.2f} eV; "
            f"{interval['warned']} carry a warning, {100 * interval['warned_inside']:.0f} % of them inside"
        )
    if figures["unanswered"]:
        print(f"unanswered: {', '.join(figures['unanswered'])}")
