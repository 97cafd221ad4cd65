"""An evaluation as JSON, as a table of predictions and as plots."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from hsegap.evaluation.figures import Pair, figures, groups
from hsegap.evaluation.plots import bars, parity
from hsegap.evaluation.variants import VARIANTS

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.evaluation.evaluate import Answers

REPORT = "evaluation.json"
PARITY = "parity.svg"
BARS = "errors.svg"


def pairs_of(answers: Answers) -> dict[str, list[Pair]]:
    """Known gaps and predictions by variant.

    Rows without a text count as without text, except in variants that need one or a PBE gap.
    """
    rows, found = answers.rows, {}
    for name, some in answers.by_variant.items():
        own = VARIANTS[name].own_rows
        chosen = {index: some[index] for index in answers.kept if index in some} if own else answers.complete(name)
        found[name] = [
            Pair(rows[index].id, rows[index].gap_ev, answer, rows[index].slices) for index, answer in chosen.items()
        ]
    return found


def report_of(answers: dict[str, Answers], everything: Answers, *, threshold_ev: float) -> dict[str, Any]:
    """All figures: of each file, and of all rows together.

    Args:
        answers: By file name.
        everything: The same together.
        threshold_ev: Between metal and gap.
    """
    files = {name: figures(pairs_of(some), threshold_ev=threshold_ev) for name, some in answers.items()}
    together = (
        next(iter(files.values())) if len(files) == 1 else figures(pairs_of(everything), threshold_ev=threshold_ev)
    )
    return {"figures": {"files": files, "all": together}}


def write_report(report: dict[str, Any], everything: Answers, folder: Path) -> None:
    """Write the figures, a table of all predictions, and two plots."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = pairs_of(everything)
    shown = pairs.get("given") or pairs["without"]
    title = f"{report['model']['name']} {report['model']['version']}: {report['file']}"
    (folder / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (folder / PARITY).write_text(parity(groups(shown), title=title), encoding="utf-8")
    chemistry = report["figures"]["all"]["given" if "given" in pairs else "without"]["chemistry"]
    (folder / BARS).write_text(bars(chemistry, title=f"mean absolute error, {title}"), encoding="utf-8")
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        names = list(pairs)
        writer.writerow(["id", "formula", "hse_gap_ev", *names, "interval_low_ev", "interval_high_ev", "warnings"])
        by_name = {name: {pair.id: pair.answer for pair in some} for name, some in pairs.items()}
        for pair in shown:
            low, high = pair.answer.interval_ev or ("", "")
            found = [by_name[name].get(pair.id) for name in names]
            codes = " ".join(warning.code for warning in pair.answer.warnings)
            gaps = [f"{answer.gap_ev:.5f}" if answer else "" for answer in found]
            writer.writerow([pair.id, pair.answer.formula, pair.gap_ev, *gaps, low, high, codes])
