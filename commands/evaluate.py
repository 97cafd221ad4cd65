"""`hsegap evaluate`: an artifact's errors on labelled crystals, and all else that tells how far it can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import output
from hsegap.commands.options import ArtifactOption, JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.evaluation.evaluate import Answers, Evaluation
    from hsegap.evaluation.rows import Row


def evaluate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="A .jsonl or .jsonl.gz file with one crystal per line: cif, description, hse_gap_ev.",
            show_default=False,
        ),
    ],
    *,
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column with the known gap in eV.")] = "hse_gap_ev",
    without_text: Annotated[bool, typer.Option("--without-text", help="Leave the files' descriptions out.")] = False,
    generated: Annotated[
        bool,
        typer.Option(
            "--generated", help="Predict with generated descriptions, too (seconds per crystal, kept between runs)."
        ),
    ] = False,
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="Predict with another crystal's description, too.")
    ] = False,
    known: Annotated[bool, typer.Option("--known", help="Predict with the rows' PBE gaps stated, too.")] = False,
    unsure: Annotated[
        bool,
        typer.Option(
            "--unsure",
            help="Predict with PBE gaps that are off by 0.1 and 0.3 eV, and with HSE gaps stated as PBE, too.",
        ),
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N rows of each file.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Write figures, predictions and plots here.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    artifact: ArtifactOption = None,
) -> None:
    """Compare predictions with known gaps.

    Prints mean and median absolute errors with and without the descriptions, beside those of predicting the mean;
    coverage and width of the intervals by chemistry and gap; how well metals are recognised; how often there are
    warnings. --out writes what `hsegap card` reads.

    \b
    Examples:
      hsegap evaluate test.jsonl.gz
      hsegap evaluate test.jsonl.gz --limit 50 --json
      hsegap evaluate test.jsonl.gz test_metals.jsonl.gz --generated --shuffled --known --unsure -o runs/evaluation
    """
    status = run(
        files,
        target=target,
        without_text=without_text,
        generated=generated,
        shuffled=shuffled,
        known=known,
        unsure=unsure,
        limit=limit,
        as_json=json,
        out=out,
        artifact=artifact,
    )
    raise typer.Exit(status)


def run(
    files: Sequence[Path],
    *,
    target: str,
    without_text: bool,
    generated: bool,
    shuffled: bool,
    known: bool,
    unsure: bool,
    limit: int | None,
    as_json: bool,
    out: Path | None,
    artifact: Path | None,
) -> int:
    """Evaluate an artifact and print its errors; a progress bar runs on standard error.

    Args:
        files: JSON lines, packed with gzip or not.
        target: Column with the known gap, eV.
        without_text: Leave descriptions out.
        generated: Predict with generated descriptions, too.
        shuffled: Predict with another crystal's description, too.
        known: Predict with the rows' PBE gaps stated, too.
        unsure: Predict with PBE gaps that are not quite true, too.
        limit: Only the first so many rows of each file.
        as_json: One JSON object instead of a table.
        out: Folder for the figures, the plots and the table of predictions; None writes none.
        artifact: Artifact folder; None takes the default one.

    Returns:
        Exit status: 0 if every row was predicted, else 1.
    """
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.commands.tables import show_error, show_evaluation, show_figures
    from hsegap.evaluation.evaluation_report import write_report
    from hsegap.evaluation.rows import EvaluationError, read_rows

    texts = not without_text
    variants = {
        "with_text": texts,
        "generated": generated and texts,
        "shuffled": shuffled and texts,
        "known": known,
        "unsure": unsure,
    }
    with output.answers_only() as console:
        try:
            by_file = {path.name: read_rows(path, target=target, limit=limit) for path in files}
            everything, evaluation, report = _measured(by_file, artifact, variants, target=target)
            if out is not None:
                report["command"] = " ".join(_command(files, target=target, limit=limit, variants=variants))
                write_report(report, everything, out)
        except (ArtifactError, EvaluationError) as error:
            entry = error.problem.entry(name=str(files[0]))
            if as_json:
                output.write_json(entry, console)
            else:
                show_error(entry, out=console)
            return 1
        if as_json:
            output.write_json(report, console)
        else:
            show_evaluation(evaluation, out=console)
            show_figures(report["figures"], out=console)
            if out is not None:
                output.note(f"wrote {out}")
    return int(bool(evaluation.failures))


def _measured(
    by_file: dict[str, list[Row]], artifact: Path | None, variants: dict[str, bool], *, target: str
) -> tuple[Answers, Evaluation, dict[str, Any]]:
    """Predict the rows of all files: the answers, their plain errors, and the whole report.

    Raises:
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
    """
    from hsegap.artifact.artifact import Artifact
    from hsegap.batch.texts import ScoringPredictor
    from hsegap.evaluation.evaluate import ask, predictions_needed, summarise
    from hsegap.evaluation.evaluation_report import report_of

    with ScoringPredictor(Artifact.load(artifact), workers=2, threads=2) as predictor, output.progress() as bar:
        task = bar.add_task("predicting", total=sum(predictions_needed(some, **variants) for some in by_file.values()))
        answers = {
            name: ask(some, predictor, **variants, advance=lambda: bar.advance(task)) for name, some in by_file.items()
        }
        everything = _together(answers)
        evaluation = summarise(everything, predictor, file=", ".join(by_file), target=target)
        report = evaluation.as_json() | {"measured_on": predictor.artifact.prediction_sha256()}
        return everything, evaluation, report | report_of(answers, everything, threshold_ev=predictor.metal_below_ev)


def _together(answers: dict[str, Answers]) -> Answers:
    """The answers of all files as those of one."""
    from hsegap.evaluation.evaluate import Answers as Joined

    parts = list(answers.values())
    if len(parts) == 1:
        return parts[0]
    rows: list[Any] = []
    by_variant: dict[str, dict[int, Any]] = {"without": {}}
    failed: dict[int, Any] = {}
    for part in parts:
        start = len(rows)
        rows += part.rows
        for name, found in part.by_variant.items():
            by_variant.setdefault(name, {}).update({start + index: answer for index, answer in found.items()})
        failed |= {start + index: failure for index, failure in part.failed.items()}
    return Joined(rows, by_variant, failed)


def _command(files: Sequence[Path], *, target: str, limit: int | None, variants: dict[str, Any]) -> list[str]:
    """The command as it can be typed again, files by name."""
    from hsegap.evaluation.rows import TARGET

    parts = ["hsegap evaluate", *(path.name for path in files)]
    parts += ["--without-text"] if not variants["with_text"] else []
    parts += [f"--{name}" for name in ("generated", "shuffled", "known", "unsure") if variants[name]]
    parts += [f"--target {target}"] if target != TARGET else []
    return [*parts, f"--limit {limit}"] if limit is not None else parts
