"""`hsegap report`: a page about what `hsegap score` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.commands import output

if TYPE_CHECKING:
    from pathlib import Path


def run(rows: Path, *, out: Path | None, title: str | None) -> int:
    """Make the page.

    Args:
        rows: A run's output.
        out: The page; None puts it beside the rows.
        title: Heading; None takes the file's name.

    Returns:
        Exit status: 0, or 1 if the rows cannot be read or the page cannot be written.
    """
    from hsegap.scoring.page import render
    from hsegap.scoring.problems import ScoringError, reason_of
    from hsegap.scoring.report import make_report
    from hsegap.scoring.state import write_whole

    page = out or rows.with_suffix(".html")
    try:
        report = make_report(rows)
        write_whole(page, render(report, title=title), sync=False)
    except ScoringError as error:
        output.note(f"hsegap report: {error.message} {error.hint}".rstrip())
        return 1
    except OSError as error:
        output.note(f"hsegap report: {page} cannot be written: {reason_of(error)}.")
        return 1
    output.note(f"hsegap report: {report.ok:,} predictions and {report.failed:,} errors in {page}")
    return 0
