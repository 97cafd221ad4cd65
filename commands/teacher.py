"""`hsegap teacher`: features per atom of an interatomic potential, for training to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hsegap.commands import output


def teacher(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Rows with id and cif: .jsonl or .jsonl.gz.", show_default=False),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write the features to.", show_default=False)
    ],
    max_atoms: Annotated[int, typer.Option(metavar="N", min=1, help="Leave out larger crystals.")] = 60,
) -> None:
    """Compute CHGNet's features of each atom, for `hsegap train` with `teacher: FOLDER`.

    Needs the package chgnet, which needs an environment of its own (docs/training.md). An interrupted run continues.

    \b
    Examples:
      hsegap teacher train.jsonl.gz -o features
      hsegap teacher train.jsonl.gz pbe.jsonl.gz -o features --max-atoms 40
    """
    if output.training_is_missing("a teacher's features"):
        raise typer.Exit(1)
    from hsegap.training.errors import DataError
    from hsegap.training.teacher_features import write_features

    try:
        written = write_features(files, out, max_atoms=max_atoms)
    except DataError as error:
        typer.echo(f"hsegap: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{written} crystals written to {out}", err=True)
