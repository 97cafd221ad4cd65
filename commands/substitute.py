"""`hsegap substitute`: crystals with exchanged elements and the gaps that networks answer for them, to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hsegap.commands import output
from hsegap.commands.options import split_paths


def substitute(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Rows of known crystals: .jsonl or .jsonl.gz.", show_default=False),
    ],
    *,
    network: Annotated[
        list[str],
        typer.Option(
            metavar="CHECKPOINT[:WEIGHT]",
            help="Network that answers; several are averaged, with weights if those are given.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The .jsonl.gz file to write.", show_default=False)
    ],
    draws: Annotated[int, typer.Option(metavar="N", min=1, help="Crystals to make; some come to nothing.")] = 40_000,
    avoid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILES",
            help="Rows whose formulas must not come out: those kept for validation and tests. Commas between, "
            "repeatable.",
            show_default=False,
        ),
    ] = None,
    max_atoms: Annotated[int, typer.Option(metavar="N", min=1, help="Leave out rows with more atoms (n_sites).")] = 20,
    one_metal_in: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of the crystals without a gap keep one in N, before and after.")
    ] = 1,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another seed makes other crystals.")] = 0,
    cache_dir: Annotated[Path, typer.Option(metavar="FOLDER", help="Graphs, shared with training.")] = Path(".cache"),
) -> None:
    """Make crystals that no file has, and let networks say what their gaps are, to have more to train on.

    An element or two of a known crystal are exchanged for similar ones, and the cell grows or shrinks with the atoms.
    A network learns from these what another answers, without knowing its few labelled rows by heart. The rows written
    are marked as estimated in the field label_confidence, so that training can give them less weight.

    \b
    Examples:
      hsegap substitute train.jsonl.gz --network best.pt --avoid val.jsonl.gz,test.jsonl.gz -o made.jsonl.gz
      hsegap substitute train.jsonl.gz --network a.pt:0.7 --network b.pt:0.3 --draws 1000 -o made.jsonl.gz
    """
    if output.training_is_missing("making crystals"):
        raise typer.Exit(1)
    from hsegap.training.errors import DataError
    from hsegap.training.substituted import make_rows

    networks = [_network(one) for one in network]
    try:
        with output.progress() as bar:
            task = bar.add_task("making", total=draws)
            done = make_rows(
                files,
                out,
                networks=networks,
                draws=draws,
                avoid=split_paths(avoid),
                max_atoms=max_atoms,
                one_metal_in=one_metal_in,
                seed=seed,
                cache_dir=cache_dir,
                advance=lambda: bar.advance(task),
            )
    except (DataError, OSError) as error:
        output.note(f"hsegap: {error}.")
        raise typer.Exit(1) from error
    output.note(
        f"wrote {out}: {done.written} crystals made of {done.parents} known ones, {done.metals} without a gap; "
        f"{done.failed} draws came to nothing, {done.thinned} without a gap left out"
    )
    if done.unreadable:
        output.note(f"{done.unreadable} known crystals could not be read")


def _network(text: str) -> tuple[Path, float]:
    """Checkpoint and weight of ``CHECKPOINT[:WEIGHT]``; a colon in a name that ends in no number belongs to it."""
    name, colon, weight = text.rpartition(":")
    try:
        value = float(weight) if colon else 1.0
    except ValueError:
        return Path(text), 1.0
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"--network {text}: the weight has to be above zero")
    return (Path(name), value) if colon else (Path(text), 1.0)
