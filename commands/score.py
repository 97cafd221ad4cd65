"""`hsegap score`: any number of inputs, one row each."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from hsegap.commands import output
from hsegap.commands.options import ArtifactOption
from hsegap.formats import StructureFormat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from hsegap.batch.score import ScoreOptions


class _Stopped(BaseException):
    """Somebody asked the run to stop."""


class EngineName(StrEnum):
    """Where workers run."""

    local = "local"
    ray = "ray"


#: The options, by the name of their parameter.
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Files, patterns, folders (searched through), .zip and .tar archives, .csv/.jsonl/.parquet tables, ASE "
        ".db files, "
        "addresses such as s3://bucket/folder; - reads a list of paths on standard input.",
        show_default=False,
    ),
]
OutOption = Annotated[
    str,
    typer.Option(
        "--out", "-o", metavar="OUT", help="A .csv, .jsonl or .parquet file; - prints JSON lines.", show_default=False
    ),
]
DescriptionsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Table of descriptions by identifier or file name (.csv, .tsv, .jsonl, .json).",
        show_default=False,
    ),
]
DescribeOption = Annotated[
    bool,
    typer.Option(
        "--describe", help="Generate a description where there is none (seconds per crystal, kept for the next time)."
    ),
]
WithoutTextOption = Annotated[
    bool, typer.Option("--without-text", help="Use no text, not even a table's description column.")
]
WithoutKnownOption = Annotated[
    bool,
    typer.Option(
        "--without-known", help="Use no known PBE gap of a table. Gaps that texts state are left out with the texts."
    ),
]
AtomsOption = Annotated[
    bool, typer.Option("--atoms", help="Write per-atom maps to a second file: gaps.csv, gaps.atoms.csv.")
]
FormatOption = Annotated[
    StructureFormat | None, typer.Option("--format", help="Read every structure as this format.", show_default=False)
]
ColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="A table's column with the structures; else structure, cif, ….", show_default=False
    ),
]
IdColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="A table's column with identifiers; else id, material_id, ….", show_default=False
    ),
]
TextColumnOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="A table's column with descriptions; else description, text.", show_default=False
    ),
]
PbeColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A table's column with PBE gaps in eV; else pbe_gap_ev.", show_default=False),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Worker processes, one core each; all cores if left out.", show_default=False
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=4096, metavar="N", help="Inputs per batch; default: 64, or 8 with --describe.", show_default=False
    ),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only the first N inputs.", show_default=False)
]
FailFastOption = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first input that fails.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue an earlier run on the same output, if there is one.")
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Replace OUT; with --resume, continue even if inputs, options or model have changed."),
]
TopOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        metavar="N",
        help="At the end, show the N rows with the largest gaps as a table.",
        show_default=False,
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")]
EngineOption = Annotated[EngineName, typer.Option(help="Processes on this machine, or actors on a Ray cluster.")]
RayAddressOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="The cluster; one is started here if left out.", show_default=False),
]

HELP = """Score any number of crystals, one row each.

Rows come in the order of the inputs, with status ok or error; a broken file costs only its own row. After an
interruption the same command with --resume continues and gives the same file.
Exit status: 0 if every row is ok, 1 if some are errors or the run could not start or go on, 2 for a command that cannot
be understood.

\b
Examples:
  hsegap score cifs/ -o gaps.csv --top 20
  hsegap score GaAs.cif POSCAR more.tar.gz -o gaps.csv --fail-fast --quiet
  hsegap score 'relaxed/**/CONTCAR' -o gaps.parquet --workers 8 --resume
  hsegap score crystals.zip -o gaps.jsonl --descriptions texts.csv
  hsegap score crystals.csv --column cif --id-column material_id -o gaps.csv
  hsegap score crystals.csv --pbe-column mp_gap -o gaps.csv
  hsegap score crystals.jsonl.gz -o gaps.parquet --atoms --limit 1000
  hsegap score crystals.db -o gaps.csv --describe --batch-size 4
  find . -name '*.cif' | hsegap score - -o - | jq -r '[.id, .gap_ev] | @tsv'
  hsegap score s3://bucket/cifs/ -o s3://bucket/gaps.parquet --engine ray --ray-address auto
