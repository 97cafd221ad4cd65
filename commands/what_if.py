"""`hsegap what-if`: the gap of a crystal strained, or with one element in another's place."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from hsegap.commands import inputs, output
from hsegap.commands.options import ArtifactOption, FormatOption, JsonOption, check_gap
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from hsegap.prediction.what_if import WhatIfRequest


class Strain(StrEnum):
    """What is stretched."""

    all = "all"
    a = "a"
    b = "b"
    c = "c"
    none = "none"


def what_if(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A structure file; - reads standard input.", show_default=False)
    ],
    *,
    strain: Annotated[
        Strain, typer.Option(help="Lattice vectors to stretch by -3 to +3 %: all alike, or one of them.")
    ] = Strain.all,
    swap: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Put one element in another's place; repeatable. Left out: isovalent elements of the training set.",
            show_default=False,
        ),
    ] = None,
    no_swaps: Annotated[bool, typer.Option("--no-swaps", help="Swap nothing.")] = False,
    text: Annotated[
        str | None,
        typer.Option("--text", "-t", metavar="TEXT", help="Description, kept under strain.", show_default=False),
    ] = None,
    pbe_gap: Annotated[
        float | None,
        typer.Option(
            "--pbe-gap", metavar="EV", help="Known PBE band gap in eV, kept under strain.", show_default=False
        ),
    ] = None,
    json: JsonOption = False,
    artifact: ArtifactOption = None,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Predict a crystal strained, and with elements swapped.

    Cells keep their shape and atoms their fractional places: nothing is relaxed. Strained cells keep the description
    and the known PBE gap; swapped crystals go without and are compared with the prediction from the structure alone.

    \b
    Examples:
      hsegap what-if examples/TiO2_rutile.cif
      hsegap what-if examples/TiO2_rutile.cif --strain c --no-swaps
      hsegap what-if examples/GaAs.cif --strain none --swap As=P --swap Ga=Al --json
    """
    if swap and no_swaps:
        raise typer.BadParameter("give --swap or --no-swaps, not both", param_hint="--swap")
    check_gap(pbe_gap)
    swaps: list[tuple[str, str]] | None = [] if no_swaps else None
    for pair in swap or ():
        element, by = (part.strip() for part in pair.partition("=")[::2])
        if not element or not by:
            raise typer.BadParameter(f"{pair!r} is not of the form OLD=NEW, as in Ga=Al", param_hint="--swap")
        swaps = [*(swaps or ()), (element, by)]
    changes = {
        "strain": None if strain is Strain.none else strain.value,
        "swaps": None if swaps is None else [{"element": element, "by": by} for element, by in swaps],
        "description": text,
        "known": None if pbe_gap is None else {"pbe_gap_ev": pbe_gap},
    }
    raise typer.Exit(run(file, changes, as_json=json, artifact=artifact, structure_format=format))


def run(
    name: str, changes: dict[str, Any], *, as_json: bool, artifact: Path | None, structure_format: str | None
) -> int:
    """Try what is asked for and print it.

    Args:
        name: Path, or ``-`` for standard input.
        changes: Further fields of :class:`hsegap.prediction.what_if.WhatIfRequest`.
        as_json: One JSON value.
        artifact: Artifact folder; None takes the default one.
        structure_format: Of the file; None recognises it.

    Returns:
        Exit status: 0 if every crystal was predicted, else 1.
    """
    from hsegap.prediction.what_if import WhatIfRequest

    def request(_: inputs.Named, structure: str) -> WhatIfRequest:
        return WhatIfRequest.model_validate({"structure": structure, "format": structure_format, **changes})

    with output.answers_only() as out:
        entry = {"id": name, **_answer(inputs.Named(name, inputs.read_file(name)), request, artifact)}
        if as_json:
            output.write_json(entry, out)
        elif "error" in entry:
            from hsegap.commands.tables import show_error

            show_error(entry, out=out)
        else:
            show(entry, out=out)
    return int("error" in entry)


def _answer(
    given: inputs.Named, request: Callable[[inputs.Named, str], WhatIfRequest], artifact: Path | None
) -> dict[str, Any]:
    """What ``POST /what_if`` answers, or the error in its place."""
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.commands import predict
    from hsegap.prediction.errors import Failure
    from hsegap.prediction.what_if import what_if as tried

    asked = inputs.request_of(given, request)
    if isinstance(asked, Problem):
        return Failure.of(asked).model_dump(mode="json")
    if isinstance(asked, Failure):
        return asked.model_dump(mode="json")
    try:
        predictor = predict.open_predictor(artifact, jobs=predict.CHUNK)
    except ArtifactError as error:
        return Failure.of(error).model_dump(mode="json")
    with predictor:
        return tried(predictor.predict, asked, elements=predictor.artifact.manifest.elements).model_dump(mode="json")


def show(entry: Mapping[str, Any], *, out: TextIO) -> None:
    """Print a curve and swaps as tables.

    Args:
        entry: The JSON value.
        out: Where to print.
    """
    from rich.box import SIMPLE
    from rich.table import Table

    from hsegap.commands.tables import console, facts

    grid = facts()
    grid.add_row("crystal", entry["formula"])
    grid.add_row("HSE06 gap", f"{entry['gap_ev']:.2f} eV; structure alone {entry['gap_without_text_ev']:.2f} eV")
    console(out).print(grid)
    curve = entry["strain"]
    named = {"gap, eV": "right", "change": "right", "interval": "right", "PBE estimate": "right", "warnings": "left"}
    if curve is not None:
        what = "all vectors" if curve["along"] == "all" else f"vector {curve['along']}"
        table = Table(f"{what}, %", box=SIMPLE, pad_edge=False)
        for name, side in named.items():
            # A name that does not fit goes on in the next line: cut off, nobody could look it up.
            table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]  # one of its literals
        columns = ("percent", "gap_ev", "interval_ev", "pbe_gap_estimate_ev", "warnings")
        for percent, gap, *others in zip(*(curve[name] for name in columns), strict=True):
            table.add_row(f"{percent:+.1f}", *_cells(gap, gap - entry["gap_ev"], *others))
        console(out).print(table)
    if entry["swaps"]:
        table = Table("swap", "formula", box=SIMPLE, pad_edge=False)
        for name, side in named.items():
            table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]  # as above
        for one in entry["swaps"]:
            numbers = (one["gap_ev"], one["change_ev"], one["interval_ev"], one["pbe_gap_estimate_ev"])
            table.add_row(f"{one['element']} → {one['by']}", one["formula"], *_cells(*numbers, one["warnings"]))
        console(out).print(table)


def _cells(
    gap_ev: float,
    change_ev: float,
    interval_ev: tuple[float, float] | None,
    estimate_ev: float | None,
    warnings: list[dict[str, str]],
) -> tuple[str, ...]:
    return (
        f"{gap_ev:.2f}",
        f"{change_ev:+.2f}",
        "–" if interval_ev is None else f"{interval_ev[0]:.2f} – {interval_ev[1]:.2f}",
        "–" if estimate_ev is None else f"{estimate_ev:.2f}",
        ", ".join(warning["code"] for warning in warnings),
    )
