"""`hsegap score` and `hsegap report`: their names, options and help. What they do stands in files of their own, imported when they run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand


class StructureFormat(StrEnum):
    """File formats a structure is read from."""

    cif = "cif"
    poscar = "poscar"
    xyz = "xyz"
    pymatgen = "pymatgen"
    jarvis = "jarvis"


class EngineName(StrEnum):
    """Where workers run."""

    local = "local"
    ray = "ray"


class CouldNotRun(TyperCommand):
    """A command whose exit status 2 means something else than a misspelt option: that is 1 here, "could not run"."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Parse the command line."""
        try:
            return super().make_context(*arguments, **options)
        except Exception as error:
            if getattr(error, "exit_code", None) == 2:
                error.exit_code = 1  # type: ignore[attr-defined]  # only errors that have one come here
            raise


def register(app: typer.Typer) -> None:
    """Add the two commands."""
    app.command(cls=CouldNotRun)(score)
    app.command(cls=CouldNotRun)(report)


def score(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Files, patterns, folders (searched through), .zip and .tar archives, .csv/.jsonl/.parquet tables, ASE .db files, "
            "addresses such as s3://bucket/folder; - reads a list of paths on standard input.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        str,
        typer.Option("--out", "-o", metavar="OUT", help="A .csv, .jsonl or .parquet file; - prints JSON lines.", show_default=False),
    ],
    descriptions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Table of descriptions by identifier or file name (.csv, .tsv, .jsonl, .json).", show_default=False
        ),
    ] = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Generate a description where there is none (seconds per crystal, kept for the next time).")
    ] = False,
    without_text: Annotated[bool, typer.Option("--without-text", help="Use no text, not even a table's description column.")] = False,
    atoms: Annotated[bool, typer.Option("--atoms", help="Write per-atom maps to a second file: gaps.csv, gaps.atoms.csv.")] = False,
    format: Annotated[  # noqa: A002 - the option is called so
        StructureFormat | None, typer.Option("--format", help="Read every structure as this format.", show_default=False)
    ] = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="A table's column with the structures; else structure, cif, ….", show_default=False)
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="A table's column with identifiers; else id, material_id, ….", show_default=False)
    ] = None,
    text_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="A table's column with descriptions; else description, text.", show_default=False)
    ] = None,
    artifact: Annotated[
        Path | None,
        typer.Option(
            "--artifact", metavar="FOLDER", envvar="HSEGAP_ARTIFACT", help="Model to use instead of the shipped one.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes, one core each; all cores if left out.", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=4096, metavar="N", help="Inputs done together; 64, or 8 with --describe.", show_default=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N inputs.", show_default=False)] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first input that fails.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an earlier run on the same output, if there is one.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace OUT; with --resume, go on although inputs, options or model have changed.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")] = False,
    engine: Annotated[EngineName, typer.Option(help="Processes on this machine, or actors on a Ray cluster.")] = EngineName.local,
    ray_address: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The cluster; one is started here if left out.", show_default=False)
    ] = None,
) -> None:
    """Score any number of crystals, one row each.

    Rows come in the order of the inputs, with status ok or error; a broken file costs its own row. Killed at any moment, the same
    command with --resume goes on where it was and gives the same file.
    Exit status: 0 if every row is ok, 2 if some are errors, 1 if the run could not start or go on.

    \b
    Examples:
      hsegap score cifs/ -o gaps.csv
      hsegap score GaAs.cif POSCAR more.tar.gz -o gaps.csv --fail-fast --quiet
      hsegap score 'relaxed/**/CONTCAR' -o gaps.parquet --workers 8 --resume
      hsegap score crystals.zip -o gaps.jsonl --descriptions texts.csv
      hsegap score crystals.csv --column cif --id-column material_id -o gaps.csv
      hsegap score crystals.jsonl.gz -o gaps.parquet --atoms --limit 1000
      hsegap score crystals.db -o gaps.csv --describe --batch-size 4
      find . -name '*.cif' | hsegap score - -o - | jq -r '[.id, .gap_ev] | @tsv'
      hsegap score s3://bucket/cifs/ -o s3://bucket/gaps.parquet --engine ray --ray-address auto
    """  # noqa: D301 - the backspace tells the help to leave the lines as they are
    from hsegap.commands import score as command
    from hsegap.scoring.score import ScoreOptions
    from hsegap.scoring.tables import TableOptions

    options = ScoreOptions(
        inputs=tuple(inputs),
        out=out,
        descriptions=descriptions,
        describe=describe,
        without_text=without_text,
        atoms=atoms,
        format=None if format is None else format.value,
        table=TableOptions(structure=column, id=id_column, text=text_column),
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
    raise typer.Exit(command.run(options))


def report(
    rows: Annotated[Path, typer.Argument(metavar="OUT", help="What `hsegap score` wrote: .csv, .jsonl or .parquet.", show_default=False)],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page; OUT with .html if left out.", show_default=False)
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Title of the page.", show_default=False)] = None,
) -> None:
    """Make one HTML page of a run's rows.

    Distribution, kinds, elements, highest and lowest gaps, outliers, warnings and errors, in one file that needs no network.

    \b
    Examples:
      hsegap report gaps.csv
      hsegap report gaps.parquet -o oxides.html --title "Oxides, first pass"
    """  # noqa: D301 - as above
    from hsegap.commands import report as command

    raise typer.Exit(command.run(rows, out=out, title=title))
