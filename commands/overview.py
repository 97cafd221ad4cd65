"""Many answers at a glance: one row each, sorted and filtered.

What is said of each at length is in :mod:`hsegap.commands.tables`.
"""

from __future__ import annotations

import math
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Errors told in full below a table.
MOST_ERRORS = 5


class Sort(StrEnum):
    """What rows are sorted by."""

    gap = "gap"
    width = "width"
    formula = "formula"
    atoms = "atoms"
    file = "file"


class Line(NamedTuple):
    """One row.

    Attributes:
        name: Of the input.
        formula: Reduced formula; None for one that failed.
        n_atoms: Atoms in the cell.
        gap_ev: The gap.
        interval_ev: Its interval; None before calibration.
        kind: metal, semiconductor or insulator.
        warnings: Codes of its warnings.
        error: Code of its error; None for one that was answered.
    """

    name: str
    formula: str | None = None
    n_atoms: int | None = None
    gap_ev: float | None = None
    interval_ev: tuple[float, float] | None = None
    kind: str | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None


def line_of(entry: Mapping[str, Any]) -> Line:
    """The row of an entry of the JSON array."""
    if "error" in entry:
        return Line(str(entry.get("id", "")), error=entry["error"]["code"])
    interval = entry["interval_ev"]
    return Line(
        name=str(entry.get("id", "")),
        formula=entry["formula"],
        n_atoms=entry["n_atoms"],
        gap_ev=entry["gap_ev"],
        interval_ev=(interval[0], interval[1]) if interval else None,
        kind=entry["kind"],
        warnings=tuple(dict.fromkeys(warning["code"] for warning in entry["warnings"])),
    )


def chosen(
    entries: Iterable[dict[str, Any]],
    *,
    sort: Sort | None = None,
    descending: bool = False,
    min_gap: float | None = None,
    max_gap: float | None = None,
) -> list[dict[str, Any]]:
    """Entries within bounds, sorted; those that failed stay and come last.

    Args:
        entries: Of the JSON array.
        sort: By what; None leaves the order of the inputs.
        descending: The largest first.
        min_gap: Smallest gap, eV.
        max_gap: Largest gap, eV.
    """
    low, high = (-math.inf if min_gap is None else min_gap), (math.inf if max_gap is None else max_gap)
    kept = [entry for entry in entries if "error" in entry or low <= entry["gap_ev"] <= high]
    if sort is None:
        return kept
    answered = [entry for entry in kept if "error" not in entry]
    failed = [entry for entry in kept if "error" in entry]
    return [*sorted(answered, key=lambda entry: _key(line_of(entry), sort), reverse=descending), *failed]


def _key(line: Line, sort: Sort) -> tuple[Any, str]:
    """What a row is compared by; the name settles what is equal."""
    low, high = line.interval_ev or (0.0, 0.0)
    values = {
        Sort.gap: line.gap_ev,
        Sort.width: high - low,
        Sort.formula: line.formula,
        Sort.atoms: line.n_atoms,
        Sort.file: line.name,
    }
    return values[sort], line.name


def show_lines(lines: Sequence[Line], *, out: TextIO, title: str | None = None) -> None:
    """Print rows as a table.

    Args:
        lines: The rows.
        out: Where to print.
        title: Above it.
    """
    from rich.table import Table
    from rich.text import Text

    from hsegap.commands.tables import KIND_STYLE, console

    # Narrow, so that names have room on a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title, title_justify="left", header_style="dim")
    table.add_column("file", overflow="fold")
    for heading, justify in (
        ("formula", "left"),
        ("atoms", "right"),
        ("gap, eV", "right"),
        ("interval", "right"),
        ("kind", "left"),
        ("", "left"),
    ):
        table.add_column(heading, justify=justify, no_wrap=heading != "formula")  # type: ignore[arg-type]  # one of rich's words
    for line in lines:
        if line.error is not None:
            table.add_row(
                Text(line.name), "", "", "–", "", Text("error", style="bold red"), Text("✗", style="bold red")
            )
            continue
        interval = "" if line.interval_ev is None else f"{line.interval_ev[0]:.2f}–{line.interval_ev[1]:.2f}"
        kind = Text(line.kind or "", style=KIND_STYLE.get(line.kind or "", ""))
        mark = Text("⚠" if line.warnings else "", style="yellow")
        table.add_row(Text(line.name), line.formula, str(line.n_atoms), f"{line.gap_ev:.2f}", interval, kind, mark)
    console(out).print(table)
    warned = Counter(code for line in lines for code in line.warnings)
    if warned:
        said = ", ".join(f"{code} {count}" for code, count in warned.most_common())
        console(out).print(Text(f"⚠ {said}", style="yellow"))


def show_overview(entries: Sequence[dict[str, Any]], *, out: TextIO) -> None:
    """Print one row per entry, and below what is to be said of those that failed.

    Args:
        entries: Of the JSON array.
        out: Where to print.
    """
    from hsegap.commands.tables import show_error

    show_lines([line_of(entry) for entry in entries], out=out)
    failed = [entry for entry in entries if "error" in entry]
    for entry in failed[:MOST_ERRORS]:
        show_error(entry, out=out)
    if len(failed) > MOST_ERRORS:
        out.write(f"{len(failed) - MOST_ERRORS} more errors: --verbose and --json tell them all\n")


def write_csv(entries: Iterable[Mapping[str, Any]], out: TextIO) -> None:
    """Print entries as CSV, by the columns of `hsegap score`.

    Args:
        entries: Of the JSON array.
        out: Where to print.
    """
    from hsegap.batch.batches import Item
    from hsegap.batch.rows import COLUMNS, csv_head, csv_lines, flat, row_of

    out.write(csv_head(COLUMNS))
    for entry in entries:
        index = entry["error"].get("index", 0) if "error" in entry else entry["index"]
        out.write(csv_lines([flat(row_of(Item(str(entry.get("id", ""))), entry, index=index))], COLUMNS))
