"""The `hsegap` command.

Its subcommands stand in `commands/`, one file each, and import what they need when they run.
"""

import atexit
import gc
import sys
from pathlib import Path
from typing import Annotated

from hsegap.commands.early import begin_early

# Before the imports below; another program that imports this module has arguments of its own.
if Path(sys.argv[0]).stem == "hsegap" or Path(sys.argv[0]).parts[-2:] == ("hsegap", "__main__.py"):
    begin_early(sys.argv[1:])

import typer

from hsegap import __version__
from hsegap.commands import (
    ablate,
    calibrate,
    card,
    data,
    describe,
    describe_rows,
    evaluate,
    export,
    key,
    predict,
    read,
    report,
    score,
    serve,
    teacher,
    train,
    transfer,
    verify,
    what_if,
)
from hsegap.commands.setting_flags import WithSettings

#: Objects made before garbage is looked for. With Python's 700 a short command spends a tenth of its time on that, and
#: finds none.
GARBAGE_EVERY = 50_000

app = typer.Typer(
    name="hsegap",
    no_args_is_help=True,
    # Plain help: the same text in a terminal, in a log and in docs/cli.md.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(value: bool) -> None:
    """Print name and version, then leave."""
    if value:
        typer.echo(f"hsegap {__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[  # noqa: ARG001 - its callback has done its work
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """HSE06 band gaps of crystals in milliseconds, from a structure and a text description.

    \b
    Examples:
      hsegap predict examples/GaAs.cif
      hsegap serve
    """
    gc.set_threshold(GARBAGE_EVERY)
    atexit.register(gc.freeze)


app.command()(predict.predict)
app.command("what-if")(what_if.what_if)
app.command()(describe.describe)
app.command()(read.read)
app.command(cls=WithSettings)(serve.serve)
app.command()(key.key)
app.command()(evaluate.evaluate)
app.command()(verify.verify)
app.command(help=score.HELP)(score.score)
app.command()(report.report)
app.command()(train.train)
app.command()(export.export)
app.command()(ablate.ablate)
app.command()(calibrate.calibrate)
app.command()(card.card)
app.command()(data.data)
app.command()(teacher.teacher)
app.command()(transfer.transfer)
app.command("describe-rows")(describe_rows.describe_rows)

if __name__ == "__main__":
    app()
