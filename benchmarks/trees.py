"""What boosted trees reach on formula and PBE gap alone, without a structure.

It stands beside every figure with a known PBE gap.

    python benchmarks/trees.py                 # a minute
    python benchmarks/trees.py --seeds 5 --json trees.json

The trees of hsegap.training.transfer, untuned, learned from the training rows: once from all of them, told each row's
source, and once from those of the source that the test rows have.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root

os.environ.setdefault("OMP_NUM_THREADS", "1")  # on a busy machine spinning threads take ten times as long

import numpy as np  # noqa: E402 - after the path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.training.transfer import GapTrees

DATA = ROOT.parent / "shared" / "data" / "hse"
SOURCE = "snumat"
#: A row with a larger gap than the first that is estimated below the second is a false metal, eV.
FALSE_METAL_EV = (1.0, 0.3)


def groups_of(items: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Rows measured apart, ``[rows]`` bool each."""
    return {
        "all": np.ones(len(items), dtype=bool),
        "certain labels": np.array([item["label_confidence"] == "high" for item in items]),
        "PBE gap 0": np.array([item["pbe_gap_ev"] <= 0 for item in items]),
        "cubic": np.array([item["spacegroup"] >= 195 for item in items]),
    }


def estimates(trees: GapTrees, path: Path) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Rows of a file that have both gaps, and their estimates, eV."""
    from hsegap.training.data import json_lines

    items = [item for _, item in json_lines(path) if item.get(trees.cheap) is not None]
    return items, trees.estimate(trees.table(items))


def measure(data: Path, files: Sequence[str], *, only: bool, seeds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Errors by file and group, the mean over seeds."""
    from hsegap.training.transfer import GapTrees

    forests = [GapTrees.fit([data / "train.jsonl.gz"], source=SOURCE, only=only, seed=seed) for seed in range(seeds)]
    found: dict[str, dict[str, dict[str, float]]] = {}
    clear, metal = FALSE_METAL_EV
    for file in files:
        runs = [estimates(trees, data / f"{file}.jsonl.gz") for trees in forests]
        items = runs[0][0]
        known = np.array([item["hse_gap_ev"] for item in items])
        gaps = np.array([gap for _, gap in runs])
        errors = np.abs(gaps - known)
        found[file] = {
            name: {
                "n": int(chosen.sum()),
                "mae": float(errors[:, chosen].mean()),
                "standard_error": float(errors.mean(0)[chosen].std(ddof=1) / np.sqrt(chosen.sum())),
                "false_metals": float(((gaps < metal) & (known > clear))[:, chosen].sum(1).mean()),
            }
            for name, chosen in groups_of(items).items()
            if chosen.sum() > 1
        }
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of train.jsonl.gz and the files to measure on")
    parser.add_argument(
        "--files", nargs="+", default=["test", "test_metals"], help="files to measure on, without .jsonl.gz"
    )
    parser.add_argument("--seeds", type=int, default=3, help="forests to average the errors of")
    parser.add_argument("--json", type=Path, default=None, help="file to write the figures to")
    options = parser.parse_args(arguments)
    figures = {}
    for label, only in ((f"{SOURCE} rows", True), ("all training rows", False)):
        figures[label] = measure(options.data, options.files, only=only, seeds=options.seeds)
        print(
            f"\nlearned from {label}\n\n| file | rows | count | MAE, eV | gap > 1 eV estimated < 0.3 eV |\n"
            "|---|---|---|---|---|"
        )
        for file, groups in figures[label].items():
            for name, found in groups.items():
                print(
                    f"| {file} | {name} | {found['n']} | {found['mae']:.3f} ± {found['standard_error']:.3f} | "
                    f"{found['false_metals']:.1f} |"
                )
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
