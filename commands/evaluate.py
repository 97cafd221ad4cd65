"""`hsegap evaluate`: the errors of an artifact on a file of labelled crystals."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from commands import output

if TYPE_CHECKING:
    from pathlib import Path


def run(file: Path, *, target: str, without_text: bool, limit: int | None, as_json: bool, artifact: Path | None) -> int:
    """Evaluate an artifact and print its errors; a progress bar runs on standard error.

    Args:
        file: JSON lines, packed with gzip or not.
        target: Column with the known gap, eV.
        without_text: Leave descriptions out.
        limit: Only the first so many rows.
        as_json: One JSON object instead of a table.
        artifact: Artifact folder; None takes the default one.

    Returns:
        Exit status: 0 if every row was predicted, else 1.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from commands.predict import open_predictor
    from commands.tables import show_error, show_evaluation
    from export.artifact import ArtifactError
    from scoring.evaluate import EvaluationError, evaluate, predictions_needed, read_rows

    columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with output.answers_only() as out:
        try:
            rows = read_rows(file, target=target, limit=limit)
            with (
                open_predictor(artifact, jobs=len(rows)) as predictor,
                Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar,
            ):
                task = bar.add_task("", total=predictions_needed(rows, with_text=not without_text))
                report = evaluate(
                    rows, predictor, file=file.name, target=target, with_text=not without_text, advance=lambda: bar.advance(task)
                )
        except (ArtifactError, EvaluationError) as error:
            entry = {"id": str(file), "error": {"code": error.code, "message": error.message, "hint": error.hint}}
            if as_json:
                output.write_json(entry, out)
            else:
                show_error(entry, out=out)
            return 1
        if as_json:
            output.write_json(report.as_json(), out)
        else:
            show_evaluation(report, out=out)
    return int(bool(report.failures))
