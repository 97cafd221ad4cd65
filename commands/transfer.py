"""`hsegap transfer`: gaps of one method estimated from those of a cheaper one, to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import output
from hsegap.commands.options import split_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.training.transfer import Transfer


FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", help="Rows with the cheap gap: .jsonl or .jsonl.gz.", show_default=False),
]
LearnOption = Annotated[
    list[str],
    typer.Option(metavar="FILES", help="Rows with both gaps; commas between, repeatable.", show_default=False),
]
NetworkOption = Annotated[
    Path | None,
    typer.Option(
        metavar="CHECKPOINT",
        help="Estimate with this network, given the PBE gaps, instead of learning anew; the rows of --learn are then "
        "left out.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="The .jsonl.gz file to write.", show_default=False)
]
MeasureOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FILES", help="Rows with both gaps to measure the estimates on.", show_default=False),
]
CheapOption = Annotated[str, typer.Option(metavar="COLUMN", help="Column of the gap that the rows have, eV.")]
WantedOption = Annotated[str, typer.Option(metavar="COLUMN", help="Column of the gap to estimate, eV.")]
SourceOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Follow this source's convention, where sources of gaps differ.", show_default=False
    ),
]
MaxAtomsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Leave out rows with more atoms (n_sites).", show_default=False)
]
OneMetalInOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Of the rows whose cheap gap is zero keep one in N.")
]
CacheOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Graphs, shared with training; for --network.")]


def transfer(
    files: FilesArgument,
    *,
    learn: LearnOption,
    network: NetworkOption = None,
    out: OutOption,
    measure: MeasureOption = None,
    cheap: CheapOption = "pbe_gap_ev",
    wanted: WantedOption = "hse_gap_ev",
    source: SourceOption = None,
    max_atoms: MaxAtomsOption = None,
    one_metal_in: OneMetalInOption = 1,
    cache_dir: CacheOption = Path(".cache"),
) -> None:
    """Estimate gaps of one method from those of a cheaper one, to have more crystals to train on.

    Learns the difference of the two gaps from crystals with both, by composition and cheap gap. With --network, a
    network that can be given PBE gaps predicts the HSE gaps. The rows written are marked as estimated in the field
    label_confidence, so that training can give them less weight.

    \b
    Examples:
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz -o estimated.jsonl.gz
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz --measure val.jsonl.gz --source mf -o out.jsonl.gz
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz --network training/starts/joint.pt -o out.jsonl.gz
    """
    if network is not None and (cheap, wanted, source) != ("pbe_gap_ev", "hse_gap_ev", None):
        raise typer.BadParameter("--network estimates hse_gap_ev from pbe_gap_ev, of no source's convention")
    trees: dict[str, Any] = {"cheap": cheap, "wanted": wanted, "source": source}
    rows = {"measure": split_paths(measure), "max_atoms": max_atoms, "one_metal_in": one_metal_in}
    done = _estimate(files, out, learn=split_paths(learn), network=network, cache_dir=cache_dir, trees=trees, rows=rows)
    _report(done, out, **trees, by_network=network is not None)


def _estimate(
    files: Sequence[Path],
    out: Path,
    *,
    learn: list[Path],
    network: Path | None,
    cache_dir: Path,
    trees: dict[str, Any],
    rows: dict[str, Any],
) -> Transfer:
    """Write the estimates of the trees, or of the network; ends the command where that cannot be done."""
    if output.training_is_missing("estimating gaps"):
        raise typer.Exit(1)
    from hsegap.training.errors import DataError
    from hsegap.training.told import transfer_told
    from hsegap.training.transfer import transfer as transfer_learned

    try:
        if network is None:
            return transfer_learned(files, out, learn=learn, **trees, **rows)
        return transfer_told(files, out, network=network, known=learn, cache_dir=cache_dir, **rows)
    except (DataError, OSError) as error:
        output.note(f"hsegap: {error}.")
        raise typer.Exit(1) from error


def _report(done: Transfer, out: Path, *, cheap: str, wanted: str, source: str | None, by_network: bool) -> None:
    """Say what was written, what was left out, and how good the estimates are."""
    left_out = f", {done.without_gap} without {cheap} left out" if done.without_gap else ""
    left_out += f", {done.too_large} larger ones left out" if done.too_large else ""
    left_out += f", {done.thinned} of those whose {cheap} is zero left out" if done.thinned else ""
    learned = f"{done.learnt} known ones left out" if by_network else f"learned from {done.learnt}"
    output.note(f"wrote {out}: {done.written} rows with an estimated {wanted}, {learned}{left_out}")
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
