"""Arguments and options that several commands have, and what is common to reading them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hsegap.formats import StructureFormat

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Structure files, folders (searched through), patterns, archives, tables; "
        "- reads one structure from standard input.",
        show_default=False,
    ),
]
ArtifactOption = Annotated[
    Path | None,
    typer.Option(
        "--artifact",
        metavar="FOLDER",
        envvar="HSEGAP_ARTIFACT",
        help="Model to use instead of the shipped one.",
        show_default=False,
    ),
]
RewrittenOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Write here; left out: the artifact itself.", show_default=False
    ),
]
FormatOption = Annotated[
    StructureFormat | None,
    typer.Option(
        "--format",
        help="Read every file as this format instead of detecting it from name and content.",
        show_default=False,
    ),
]
ExplainOption = Annotated[
    bool, typer.Option("--explain", help="Report the effect of each sentence of the description (a network run each).")
]
SensitivityOption = Annotated[
    bool, typer.Option("--sensitivity", help="Report the gap with the lattice 1 % smaller and larger (two more runs).")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on standard output and nothing else there.")
]


def check_stdin_once(files: list[str]) -> None:
    """Standard input can be read once only."""
    if files.count("-") > 1:
        raise typer.BadParameter("standard input (-) can be read once only", param_hint="FILE")


def split_paths(values: list[str] | None) -> list[Path]:
    """Paths of a repeatable option that also takes several with commas between."""
    return [Path(part.strip()) for value in values or [] for part in value.split(",") if part.strip()]


def check_gap(pbe_gap: float | None) -> None:
    """A known gap has to be one that a crystal can have.

    Raises:
        typer.BadParameter: If it cannot.
    """
    from hsegap.text.stated import MAX_GAP_EV

    if pbe_gap is not None and not 0 <= pbe_gap <= MAX_GAP_EV:  # not a number fails both
        raise typer.BadParameter(f"a gap lies between 0 and {MAX_GAP_EV:g} eV", param_hint="--pbe-gap")
