"""`hsegap calibrate`, `card`, `data`, `transfer`: their names, options and help. The work is imported when they run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class PublicSet(StrEnum):
    """Sets that jarvis-tools fetches and we can convert."""

    snumat = "snumat"
    dft_3d = "dft_3d"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(calibrate)
    app.command()(card)
    app.command()(data)
    app.command()(transfer)


def split_paths(values: list[str] | None) -> list[Path]:
    """Paths of a repeatable option that also takes several with commas between."""
    return [Path(part.strip()) for value in values or [] for part in value.split(",") if part.strip()]


def calibrate(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="Artifact to calibrate.", show_default=False)],
    *,
    rows: Annotated[
        list[str],
        typer.Option(metavar="FILES", help="Validation rows with and without a gap; commas between, repeatable.", show_default=False),
    ],
    train: Annotated[list[str], typer.Option(metavar="FILES", help="The rows that the network was trained on.", show_default=False)],
    residuals: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CSV",
            help="Held-out predictions of training rows: id, target, prediction, prediction_without_text.",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(
            metavar="ARTIFACT",
            help="Without held-out predictions: expect the errors that this artifact, trained on the same rows, expects.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write here; left out: the artifact itself.", show_default=False)
    ] = None,
    coverage: Annotated[float, typer.Option(min=0.5, max=0.99, help="Share of gaps inside the intervals.")] = 0.9,
    train_rows: Annotated[int, typer.Option(metavar="N", min=100, help="Most training rows that are looked at.")] = 3000,
    cache_dir: Annotated[Path, typer.Option(metavar="FOLDER", help="Encoded texts, shared with training.")] = Path(".cache"),
) -> None:
    """Give an artifact its intervals, warning limits and metal threshold.

    Intervals are split-conformal. Validation rows of one half choose, those of the other calibrate; test rows have no place here.
    docs/uncertainty.md says how.

    \b
    Examples:
      hsegap calibrate artifacts/mine --rows val.jsonl.gz,val_metals.jsonl.gz --train train.jsonl.gz
      hsegap calibrate artifacts/mine --rows val.jsonl.gz --rows val_metals.jsonl.gz --train train.jsonl.gz --residuals holdout.csv
      hsegap calibrate artifacts/mine --rows val.jsonl.gz,val_metals.jsonl.gz --train train.jsonl.gz --like artifacts/hsegap-hse
    """  # noqa: D301 - the backspace character tells the help to leave the examples' lines as they are
    from hsegap.commands import calibrate as command

    status = command.run(
        artifact,
        rows=split_paths(rows),
        train=split_paths(train),
        residuals=split_paths(residuals),
        like=like,
        train_rows=train_rows,
        coverage=coverage,
        out=out,
        cache_dir=cache_dir,
    )
    raise typer.Exit(status)


def card(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="Artifact whose card is written.", show_default=False)],
    *,
    evaluation: Annotated[
        list[str],
        typer.Option(metavar="FOLDER", help="What `hsegap evaluate --out` wrote, the main rows first; repeatable.", show_default=False),
    ],
    docs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the card here as well, for the docs.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Write here; left out: the artifact itself.", show_default=False)
    ] = None,
) -> None:
    """Write an artifact's model card from what was measured.

    Card, plots and the manifest's metrics all come from the JSON of `hsegap evaluate --out`; figures of another network or another
    calibration are refused.

    \b
    Examples:
      hsegap card artifacts/mine --evaluation runs/evaluation
      hsegap card artifacts/hsegap-hse --evaluation runs/evaluation --docs docs/model_card.md
    """  # noqa: D301 - as above
    from hsegap.commands import card as command

    raise typer.Exit(command.run(artifact, evaluations=split_paths(evaluation), docs=docs, out=out))


def data(
    name: Annotated[PublicSet, typer.Argument(help="snumat: 10 000 HSE06 gaps; dft_3d: JARVIS-DFT, OptB88vdW gaps.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Rows go here, as training, validation and test.")] = Path(
        "data"
    ),
    store: Annotated[Path, typer.Option(metavar="FOLDER", help="Keeps what was downloaded.")] = Path(".cache/jarvis"),
    folder: Annotated[
        Path | None, typer.Option(metavar="ROOT", help="Write the CrysMMNet layout of CIF files as well.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the first N entries.", show_default=False)] = None,
) -> None:
    """Fetch a public set of computed gaps to train on.

    Needs a network, once. Started again, it goes on where it stopped. Crystals of one formula stay in one of the three files.

    \b
    Examples:
      hsegap data snumat -o data
      hsegap data dft_3d -o data --folder dataset
    """  # noqa: D301 - as above
    from hsegap.commands import data as command

    raise typer.Exit(command.run(name.value, out=out, store=store, folder=folder, limit=limit))


def transfer(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Rows with the cheap gap: .jsonl or .jsonl.gz.", show_default=False)],
    *,
    learn: Annotated[list[str], typer.Option(metavar="FILES", help="Rows with both gaps; commas between, repeatable.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The .jsonl.gz file to write.", show_default=False)],
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="FILES", help="Rows with both gaps to measure the estimates on.", show_default=False),
    ] = None,
    cheap: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the gap that the rows have, eV.")] = "pbe_gap_ev",
    wanted: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the gap to estimate, eV.")] = "hse_gap_ev",
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Follow this source's convention, where sources of gaps differ.", show_default=False),
    ] = None,
    max_atoms: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Leave out rows with more atoms (n_sites).", show_default=False)
    ] = None,
    one_metal_in: Annotated[int, typer.Option(metavar="N", min=1, help="Of the rows whose cheap gap is zero keep one in N.")] = 1,
) -> None:
    """Estimate gaps of one method from those of a cheaper one, to have more crystals to train on.

    Learns the difference of the two gaps from crystals with both, by composition and cheap gap. The rows written are marked as estimated
    in the field label_confidence, so that training can give them less weight.

    \b
    Examples:
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz -o estimated.jsonl.gz
      hsegap transfer pbe.jsonl.gz --learn train.jsonl.gz --measure val.jsonl.gz --source mf --one-metal-in 4 -o out.jsonl.gz
    """  # noqa: D301 - as above
    from hsegap.commands import transfer as command

    status = command.run(
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
