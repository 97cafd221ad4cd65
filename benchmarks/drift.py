"""How answers drifted from one artifact to another, on the same crystals.

    hsegap evaluate test.jsonl.gz test_metals.jsonl.gz --artifact OLD -o runs/old
    hsegap evaluate test.jsonl.gz test_metals.jsonl.gz --artifact NEW -o runs/new
    python benchmarks/drift.py runs/old runs/new

Prints a table in Markdown: by how much the answers moved, and the paired difference of their errors with its standard
error, by bootstrap over the crystals.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

#: Samples of the bootstrap.
SAMPLES = 2_000
#: What was told, by the column of ``predictions.csv``.
TOLD = {"without": "nothing", "given": "the file's description"}
#: Below this a known gap counts as none, eV.
NO_GAP_EV = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="folder that hsegap evaluate -o has written")
    parser.add_argument("new", type=Path, help="another one, of the same rows")
    arguments = parser.parse_args()
    print(table(*(pd.read_csv(folder / "predictions.csv") for folder in (arguments.old, arguments.new))))


def table(old: pd.DataFrame, new: pd.DataFrame) -> str:
    """The table: a row for each kind of crystal and what was told.

    Args:
        old: Columns ``id``, ``hse_gap_ev``, ``without`` and perhaps ``given``, eV.
        new: The same of the other artifact; only ids that stand in both are compared.
    """
    both = old.merge(new, on="id", suffixes=("_old", "_new"))
    gap = both["hse_gap_ev_old"]
    head = ["crystals", "told", "count", "moved by, mean", "median", "> 0.5 eV", "> 1 eV", "MAE before", "MAE now"]
    lines = [" | ".join([*head, "paired difference"]), " | ".join(["---"] * 10)]
    for name, chosen in (("with a gap", gap >= NO_GAP_EV), ("without", gap < NO_GAP_EV)):
        for column, told in TOLD.items():
            if f"{column}_old" in both and f"{column}_new" in both:
                some = both[chosen].dropna(subset=[f"{column}_old", f"{column}_new"])
                if len(some):
                    lines.append(" | ".join([name, told, *_figures(some, column)]))
    return "\n".join(f"| {line} |" for line in lines)


def _figures(some: pd.DataFrame, column: str) -> list[str]:
    before, now, gap = (some[name].to_numpy() for name in (f"{column}_old", f"{column}_new", "hse_gap_ev_old"))
    moved = np.abs(now - before)
    errors = np.abs(before - gap), np.abs(now - gap)
    difference = errors[1] - errors[0]
    return [
        str(len(some)),
        f"{moved.mean():.3f}",
        f"{np.median(moved):.3f}",
        f"{(moved > 0.5).mean():.1%}",
        f"{(moved > 1).mean():.1%}",
        f"{errors[0].mean():.3f}",
        f"{errors[1].mean():.3f}",
        f"{difference.mean():+.3f} ± {standard_error(difference):.3f}",
    ]


def standard_error(values: np.ndarray, *, seed: int = 0) -> float:
    """Standard error of the mean of ``values`` ``[n]``, by bootstrap."""
    random = np.random.default_rng(seed)
    picks = random.integers(len(values), size=(SAMPLES, len(values)))
    return float(values[picks].mean(axis=1).std())


if __name__ == "__main__":
    main()
