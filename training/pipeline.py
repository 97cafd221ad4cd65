"""A recipe of several steps, from data to a finished artifact: what is done is kept, what was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hsegap.training.options import OptionsError, TrainingOptions, options_from, read_option_file
from hsegap.training.state import BEST, save_atomically, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hsegap.text import TextEncoder

FINISHED = "finished.json"
STARTED = "started.json"


class Step(BaseModel):
    """One step; exactly one of ``train``, ``average`` and ``hsegap`` says what it does.

    Attributes:
        name: For people.
        train: Training flags, on top of the recipe's common ones.
        average: Checkpoints whose weights are averaged.
        output: Checkpoint that ``average`` writes.
        hsegap: Arguments of an ``hsegap`` command.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    train: dict[str, Any] | None = None
    average: list[Path] | None = Field(default=None, min_length=2)
    output: Path | None = None
    hsegap: list[str] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.train, self.average, self.hsegap)) != 1:
            raise ValueError("a step has one of train, average and hsegap")
        if (self.average is None) != (self.output is None):
            raise ValueError("average and output go together")
        return self


class Recipe(BaseModel):
    """Steps in order, and the flags that all trainings share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    common: dict[str, Any] = Field(default_factory=dict)
    steps: list[Step] = Field(min_length=1)

    def options(self, step: Step) -> TrainingOptions:
        """All flags of a training step.

        Raises:
            OptionsError: If they do not fit.
        """
        return options_from({**self.common, **(step.train or {})})


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Every training's flags too, so that a mistake in the last step is said before the first starts.

    Raises:
        OptionsError: If it cannot be read or does not fit together.
    """
    try:
        recipe = Recipe.model_validate(read_option_file(path))
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise OptionsError("\n".join([f"{path}:", *reasons])) from None
    for step in recipe.steps:
        if step.train is not None:
            try:
                recipe.options(step)
            except OptionsError as error:
                raise OptionsError(f"{path}, step {step.name!r}: {error}") from None
    return recipe


def run_recipe(
    recipe: Recipe,
    *,
    load_encoder: Callable[[TrainingOptions], TextEncoder],
    report: Callable[[str], None],
    only: Sequence[str] = (),
) -> None:
    """Run the steps that are not finished.

    A finished training is left alone as long as its flags and the checkpoint it started from are the same; an
    interrupted one goes on where it stopped. Averages and commands are cheap and always run.

    Args:
        recipe: The steps.
        load_encoder: As in :func:`hsegap.training.run.run_training`.
        report: Receives lines for the user.
        only: Names of steps; empty takes all.

    Raises:
        OptionsError: If a step is unknown, or flags do not fit.
        subprocess.CalledProcessError: If a command failed.
    """
    unknown = [name for name in only if name not in {step.name for step in recipe.steps}]
    if unknown:
        raise OptionsError(
            f"unknown step {', '.join(unknown)}; the recipe has: {', '.join(step.name for step in recipe.steps)}"
        )
    for number, step in enumerate(recipe.steps, 1):
        if only and step.name not in only:
            continue
        report(f"── step {number} of {len(recipe.steps)}: {step.name}")
        if step.train is not None:
            _train(recipe.options(step), load_encoder, report)
        elif step.average is not None and step.output is not None:
            _average(step.average, step.output)
            report(f"mean of {len(step.average)} networks in {step.output}")
        else:
            subprocess.run([sys.executable, "-m", "hsegap", *(step.hsegap or [])], check=True)


def _train(
    options: TrainingOptions, load_encoder: Callable[[TrainingOptions], TextEncoder], report: Callable[[str], None]
) -> None:
    from hsegap.training.run import FREE_ON_RESUME, run_training

    folder = options.output_folder
    state = {
        "options": options.model_dump(mode="json", exclude=set(FREE_ON_RESUME)),
        "start": _digest(options.init_from),
    }
    if _read(folder / FINISHED) == state and (folder / BEST).is_file():
        report(f"finished before: {folder}")
        return
    again = _read(folder / STARTED) == state
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FINISHED).unlink(missing_ok=True)
    write_json(state, folder / STARTED)
    run_training(options.model_copy(update={"resume": again}), load_encoder=load_encoder, report=report)
    write_json(state, folder / FINISHED)


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path and Path(path).is_file() else path


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _average(paths: Sequence[Path], output: Path) -> None:
    """Write the mean of the networks with the configuration and facts of the first.

    Raises:
        OptionsError: If the networks differ in shape.
    """
    from hsegap.models.checkpoint import read_weights_only
    from hsegap.training.average import average_weights

    contents = [read_weights_only(path) for path in paths]
    try:
        mean = average_weights([content["model"] for content in contents])
    except ValueError as error:
        raise OptionsError(str(error)) from error
    output.parent.mkdir(parents=True, exist_ok=True)
    kept = {key: contents[0][key] for key in ("config", "options", "facts", "epoch") if key in contents[0]}
    save_atomically({**kept, "model": mean, "averaged": [str(path) for path in paths]}, output)
