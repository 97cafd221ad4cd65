"""What a page about a run says: one or two passes over its rows, in memory that does not grow with them."""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.batch.problems import ScoringError, need, reason_of
from hsegap.batch.rows import COLUMNS, flat
from hsegap.batch.streams import csv_dicts, text_lines
from hsegap.batch.target import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Rows shown in each list.
SHOWN = 15
#: Bins of the distribution, eV.
BIN_EV = 0.25
#: Rows that a fit over compositions needs to say anything.
FIT_ROWS = 100
#: Formulas whose spread is followed; beyond it new ones are not, and the page says so.
MOST_FORMULAS = 200_000
_MAX_BINS = 60
_TOKEN = re.compile(r"([A-Z][a-z]?)|(\()|(\))|(\d+\.?\d*)")


@dataclass
class Spread:
    """Gaps of the crystals that share a formula."""

    low: tuple[float, str]
    high: tuple[float, str]
    n: int = 1


@dataclass
class Report:
    """Everything on the page.

    Attributes:
        name: Of the file.
        ok: Rows with a prediction.
        gaps: Counts in bins of 0.25 eV; the last one takes everything above.
        kinds: Predictions by kind.
        elements: Per element: crystals with it, sum of their gaps, eV.
        sizes: Crystals by number of elements.
        errors: Failed rows by code, with the first few of each.
        warnings: Rows by warning, with the first few of each.
        highest: Rows of the largest gaps.
        lowest: Rows of the smallest raw gaps above zero.
        unusual: Rows furthest from a linear fit over compositions, with that fit's gap.
        spreads: Formulas with the widest range of gaps.
        origins: Predictions by origin of their text.
        model: Names and hashes of the artifacts that answered.
        interval_ev: Mean width of the intervals; None where there are none.
        coverage: What the intervals are built to hold.
        notes: What the page cannot say.
    """

    name: str
    ok: int = 0
    gap_sum: float = 0.0
    gaps: list[int] = field(default_factory=lambda: [0] * _MAX_BINS)
    kinds: Counter[str] = field(default_factory=Counter)
    elements: dict[str, list[float]] = field(default_factory=dict)
    sizes: Counter[int] = field(default_factory=Counter)
    errors: dict[str, tuple[int, list[dict[str, Any]]]] = field(default_factory=dict)
    warnings: dict[str, tuple[int, list[dict[str, Any]]]] = field(default_factory=dict)
    highest: list[dict[str, Any]] = field(default_factory=list)
    lowest: list[dict[str, Any]] = field(default_factory=list)
    unusual: list[tuple[dict[str, Any], float]] = field(default_factory=list)
    fit_error_ev: float | None = None
    spreads: list[tuple[str, Spread]] = field(default_factory=list)
    origins: Counter[str] = field(default_factory=Counter)
    models: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    interval_ev: float | None = None
    coverage: float | None = None
    notes: list[str] = field(default_factory=list)
    record: dict[str, Any] | None = None

    @property
    def failed(self) -> int:
        """Rows without a prediction."""
        return sum(count for count, _ in self.errors.values())


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of an output of `hsegap score`, by the names of :data:`hsegap.batch.rows.COLUMNS`, numbers as numbers.

    Raises:
        ScoringError: If it cannot be read or holds no such rows.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise ScoringError("usage", f"{path} is no .csv, .jsonl or .parquet file.", "Name what `hsegap score` wrote.")
    try:
        with path.open("rb") as stream:
            if kind == "parquet":
                parquet: Any = need("pyarrow.parquet", purpose=f"Reading {path}")
                file = parquet.ParquetFile(stream)
                _check_columns(path, set(file.schema_arrow.names))
                for group in file.iter_batches(batch_size=4096, columns=list(COLUMNS)):
                    yield from group.to_pylist()
            elif kind == "csv":
                head = stream.readline(4096).decode("utf-8-sig", errors="replace").strip()
                if head:  # an empty file is a run that was killed before its first row
                    _check_columns(path, set(head.split(",")))
                stream.seek(0)
                yield from map(_typed, csv_dicts(stream, delimiter=","))
            else:
                for line in text_lines(stream):
                    row = json.loads(line)
                    if not isinstance(row, dict) or "status" not in row:
                        raise _foreign(path)
                    yield flat(row)
    except FileNotFoundError:
        raise ScoringError("no_inputs", f"There is no file {path}.", "Check the path.") from None
    except (OSError, ValueError) as error:
        raise ScoringError(
            "unreadable_input", f"{path} cannot be read: {reason_of(error)}.", "Check the file."
        ) from error


