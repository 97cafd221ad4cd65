"""`hsegap ablate`: variants of the network are trained and compared. Needs the extra `train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hsegap.commands import output
from hsegap.errors import HsegapError

if TYPE_CHECKING:
    from collections.abc import Sequence


def ablate(
    config: Annotated[
        Path,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Recipe: a YAML file of training flags and the variants.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Runs, tables and plot go here.")] = Path(
        "runs/ablation"
    ),
    seeds: Annotated[
        list[int] | None,
        typer.Option("--seeds", metavar="SEED", help="Seeds of each variant, as in --seeds 0 1 2.", show_default=False),
    ] = None,
    more_seeds: Annotated[
        list[int] | None, typer.Argument(metavar="SEED", help="The second and further seeds.", show_default=False)
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="VARIANT", help="Only these variants; repeatable.", show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Parallel runs, one thread each; default: one per core.", show_default=False
        ),
    ] = None,
) -> None:
    """Train the variants of the network and compare them.

    Baseline, + residual scaling, + dynamic gating, + both, and the five late fusions, each with every seed. Needs the
    extra `train`. Run again, it continues where it stopped. Writes ablation.csv, ablation.md and ablation.png.

    \b
    Examples:
      hsegap ablate --config training/recipes/ablation.yaml --seeds 0 1 2 -o runs/ablation
      hsegap ablate --config mine.yaml --only baseline --only "+ both" --seeds 0 -o runs/quick
    """
    raise typer.Exit(
        run(config, out=out, seeds=[*(seeds or []), *(more_seeds or [])] or [0], only=only or [], jobs=jobs)
    )


def run(config: Path, *, out: Path, seeds: Sequence[int], only: Sequence[str], jobs: int | None) -> int:
    """Train what is not finished, then write tables and plot.

    Args:
        config: Recipe.
        out: Folder of runs, tables and plot.
        seeds: Of each variant.
        only: Variants; empty takes all.
        jobs: Runs side by side; None takes one per core.

    Returns:
        Exit status: 0 if every run finished, 1 if some failed or nothing could be started.
    """
    if output.training_is_missing("training"):
        return 1
    from hsegap.export.encoder_choice import load_training_encoder
    from hsegap.training.ablation import default_jobs, plan_runs, read_recipe, run_ablation
    from hsegap.training.ablation_report import plot, write_tables

    try:
        runs = plan_runs(read_recipe(config), seeds, out, only=only)
        results, failed = run_ablation(
            runs, load_encoder=load_training_encoder, jobs=jobs or default_jobs(), report=output.note
        )
    except HsegapError as error:
        output.note(f"hsegap: {error}")
        return output.status_of(error)
    except KeyboardInterrupt:
        output.note("stopped; run the same command again to continue")
        return 1
    if results:
        paths = [*write_tables(results, out), plot(results, out / "ablation.png")]
        print((out / "ablation.md").read_text(encoding="utf-8"), end="")
        output.note("wrote " + ", ".join(map(str, paths)))
    if failed:
        output.note(f"hsegap: {len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")
    return 1 if failed else 0
