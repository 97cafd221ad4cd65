"""`hsegap train`: the steps of a recipe, from data to an artifact. Needs the extra `train`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hsegap.commands import output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


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
    from hsegap.models import CheckpointError
    from hsegap.text import TextEncoderError
    from hsegap.training.errors import DataError
    from hsegap.training.memory import keep_memory
    from hsegap.training.options import OptionsError
    from hsegap.training.pipeline import read_recipe, run_recipe

    keep_memory()
    try:
        run_recipe(read_recipe(recipe), load_encoder=load_training_encoder, report=output.note, only=only)
    except (OptionsError, DataError, TextEncoderError, CheckpointError) as error:
        output.note(f"hsegap: {error}")
        return 1
    except subprocess.CalledProcessError as error:
        output.note(f"hsegap: step failed: {' '.join(error.cmd[2:])} ended with {error.returncode}")
        return 1
    except KeyboardInterrupt:
        output.note("stopped; the same command goes on from here")
        return 1
    return 0