def largest_gaps(path: Path, most: int) -> list[dict[str, Any]]:
    """The answered rows with the largest gaps, the largest first; of equal gaps those that come first.

    Args:
        path: An output of `hsegap score`.
        most: How many.

    Raises:
        ScoringError: If it cannot be read or holds no such rows.
    """
    answered = ((row["gap_ev"], -place, row) for place, row in enumerate(read_rows(path)) if row["status"] == "ok")
    return [row for _, _, row in heapq.nlargest(most, answered, key=lambda entry: entry[:2])]


def _foreign(path: Path) -> ScoringError:
    return ScoringError("usage", f"{path} is not an output of `hsegap score`.", "Name the file that was given with -o.")


def _check_columns(path: Path, names: set[str]) -> None:
    if not {"id", "status", "gap_ev", "error_code"} <= names:
        raise _foreign(path)


def _typed(row: dict[str, str]) -> dict[str, Any]:
    """Values of a CSV row as what they are."""
    typed: dict[str, Any] = {}
    for name, kind in COLUMNS.items():
        text = row.get(name, "")
        if kind == "notices":
            typed[name] = json.loads(text) if text else []
        elif text == "":
            typed[name] = None
        else:
            typed[name] = int(text) if kind == "integer" else float(text) if kind == "number" else text
    return typed


def amounts(formula: str) -> dict[str, float]:
    """Atoms of each element in a formula with or without brackets: ``Mg(ScSe2)2``."""
    stack: list[dict[str, float]] = [{}]
    last: dict[str, float] = {}
    for symbol, opening, closing, number in _TOKEN.findall(formula):
        if symbol:
            last = {symbol: 1.0}
            _add(stack[-1], last)
        elif opening:
            stack.append({})
        elif closing and len(stack) > 1:
            last = stack.pop()
            _add(stack[-1], last)
        elif number:
            # What was just added once is there so many times.
            _add(stack[-1], {name: count * (float(number) - 1) for name, count in last.items()})
    return stack[0]


def _add(total: dict[str, float], more: dict[str, float]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0.0) + count


