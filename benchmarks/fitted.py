"""How well an artifact fits rows it was trained on: answering one of them wrongly needs a reason."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.textbook_figures import FALSE_METAL_EV

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Training rows looked at, in words; the rest is not asked for.
GROUPS = {
    "source borlido": lambda row: row["source"] == "borlido",
    "cubic": lambda row: row["spacegroup"] >= 195,
    "cubic, certain labels": lambda row: row["spacegroup"] >= 195 and row["label_confidence"] == "high",
    "cubic, at most 5 atoms": lambda row: row["spacegroup"] >= 195 and row["n_sites"] <= 5,
}


def training_rows(path: Path, *, limit: int | None = None) -> list[dict[str, Any]]:
    """Rows of a file that stand in at least one group."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if any(belongs(row) for belongs in GROUPS.values())]
    return rows[:limit]


def fit_of(rows: Sequence[dict[str, Any]], gaps: Sequence[float]) -> dict[str, dict[str, float]]:
    """Errors by group, and the same of the rows with a gap.

    Args:
        rows: Labelled crystals.
        gaps: What was answered, eV; NaN without an answer, which is counted apart.
    """
    known, answered = np.array([row["hse_gap_ev"] for row in rows]), np.array(gaps)
    errors = np.abs(answered - known)
    clear, metal = FALSE_METAL_EV
    found = {}
    for name, belongs in GROUPS.items():
        chosen = np.array([belongs(row) for row in rows], dtype=bool)
        told, gapped = chosen & ~np.isnan(errors), chosen & ~np.isnan(errors) & (known > 0)
        found[name] = {
            "n": int(chosen.sum()),
            "unanswered": int(chosen.sum() - told.sum()),
            "mae": float(errors[told].mean()) if told.any() else float("nan"),
            "with_gap": int(gapped.sum()),
            "mae_with_gap": float(errors[gapped].mean()) if gapped.any() else float("nan"),
            "false_metals": int((gapped & (known > clear) & (answered < metal)).sum()),
        }
    return found


def show_fit(fit: dict[str, dict[str, float]]) -> None:
    """Print it."""
    print("\n| training rows | count | MAE, eV | with a gap | MAE, eV | gap > 1 eV answered < 0.3 eV | unanswered |")
    print("|---|---|---|---|---|---|---|")
    for name, some in fit.items():
        print(
            f"| {name} | {some['n']} | {some['mae']:.3f} | {some['with_gap']} | {some['mae_with_gap']:.3f} | "
            f"{some['false_metals']} "
            f"| {some['unanswered']} |"
        )
