"""Tables and plot of an ablation: means, spreads over seeds, and differences to the baseline seed by seed."""

from __future__ import annotations

import csv
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: What the source guide expects of its variants, as change of the validation MAE in percent (an assumption there, not a
#: measurement).
EXPECTED = {"+ residual scaling": -2.0, "+ dynamic gating": -2.5, "+ both": -3.5}
BASELINE = "baseline"


@dataclass(frozen=True)
class Summary:
    """One variant over its seeds. Errors in eV.

    ``None`` where it takes more than one seed, a test set or a baseline to say.

    Attributes:
        variant: Its name.
        seeds: How many.
        val_mae: Mean of the best validation MAE, everything told.
        val_spread: Its standard deviation over seeds.
        change: Mean change of it against the baseline of the same seed, percent.
        change_spread: Standard deviation of that change, percent.
        val_mae_without_text: As ``val_mae``, texts and facts hidden.
        val_mae_described: As ``val_mae``, the facts hidden; where there are any.
        val_mae_known: As ``val_mae``, the texts hidden; where there are facts.
        test_mae: On the test rows, with the weights that validation chose.
        test_spread: Its standard deviation.
        parameters: Of the network.
        more_parameters: Beyond the baseline's.
        seconds: Processor time per epoch (training steps only).
        slower: Change of that against the baseline, percent.
    """

    variant: str
    seeds: int
    val_mae: float
    val_spread: float | None
    change: float | None
    change_spread: float | None
    val_mae_without_text: float
    test_mae: float | None
    test_spread: float | None
    parameters: int
    more_parameters: int | None
    seconds: float
    slower: float | None
    val_mae_described: float | None = None
    val_mae_known: float | None = None


def summarise(results: Sequence[dict[str, Any]]) -> list[Summary]:
    """One row per variant, in the order in which they come first."""
    by_variant: dict[str, dict[int, dict[str, Any]]] = {}
    for result in results:
        for name in result["variants"]:
            by_variant.setdefault(name, {})[result["seed"]] = result
    baseline = by_variant.get(BASELINE, {})
    return [_summary(name, runs, baseline) for name, runs in by_variant.items()]


def _summary(name: str, runs: dict[int, dict[str, Any]], baseline: dict[int, dict[str, Any]]) -> Summary:
    values = list(runs.values())
    common = [seed for seed in runs if seed in baseline and name != BASELINE]
    changes = [100 * (runs[seed]["val_mae"] / baseline[seed]["val_mae"] - 1) for seed in common]
    tests = [run["test_mae"] for run in values if run["test_mae"] is not None]
    seconds = statistics.median(run["processor_seconds_per_epoch"] for run in values)
    base_seconds = (
        statistics.median(run["processor_seconds_per_epoch"] for run in baseline.values()) if baseline else None
    )
    base_parameters = next(iter(baseline.values()))["parameters"] if baseline else None
    return Summary(
        variant=name,
        seeds=len(values),
        val_mae=statistics.fmean(run["val_mae"] for run in values),
        val_spread=_spread([run["val_mae"] for run in values]),
        change=statistics.fmean(changes) if changes else None,
        change_spread=_spread(changes),
        val_mae_without_text=statistics.fmean(run["val_mae_without_text"] for run in values),
        test_mae=statistics.fmean(tests) if tests else None,
        test_spread=_spread(tests),
        parameters=values[0]["parameters"],
        more_parameters=None if base_parameters is None else values[0]["parameters"] - base_parameters,
        seconds=seconds,
        slower=None if base_seconds is None or name == BASELINE else 100 * (seconds / base_seconds - 1),
        val_mae_described=_mean_of(values, "val_mae_described"),
        val_mae_known=_mean_of(values, "val_mae_known"),
    )


def _mean_of(runs: Sequence[dict[str, Any]], field: str) -> float | None:
    """Mean of a field that every run has, or no run."""
    return statistics.fmean(run[field] for run in runs) if field in runs[0] else None


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def write_tables(results: Sequence[dict[str, Any]], out: Path) -> list[Path]:
    """Write ``ablation.csv`` (one row per variant), ``ablation_runs.csv`` (one per run) and ``ablation.md``."""
    rows = summarise(results)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / "ablation.csv", out / "ablation_runs.csv", out / "ablation.md"]
    with paths[0].open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(Summary.__dataclass_fields__))
        writer.writeheader()
        writer.writerows({key: _rounded(value) for key, value in row.__dict__.items()} for row in rows)
    with paths[1].open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(results[0]) if results else ["variants"])
        writer.writeheader()
        writer.writerows({**result, "variants": "; ".join(result["variants"])} for result in results)
    paths[2].write_text(markdown(rows), encoding="utf-8")
    return paths


def _rounded(value: Any) -> Any:
    return "" if value is None else round(value, 6) if isinstance(value, float) else value


def markdown(rows: Sequence[Summary]) -> str:
    """The table for people: mean ± standard deviation over seeds, changes against the baseline of the same seed."""
    facts = any(row.val_mae_known is not None for row in rows)
    heads = ["variant", "seeds", "validation MAE, eV", "change", "guide expects"]
    heads += ["description alone, eV", "facts alone, eV", "nothing told, eV"] if facts else ["without text, eV"]
    heads += ["test MAE, eV", "parameters", "CPU s/epoch"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        more = "" if not row.more_parameters else f" ({row.more_parameters:+,})"
        slower = "" if row.slower is None else f" ({row.slower:+.0f} %)"
        expected = EXPECTED.get(row.variant)
        cells = [
            row.variant,
            str(row.seeds),
            _with_spread(row.val_mae, row.val_spread, 4),
            "" if row.change is None else _with_spread(row.change, row.change_spread, 1, sign=True) + " %",
            "" if expected is None else f"{expected:+.1f} %",
            *(
                [_with_spread(row.val_mae_described, None, 4), _with_spread(row.val_mae_known, None, 4)]
                if facts
                else []
            ),
            f"{row.val_mae_without_text:.4f}",
            "" if row.test_mae is None else _with_spread(row.test_mae, row.test_spread, 4),
            f"{row.parameters:,}{more}",
            f"{row.seconds:.1f}{slower}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _with_spread(value: float | None, spread: float | None, digits: int, *, sign: bool = False) -> str:
    if value is None:
        return ""
    shown = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return shown if spread is None or math.isnan(spread) else f"{shown} ± {spread:.{digits}f}"


def plot(results: Sequence[dict[str, Any]], path: Path) -> Path:
    """Validation MAE of each variant: a point per seed, the mean and the standard deviation.

    Returns:
        ``path``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = summarise(results)
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    baseline = next((row.val_mae for row in rows if row.variant == BASELINE), None)
    if baseline is not None:
        axes.axvline(baseline, color="0.75", linewidth=1, zorder=0)
    for position, row in enumerate(rows):
        points = [result["val_mae"] for result in results if row.variant in result["variants"]]
        axes.errorbar(
            row.val_mae,
            position,
            xerr=row.val_spread or 0.0,
            fmt="o",
            color="#1f4e79",
            capsize=4,
            label="mean ± standard deviation",
        )
        axes.plot(points, [position + 0.22] * len(points), ".", color="#c55a11", markersize=5, label="single seeds")
        expected = EXPECTED.get(row.variant)
        if expected is not None and baseline is not None:
            axes.plot(
                baseline * (1 + expected / 100),
                position,
                "|",
                color="#548235",
                markersize=14,
                label="the guide's expectation",
            )
    axes.set_yticks(range(len(rows)), [row.variant for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("validation MAE, eV")
    shown = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(shown.values(), shown.keys(), loc="best", frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path
