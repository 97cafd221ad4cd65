"""`hsegap report`: a page about what `hsegap score` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hsegap.commands import output


def report(
    rows: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="What `hsegap score` wrote: .csv, .jsonl or .parquet.", show_default=False),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The page; OUT with .html if left out.", show_default=False),
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.", show_default=False)] = None,
) -> None:
    """Make one HTML page of a run's rows.

    Distribution, kinds, elements, highest and lowest gaps, outliers, warnings and errors, in one file that needs no
    network.

    \b
    Examples:
      hsegap report gaps.csv
      hsegap report gaps.parquet -o oxides.html --title "Oxides, first pass"
    """
    raise typer.Exit(run(rows, out=out, title=title))


def run(rows: Path, *, out: Path | None, title: str | None) -> int:
    """Make the page.

    Args:
        rows: A run's output.
        out: The page; None puts it beside the rows.
        title: Heading; None takes the file's name.

    Returns:
        Exit status: 0, 1 if the rows cannot be read or the page cannot be written, 2 for a file that is no run's
        output.
    """
    from hsegap.batch.page import render
    from hsegap.batch.problems import ScoringError, reason_of
    from hsegap.batch.report import make_report
    from hsegap.batch.state import write_whole

    page = out or rows.with_suffix(".html")
    try:
        report = make_report(rows)
        write_whole(page, render(report, title=title), sync=False)
    except ScoringError as error:
        output.note(f"hsegap report: {error}")
        return output.status_of(error)
    except OSError as error:
        output.note(f"hsegap report: {page} cannot be written: {reason_of(error)}.")
        return 1
    output.note(f"hsegap report: {report.ok:,} predictions and {report.failed:,} errors in {page}")
    return 0
