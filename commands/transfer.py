"""`hsegap transfer`: gaps of one method estimated from those of a cheaper one, to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hsegap.commands import output
from hsegap.commands.options import split_paths

if TYPE_CHECKING:
    from collections.abc import Sequence


def transfer(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Rows with the cheap gap: .jsonl or .jsonl.gz.", show_default=False),
    ],
    *,
    learn: Annotated[
        list[str],
        typer.Option(metavar="FILES", help="Rows with both gaps; commas between, repeatable.", show_default=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The .jsonl.gz file to write.", show_default=False)
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="FILES", help="Rows with both gaps to measure the estimates on.", show_default=False),
    ] = None,
    cheap: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the gap that the rows have, eV.")
    ] = "pbe_gap_ev",
    wanted: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the gap to estimate, eV.")] = "hse_gap_ev",
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Follow this source's convention, where sources of gaps differ.", show_default=False
        ),
    ] = None,
    max_atoms: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Leave out rows with more atoms (n_sites).", show_default=False),
    ] = None,
    one_metal_in: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of the rows whose cheap gap is zero keep one in N.")
    ] = 1,
) -> None:
    """Estimate gaps of one method from those of a cheaper one, to have more crystals to train on.

    Learns the difference of the two gaps from crystals with both, by composition and cheap gap. The rows written are
    marked as estimated in the field label_confidence, so that training can give them less weight.

    \b
    Examples:
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz -o estimated.jsonl.gz
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz --measure val.jsonl.gz --source mf -o out.jsonl.gz
    """
    status = run(
        files,
        out=out,
        learn=split_paths(learn),
        measure=split_paths(measure),
        cheap=cheap,
        wanted=wanted,
        source=source,
        max_atoms=max_atoms,
        one_metal_in=one_metal_in,
    )
    raise typer.Exit(status)


def run(
    files: Sequence[Path],
    *,
    out: Path,
    learn: Sequence[Path],
    measure: Sequence[Path],
    cheap: str,
    wanted: str,
    source: str | None,
    max_atoms: int | None,
    one_metal_in: int,
) -> int:
    """Write rows with estimated gaps; the arguments are those of :func:`hsegap.training.transfer.transfer`.

    Returns:
        Exit status: 0 if the rows were written, else 1.
    """
    if output.training_is_missing("estimating gaps"):
        return 1
    from hsegap.training.errors import DataError
    from hsegap.training.transfer import transfer

    try:
        done = transfer(
            files,
            out,
            learn=learn,
            measure=measure,
            cheap=cheap,
            wanted=wanted,
            source=source,
            max_atoms=max_atoms,
            one_metal_in=one_metal_in,
        )
    except (DataError, OSError) as error:
        output.note(f"hsegap: {error}.")
        return 1
    left_out = f", {done.without_gap} without {cheap} left out" if done.without_gap else ""
    left_out += f", {done.too_large} larger ones left out" if done.too_large else ""
    left_out += f", {done.thinned} of those whose {cheap} is zero left out" if done.thinned else ""
    output.note(f"wrote {out}: {done.written} rows with an estimated {wanted}, learned from {done.learnt}{left_out}")
    if done.invented:
        output.note(
            f"warning: {done.invented} of them have no {cheap}, yet no crystal of the source {source} is without a "
            "gap: each was given "
            "one; follow a source that has metals"
        )
    if done.mae is not None:
        output.note(
            f"mean absolute error on {done.measured} other crystals: "
            f"{done.mae:.3f} eV, of {cheap} itself {done.mae_of_cheap:.3f} eV"
        )
    return 0