"""


def score(
    inputs: Inputs,
    *,
    out: OutOption,
    descriptions: DescriptionsOption = None,
    describe: DescribeOption = False,
    without_text: WithoutTextOption = False,
    without_known: WithoutKnownOption = False,
    atoms: AtomsOption = False,
    format: FormatOption = None,  # noqa: A002 - the option is called so
    column: ColumnOption = None,
    id_column: IdColumnOption = None,
    text_column: TextColumnOption = None,
    pbe_column: PbeColumnOption = None,
    artifact: ArtifactOption = None,
    workers: WorkersOption = None,
    batch_size: BatchSizeOption = None,
    limit: LimitOption = None,
    fail_fast: FailFastOption = False,
    resume: ResumeOption = False,
    force: ForceOption = False,
    top: TopOption = None,
    quiet: QuietOption = False,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
) -> None:
    """Score any number of crystals, one row each; :data:`HELP` is what the command says of itself."""
    from hsegap.batch.score import ScoreOptions
    from hsegap.batch.tables import TableOptions

    options = ScoreOptions(
        inputs=tuple(inputs),
        out=out,
        descriptions=descriptions,
        describe=describe,
        without_text=without_text,
        without_known=without_known,
        atoms=atoms,
        format=format,
        table=TableOptions(structure=column, id=id_column, text=text_column, pbe=pbe_column),
        artifact=artifact,
        workers=workers,
        batch_size=batch_size,
        limit=limit,
        fail_fast=fail_fast,
        resume=resume,
        force=force,
        quiet=quiet,
        engine=engine.value,
        ray_address=ray_address,
    )
    if top is not None and out == "-":
        raise typer.BadParameter("the rows take standard output; give a file with -o", param_hint="--top")
    raise typer.Exit(run(options, top=top))


def run(options: ScoreOptions, *, top: int | None = None) -> int:
    """Score, and say why not where that fails.

    Args:
        options: The run.
        top: How many of the rows with the largest gaps are shown in the end.

    Returns:
        Exit status: 0 if every row is ok, 1 if some are errors or the run could not start or go on, 2 if its options
        contradict each other, 128 and the signal's number if it was interrupted.
    """
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.batch.problems import ScoringError, harmless
    from hsegap.batch.score import FAILED, score

    logging.basicConfig(
        level=logging.ERROR if options.quiet else logging.WARNING, format="hsegap score: %(message)s", stream=sys.stderr
    )
    # Each reading process that had to be ended has its own row to say so.
    logging.getLogger("hsegap.workers").setLevel(logging.CRITICAL)
    with output.answers_only() as out, _stoppable() as caught:
        try:
            status = score(options, stdout=out, stderr=sys.stderr)
            if top is not None:
                _show_top(options.out, top, out=out)
        except (ScoringError, ArtifactError) as error:
            output.note(harmless(f"hsegap score: {error}"))
            return output.status_of(error)
        except Exception:
            logging.getLogger("hsegap.cli").exception("the run ended unexpectedly")
            output.note("hsegap score: rows written so far are kept; report the lines above; continue with --resume.")
            return FAILED
        except (_Stopped, KeyboardInterrupt):
            if options.out != "-":
                output.note("hsegap score: stopped; run the same command with --resume to continue.")
            return 128 + (caught[0] if caught else signal.SIGINT)
        else:
            return status


def _show_top(name: str, top: int, *, out: TextIO) -> None:
    """Print the rows of a finished run that have the largest gaps."""
    from hsegap.batch.remote import is_address
    from hsegap.batch.report import largest_gaps
    from hsegap.commands.overview import Line, show_lines

    if is_address(name):
        output.note(f"hsegap score: --top reads no store; fetch {name} and look at `hsegap report`.")
        return
    lines = [
        Line(
            name=row["id"],
            formula=row["formula"],
            n_atoms=row["n_atoms"],
            gap_ev=row["gap_ev"],
            interval_ev=None if row["interval_ev_low"] is None else (row["interval_ev_low"], row["interval_ev_high"]),
            kind=row["kind"],
            warnings=tuple(warning["code"] for warning in row["warnings"]),
        )
        for row in largest_gaps(Path(name), top)
    ]
    show_lines(lines, out=out, title=f"the {len(lines)} largest gaps of {name}")


@contextlib.contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Let SIGTERM and SIGINT end a run the way an error does, workers included.

    Yields the list that the signal will stand in.
    """
    caught: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is cleaning up
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
