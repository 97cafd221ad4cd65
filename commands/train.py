"""`hsegap train`: the steps of a recipe, from data to an artifact. Needs the extra `train`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hsegap.commands import output
from hsegap.errors import HsegapError

if TYPE_CHECKING:
    from collections.abc import Sequence


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file of steps.", show_default=False)],
    *,
    only: Annotated[
        list[str] | None, typer.Option(metavar="STEP", help="Only these steps; repeatable.", show_default=False)
    ] = None,
) -> None:
    """Run the steps of a recipe: trainings, averages of weights, export.

    Finished trainings are not repeated, an interrupted one continues: repeat the command until the recipe is done. A
    single training with flags is started with train_with_cross_modal_attention.py. Needs the extra `train`.

    \b
    Examples:
        hsegap train training/recipes/shipped.yaml
        hsegap train training/recipes/shipped.yaml --only pretrain
    """
    raise typer.Exit(run(recipe, only=only or []))


def run(recipe: Path, *, only: Sequence[str]) -> int:
    """Run what is not finished.

    Args:
        recipe: YAML file of steps.
        only: Names of steps; empty takes all.

    Returns:
        Exit status: 0 if every step is finished, 1 otherwise.
    """
    if output.training_is_missing("training"):
        return 1
    from hsegap.export.encoder_choice import load_training_encoder
    from hsegap.training.memory import keep_memory
    from hsegap.training.pipeline import read_recipe, run_recipe

    keep_memory()
    try:
        run_recipe(read_recipe(recipe), load_encoder=load_training_encoder, report=output.note, only=only)
    except HsegapError as error:
        output.note(f"hsegap: {error}")
        return output.status_of(error)
    except subprocess.CalledProcessError as error:
        output.note(f"hsegap: step failed: {' '.join(error.cmd[2:])} ended with {error.returncode}")
        return 1
    except KeyboardInterrupt:
        output.note("stopped; run the same command again to continue")
        return 1
    return 0
