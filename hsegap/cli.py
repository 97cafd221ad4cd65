"""The `hsegap` command: what can be asked, and its help.

The work is done in `commands/`, imported when a command runs, so that `--help` is instant.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from hsegap import __version__
from hsegap.commands import batch, model, quality

app = typer.Typer(
    name="hsegap",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: the same text in a terminal, in a log and in docs/cli.md.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """File formats a structure is read from."""

    cif = "cif"
    poscar = "poscar"
    xyz = "xyz"
    pymatgen = "pymatgen"
    jarvis = "jarvis"


Files = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Structure files; - reads one structure from standard input.", show_default=False)
]
ArtifactOption = Annotated[
    Path | None,
    typer.Option(
        "--artifact", metavar="FOLDER", envvar="HSEGAP_ARTIFACT", help="Model to use instead of the shipped one.", show_default=False
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Read every file as this format instead of telling it from name and content.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output and nothing else there.")]


def _name(chosen: Format | None) -> Literal["cif", "poscar", "xyz", "pymatgen", "jarvis"] | None:
    """The plain name of a chosen format, as requests carry it."""
    return None if chosen is None else chosen.value


def _check_stdin_once(files: list[str]) -> None:
    """Standard input can be read once only."""
    if files.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only", param_hint="FILE")


def print_version(value: bool) -> None:
    """Print name and version, then leave."""
    if value:
        typer.echo(f"hsegap {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """HSE06 band gaps of crystals in milliseconds, from a structure and a text description.

    \b
    Examples:
      hsegap predict examples/GaAs.cif
      hsegap serve
    """


@app.command()
def predict(
    files: Files,
    *,
    text: Annotated[
        str | None,
        typer.Option("--text", "-t", metavar="TEXT", help="Description of the crystal, used for every file.", show_default=False),
    ] = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Let the description be generated from each structure (seconds per crystal).")
    ] = False,
    json: JsonOption = False,
    atoms: Annotated[bool, typer.Option("--atoms/--no-atoms", help="With or without the per-atom values.")] = True,
    artifact: ArtifactOption = None,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Predict the HSE06 band gap of each structure.

    Without --text and --describe the gap is predicted from the structure alone.
    Exit status: 0 if every file was predicted, 1 if any failed, 2 for a command that cannot be understood.

    \b
    Examples:
      hsegap predict examples/*.cif
      hsegap predict POSCAR --text "GaAs is Zincblende structured."
      hsegap predict examples/GaAs.cif --describe --json
      cat examples/GaAs.cif | hsegap predict - --json --no-atoms
    """
    from hsegap.commands import predict as command

    _check_stdin_once(files)
    if text is not None and describe:
        raise typer.BadParameter("give --text or --describe, not both", param_hint="--text")
    status = command.run(files, text=text, describe=describe, as_json=json, atoms=atoms, artifact=artifact, file_format=_name(format))
    raise typer.Exit(status)


@app.command()
def describe(
    files: Files,
    *,
    json: JsonOption = False,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Describe each structure in words.

    The text is the one that `predict --describe` feeds to the model, in robocrystallographer's wording. The first takes some 15 s more.

    \b
    Examples:
      hsegap describe examples/MgO.cif
      hsegap describe examples/*.cif --json
    """
    from hsegap.commands import describe as command

    _check_stdin_once(files)
    raise typer.Exit(command.run(files, as_json=json, file_format=_name(format)))


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every network interface.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port to listen on.")] = 3000,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that read structures: HSEGAP_WORKERS, or 2.", show_default=False)
    ] = None,
    artifact: ArtifactOption = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="With or without the page.")] = True,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request on standard error.")] = False,
) -> None:
    """Serve the page and the HTTP API until interrupted.

    The page is at /ui (and / leads there), the API at /predict, /predict_batch, /describe and /model.

    \b
    Examples:
      hsegap serve
      hsegap serve --port 8080 --workers 2
    """
    from hsegap.commands import serve as command

    raise typer.Exit(command.run(host=host, port=port, workers=workers, artifact=artifact, page=page, access_log=access_log))


@app.command()
def evaluate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="A .jsonl or .jsonl.gz file with one crystal a line: cif, description, hse_gap_ev.", show_default=False
        ),
    ],
    *,
    target: Annotated[str, typer.Option(metavar="COLUMN", help="Column with the known gap in eV.")] = "hse_gap_ev",
    without_text: Annotated[bool, typer.Option("--without-text", help="Leave the files' descriptions out.")] = False,
    generated: Annotated[
        bool, typer.Option("--generated", help="Predict with generated descriptions, too (seconds per crystal, kept between runs).")
    ] = False,
    shuffled: Annotated[bool, typer.Option("--shuffled", help="Predict with another crystal's description, too.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N rows of each file.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write figures, predictions and plots here.", show_default=False)
    ] = None,
    json: JsonOption = False,
    artifact: ArtifactOption = None,
) -> None:
    """Compare predictions with known gaps.

    Prints mean and median absolute errors with and without the descriptions, beside those of predicting the mean; coverage and width of
    the intervals by chemistry and gap; how well metals are told; how often there are warnings. --out writes what `hsegap card` reads.

    \b
    Examples:
      hsegap evaluate test.jsonl.gz
      hsegap evaluate test.jsonl.gz --limit 50 --json
      hsegap evaluate test.jsonl.gz test_metals.jsonl.gz --generated --shuffled -o runs/evaluation
    """
    from hsegap.commands import evaluate as command

    status = command.run(
        files,
        target=target,
        without_text=without_text,
        generated=generated,
        shuffled=shuffled,
        limit=limit,
        as_json=json,
        out=out,
        artifact=artifact,
    )
    raise typer.Exit(status)


@app.command()
def verify(
    artifact: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]", envvar="HSEGAP_ARTIFACT", help="Artifact to check; the shipped one if left out.", show_default=False
        ),
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Check an artifact: hashes and golden predictions.

    Every file must have the SHA-256 of the manifest, and the stored crystals must give here what they gave at export.

    \b
    Examples:
      hsegap verify
      hsegap verify artifacts/hsegap-hse
    """
    from hsegap.commands import verify as command

    raise typer.Exit(command.run(artifact, as_json=json))


batch.register(app)
model.register(app)
quality.register(app)

if __name__ == "__main__":
    app()
