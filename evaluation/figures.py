"""Figures of an evaluation beside the plain errors: intervals, metal or not, warnings, chemistry, ranges of the gap."""

from __future__ import annotations

from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.evaluation.evaluate import Errors
from hsegap.evaluation.variants import VARIANTS
from hsegap.text.composition import parse_formula

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hsegap.prediction.schemas import Prediction

#: Families by their most electronegative element, which is the first of these that the crystal holds.
ANIONS = (
    *(("halides", symbol) for symbol in ("F",)),
    ("oxides", "O"),
    ("halides", "Cl"),
    ("pnictides", "N"),
    ("halides", "Br"),
    ("halides", "I"),
    *(("chalcogenides", symbol) for symbol in ("S", "Se", "Te")),
    *(("pnictides", symbol) for symbol in ("P", "As", "Sb", "Bi")),
)
FAMILIES = ("oxides", "halides", "chalcogenides", "pnictides", "others")
#: Ranges of the known gap, eV.
RANGES = ((0.0, 0.0), (0.0, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 99.0))
#: A metal whose interval starts above this is confidently called wrong, eV.
CONFIDENT_EV = 1.0


class Pair(NamedTuple):
    """A known gap and what was predicted.

    Attributes:
        id: Of the row.
        gap_ev: Known gap.
        answer: What was predicted.
        slices: Groups that the row is counted in (:data:`hsegap.evaluation.rows.SLICES`).
    """

    id: str
    gap_ev: float
    answer: Prediction
    slices: tuple[str, ...] = ()


def family(formula: str) -> str:
    """Chemical family of a formula: oxides, halides, chalcogenides, pnictides, others."""
    elements = parse_formula(formula) or {}
    return next((name for name, symbol in ANIONS if symbol in elements), "others")


def range_name(low: float, high: float) -> str:
    """A range of gaps in words."""
    return "no gap" if high == 0 else f"above {low:g} eV" if high >= 99 else f"{low:g} – {high:g} eV"


def errors(pairs: Iterable[Pair]) -> dict[str, Any] | None:
    """Errors of some predictions; None without any."""
    from dataclasses import asdict

    kept = list(pairs)
    found = Errors.of([pair.answer.gap_ev for pair in kept], [pair.gap_ev for pair in kept])
    return asdict(found) if found else None


def intervals(pairs: Iterable[Pair]) -> dict[str, Any] | None:
    """Share of known gaps inside the interval, and its mean width; None before calibration."""
    bounded = [(pair.gap_ev, *pair.answer.interval_ev) for pair in pairs if pair.answer.interval_ev is not None]
    if not bounded:
        return None
    return {
        "n": len(bounded),
        "coverage": fmean(low <= gap <= high for gap, low, high in bounded),
        "width_ev": fmean(high - low for _, low, high in bounded),
    }


def groups(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Crystals with a gap by chemical family, and those without as metals."""
    found: dict[str, list[Pair]] = {name: [] for name in (*FAMILIES, "metals")}
    for pair in pairs:
        found["metals" if pair.gap_ev <= 0 else family(pair.answer.formula)].append(pair)
    return {name: members for name, members in found.items() if members}


def in_ranges(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Crystals by known gap; the first range holds those without one."""
    found = {
        range_name(low, high): [pair for pair in pairs if low < pair.gap_ev <= high or pair.gap_ev <= 0 == high]
        for low, high in RANGES
    }
    return {name: members for name, members in found.items() if members}


def sliced(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """Crystals by the groups that their rows name; those without a gap are left out: metals have a row of their own."""
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in pair.slices if pair.gap_ev > 0 else ():
            found.setdefault(name, []).append(pair)
    return found


def false_metals(pairs: Sequence[Pair]) -> list[str]:
    """Crystals with a gap that are called metals."""
    return [pair.id for pair in pairs if pair.gap_ev > 0 and pair.answer.kind == "metal"]


def has_gap(pairs: Sequence[Pair], *, threshold_ev: float) -> dict[str, Any]:
    """How well "has a gap" is told.

    Counts, accuracy, precision and recall, and metals that are confidently called wrong.
    """
    said = [(pair.gap_ev > 0, pair.answer.kind != "metal") for pair in pairs]
    counts = Counter(said)
    right, missed, invented = counts[True, True], counts[True, False], counts[False, True]
    metals = [pair for pair in pairs if pair.gap_ev <= 0]
    wrong = [
        pair for pair in metals if pair.answer.interval_ev is not None and pair.answer.interval_ev[0] > CONFIDENT_EV
    ]
    return {
        "threshold_ev": threshold_ev,
        "n": len(pairs),
        "metals": len(metals),
        "accuracy": (right + counts[False, False]) / max(1, len(pairs)),
        "precision": right / (right + invented) if right + invented else None,
        "recall": right / (right + missed) if right + missed else None,
        "metals_recognised": counts[False, False] / len(metals) if metals else None,
        "metals_with_interval_above_1_ev": [pair.id for pair in wrong],
    }


def warning_rates(pairs: Sequence[Pair]) -> dict[str, float]:
    """Share of crystals that carry each warning."""
    counts = Counter(code for pair in pairs for code in {warning.code for warning in pair.answer.warnings})
    return {code: counts[code] / len(pairs) for code in sorted(counts)}


def figures(variants: dict[str, list[Pair]], *, threshold_ev: float) -> dict[str, Any]:
    """Every figure of one set of crystals.

    Args:
        variants: Predictions by what was said of each crystal: ``given``, ``without``, perhaps others of
            :data:`hsegap.evaluation.variants.VARIANTS`.
        threshold_ev: Between metal and gap.
    """
    found: dict[str, Any] = {}
    for name, pairs in variants.items():
        if not pairs:
            continue
        found[name] = {"errors": errors(pairs), "intervals": intervals(pairs), "warnings": warning_rates(pairs)}
        if name == "shuffled":
            continue
        found[name] |= {
            "has_gap": has_gap(pairs, threshold_ev=threshold_ev),
            "chemistry": {
                key: {"errors": errors(kept), "intervals": intervals(kept)} for key, kept in groups(pairs).items()
            },
            "slices": {
                key: {"errors": errors(kept), "intervals": intervals(kept), "false_metals": len(false_metals(kept))}
                for key, kept in sliced(pairs).items()
            },
            "gap_ranges": {
                key: {"errors": errors(kept), "intervals": intervals(kept)} for key, kept in in_ranges(pairs).items()
            },
        }
    given = {pair.id: pair.answer.gap_ev for pair in variants.get("given", [])}
    for name in (name for name in VARIANTS if name != "given"):
        moved = [abs(pair.answer.gap_ev - given[pair.id]) for pair in variants.get(name, []) if pair.id in given]
        if name in found and moved:
            found[name]["moved_from_given_ev"] = fmean(moved)
    return found