class _CompositionFit:
    """Least squares of the gap over element fractions, gathered row by row."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        size = 130
        self._squares = np.zeros((size, size))
        self._products = np.zeros(size)
        self.n = 0

    def _vector(self, formula: str) -> np.ndarray:
        vector = np.zeros(len(self._products))
        parts = amounts(formula)
        total = sum(parts.values()) or 1.0
        for name, count in parts.items():
            vector[self._places.setdefault(name, len(self._places)) % len(vector)] = count / total
        return vector

    def add(self, formula: str, gap_ev: float) -> None:
        vector = self._vector(formula)
        self._squares += np.outer(vector, vector)
        self._products += gap_ev * vector
        self.n += 1

    def solve(self) -> np.ndarray:
        # A little ridge: an element seen once must not explain its crystal away.
        return np.asarray(np.linalg.solve(self._squares + 0.05 * np.eye(len(self._products)), self._products))

    def gap(self, formula: str, weights: np.ndarray) -> float:
        return float(self._vector(formula) @ weights)


def _brief(row: dict[str, Any]) -> dict[str, Any]:
    """What lists show of a row; descriptions are long and not among it."""
    names = (
        "id",
        "formula",
        "n_atoms",
        "gap_ev",
        "gap_raw_ev",
        "interval_ev_low",
        "interval_ev_high",
        "kind",
        "error_message",
        "error_hint",
    )
    return {name: row[name] for name in names}


def _count(groups: dict[str, tuple[int, list[dict[str, Any]]]], code: str, row: dict[str, Any], **more: str) -> None:
    count, examples = groups.get(code, (0, []))
    if len(examples) < SHOWN:
        examples.append({**_brief(row), **more})
    groups[code] = (count + 1, examples)


def make_report(path: Path) -> Report:
    """Read a run's rows.

    Args:
        path: What `hsegap score` wrote.

    Raises:
        ScoringError: If it cannot be read.
    """
    report = Report(path.name)
    fit = _CompositionFit()
    formulas: dict[str, Spread] = {}
    highest: list[tuple[float, int, dict[str, Any]]] = []
    lowest: list[tuple[float, int, dict[str, Any]]] = []
    widths: list[float] = [0.0, 0.0]
    for number, row in enumerate(read_rows(path)):
        for code, message in {warning["code"]: warning["message"] for warning in row["warnings"]}.items():
            _count(report.warnings, code, row, message=message)
        if row["status"] != "ok":
            _count(report.errors, row["error_code"], row)
            continue
        gap, formula = row["gap_ev"], row["formula"]
        report.ok += 1
        report.gap_sum += gap
        report.gaps[min(_MAX_BINS - 1, int(gap / BIN_EV))] += 1
        report.kinds[row["kind"]] += 1
        report.origins[row["description_origin"]] += 1
        report.models[row["model_name"], row["model_version"], row["model_sha256"]] += 1
        parts = amounts(formula)
        report.sizes[len(parts)] += 1
        for element in parts:
            entry = report.elements.setdefault(element, [0, 0.0])
            entry[0] += 1
            entry[1] += gap
        fit.add(formula, gap)
        _follow(formulas, formula, gap, row["id"])
        _keep(highest, (gap, -number, row))
        if gap > 0:
            _keep(lowest, (-gap, -number, row))
        if row["interval_ev_high"] is not None:
            widths = [widths[0] + 1, widths[1] + row["interval_ev_high"] - row["interval_ev_low"]]
            report.coverage = row["coverage"]
    report.highest = [_brief(row) for _, _, row in sorted(highest, key=lambda entry: entry[:2], reverse=True)]
    report.lowest = [_brief(row) for _, _, row in sorted(lowest, key=lambda entry: entry[:2], reverse=True)]
    report.interval_ev = widths[1] / widths[0] if widths[0] else None
    several = ((name, spread) for name, spread in formulas.items() if spread.n > 1)
    report.spreads = heapq.nlargest(SHOWN, several, key=lambda entry: entry[1].high[0] - entry[1].low[0])
    if len(formulas) >= MOST_FORMULAS:
        report.notes.append(f"Ranges within a formula were followed for the first {MOST_FORMULAS:,} formulas.")
    if fit.n >= FIT_ROWS:
        _find_unusual(report, fit, path)
    record = path.with_name(f"{path.name}.run.json")
    if record.is_file():
        try:
            report.record = json.loads(record.read_bytes())
        except ValueError:
            report.notes.append(f"{record.name} is damaged; how the run was made is not shown.")
    return report


def _follow(formulas: dict[str, Spread], formula: str, gap: float, name: str) -> None:
    spread = formulas.get(formula)
    if spread is None:
        if len(formulas) < MOST_FORMULAS:
            formulas[formula] = Spread((gap, name), (gap, name))
        return
    spread.n += 1
    spread.low = min(spread.low, (gap, name))
    spread.high = max(spread.high, (gap, name))


def _keep(heap: list[tuple[float, int, dict[str, Any]]], entry: tuple[float, int, dict[str, Any]]) -> None:
    """Keep the largest few; places differ, so rows are never compared."""
    if len(heap) < SHOWN:
        heapq.heappush(heap, entry)
    elif entry[:2] > heap[0][:2]:
        heapq.heapreplace(heap, entry)


def _find_unusual(report: Report, fit: _CompositionFit, path: Path) -> None:
    """The rows furthest from what their composition leads to expect, in a second pass."""
    weights = fit.solve()
    heap: list[tuple[float, int, dict[str, Any]]] = []
    squares = 0.0
    for number, row in enumerate(read_rows(path)):
        if row["status"] == "ok":
            distance = row["gap_ev"] - fit.gap(row["formula"], weights)
            squares += distance**2
            _keep(heap, (abs(distance), -number, {**row, "distance": distance}))
    report.fit_error_ev = (squares / fit.n) ** 0.5
    ordered = sorted(heap, key=lambda entry: entry[:2], reverse=True)
    report.unusual = [(_brief(row), row["gap_ev"] - row["distance"]) for _, _, row in ordered]
