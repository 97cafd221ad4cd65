"""`hsegap train`, `hsegap export` and `hsegap ablate`: names, options and help. What they do stands in files of their own."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(export)
    app.command()(ablate)


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file of steps.", show_default=False)],
    *,
    only: Annotated[list[str] | None, typer.Option(metavar="STEP", help="Only these steps; repeatable.", show_default=False)] = None,
) -> None:
    """Run the steps of a recipe: trainings, averages of weights, export.

    A finished training is not repeated, an interrupted one goes on where it stopped: the same command until it ends. A single
    training with flags is started with train_with_cross_modal_attention.py. Needs the extra `train`.

    \b
    Examples:
        hsegap train training/recipes/shipped.yaml
        hsegap train training/recipes/shipped.yaml --only pretrain
    """  # noqa: D301  # typer reads the backslash as "leave this paragraph as it is"
    from hsegap.commands import train as job

    raise typer.Exit(job.run(recipe, only=only or []))


def export(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="A best_model.pt of ours or of the CrysMMNet family.", show_default=False)
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Artifact to write; an artifact there is replaced.", show_default=False)
    ],
    text_encoder: Annotated[
        str | None,
        typer.Option(
            metavar="ENCODER",
            help="Transformers folder or name, or an exported encoder; left out: the one trained with.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Configuration the checkpoint does not hold; repeatable.", show_default=False),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the artifact; the folder's if left out.", show_default=False)
    ] = None,
    artifact_version: Annotated[str, typer.Option("--version", metavar="VERSION", help="Version of the artifact.")] = "0.1.0",
    metrics: Annotated[Path | None, typer.Option(metavar="FILE", help="JSON for the manifest's metrics.", show_default=False)] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON for the manifest's calibration.", show_default=False)
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="CIF files whose predictions are stored and checked ever after; the examples.", show_default=False
        ),
    ] = None,
    describe: Annotated[bool, typer.Option("--describe/--no-describe", help="Store each of them with a generated description too.")] = True,
    pooling: Annotated[
        str | None,
        typer.Option(metavar="mean|cls", help="The text's vector; as trained, or cls for a stranger's checkpoint.", show_default=False),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=3, help="Longest text; as trained, or 512 for a stranger's.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Character table such as MatSciBERT's vocab_mappings.txt.", show_default=False)
    ] = None,
    cache_dir: Annotated[Path, typer.Option(metavar="FOLDER", help="Keeps exported text encoders.")] = Path(".cache/text_encoder"),
) -> None:
    """Turn a trained checkpoint into an artifact.

    Needs the extra `train`. Says what it had to assume. The artifact is written only if every exported form gives the network's own
    numbers, and it is verified at the end.

    \b
    Examples:
      hsegap export output/hse/best_model.pt -o artifacts/mine
      hsegap export best_model.pt --text-encoder ./matscibert -o artifacts/theirs --set cross_modal_num_heads=4
    """  # noqa: D301 - the backspace character tells the help to leave the examples' lines as they are
    from hsegap.commands import export as command

    if pooling not in {None, "mean", "cls"}:
        raise typer.BadParameter("is mean or cls", param_hint="--pooling")
    status = command.run(
        checkpoint,
        out,
        name=name,
        version=artifact_version,
        encoder=command.EncoderWish(text_encoder, pooling, max_tokens, table),  # type: ignore[arg-type]  # checked above
        golden=golden,
        describe=describe,
        metrics=metrics,
        calibration=calibration,
        settings=settings or [],
        cache_dir=cache_dir,
    )
    raise typer.Exit(status)


def ablate(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="Recipe: a YAML file of training flags and the variants.", show_default=False)
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Runs, tables and plot go here.")] = Path("runs/ablation"),
    seeds: Annotated[
        list[int] | None, typer.Option("--seeds", metavar="SEED", help="Seeds of each variant, as in --seeds 0 1 2.", show_default=False)
    ] = None,
    more_seeds: Annotated[
        list[int] | None, typer.Argument(metavar="SEED", help="The second and further seeds.", show_default=False)
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="VARIANT", help="Only these variants; repeatable.", show_default=False)] = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Runs side by side, one thread each: one per core.", show_default=False)
    ] = None,
) -> None:
    """Train the variants of the network and compare them.

    Baseline, + residual scaling, + dynamic gating, + both, and the five late fusions, each with every seed. Needs the extra `train`.
    Started again, it goes on where it stopped. Writes ablation.csv, ablation.md and ablation.png.

    \b
    Examples:
      hsegap ablate --config training/recipes/ablation.yaml --seeds 0 1 2 -o runs/ablation
      hsegap ablate --config mine.yaml --only baseline --only "+ both" --seeds 0 -o runs/quick
    """  # noqa: D301 - as above
    from hsegap.commands import ablate as command

    raise typer.Exit(command.run(config, out=out, seeds=[*(seeds or []), *(more_seeds or [])] or [0], only=only or [], jobs=jobs))
