"""Ablation: the same training with parts of the network switched on and off, over several seeds, resumable."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import multiprocessing.connection
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hsegap.processors import usable_processors
from hsegap.training.options import OptionsError, TrainingOptions, options_from, read_option_file
from hsegap.training.state import CONFIG, HISTORY, TIMINGS, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from hsegap.text import TextEncoder

#: What each variant changes. The late fusions stand on top of both improvements.
VARIANTS: dict[str, dict[str, Any]] = {
    "baseline": {"use_improved_middle_fusion": False},
    "+ residual scaling": {"middle_fusion_use_dynamic_gating": False},
    "+ dynamic gating": {"middle_fusion_use_residual_scaling": False},
    "+ both": {},
    "late fusion concat": {"late_fusion_type": "concat"},
    "late fusion gated": {"late_fusion_type": "gated"},
    "late fusion bilinear": {"late_fusion_type": "bilinear"},
    "late fusion adaptive": {"late_fusion_type": "adaptive"},
    "late fusion tucker": {"late_fusion_type": "tucker"},
}
IMPROVED = {"use_middle_fusion": True, "use_improved_middle_fusion": True}
RESULT = "result.json"


@dataclass(frozen=True)
class Run:
    """One training of the ablation.

    Attributes:
        variants: Names of the variants it stands for: two that come to the same options share a run.
        seed: Of the run.
        options: All of them.
    """

    variants: tuple[str, ...]
    seed: int
    options: TrainingOptions

    @property
    def name(self) -> str:
        """For people and folders."""
        return f"{self.variants[0].replace('+ ', '').replace(' ', '_')}-seed{self.seed}"


def plan_runs(recipe: dict[str, Any], seeds: Sequence[int], out: Path, *, only: Sequence[str] = ()) -> list[Run]:
    """The trainings a recipe asks for.

    Args:
        recipe: Training flags; ``variants`` maps further names to the flags they change, instead of :data:`VARIANTS`.
        seeds: Each variant is trained with each.
        out: Folder of the ablation.
        only: Names of variants; empty takes all.

    Returns:
        The runs, seed by seed, so that every variant has a first result early.

    Raises:
        OptionsError: If flags do not fit or a variant is unknown.
    """
    flags = {**IMPROVED, **{key: value for key, value in recipe.items() if key != "variants"}}
    variants = recipe.get("variants", VARIANTS)
    if not isinstance(variants, dict) or not all(isinstance(change, dict) for change in variants.values()):
        raise OptionsError("variants is a mapping of names to the flags they change")
    unknown = [name for name in only if name not in variants]
    if unknown:
        raise OptionsError(f"unknown variant {', '.join(unknown)}; the recipe has: {', '.join(variants)}")
    runs = []
    for seed in dict.fromkeys(seeds):
        groups: dict[str, tuple[list[str], dict[str, Any]]] = {}
        for name, change in variants.items():
            if only and name not in only:
                continue
            values = {**flags, **change, "random_seed": seed}
            options_from(values)
            key = json.dumps(options_from(values).model_dump(mode="json"), sort_keys=True)
            groups.setdefault(key, ([], values))[0].append(name)
        for names, values in groups.values():
            run = Run(tuple(names), seed, options_from(values))
            folder = {"output_dir": str(out / "runs" / run.name), "resume": True}
            runs.append(Run(run.variants, seed, options_from({**values, **folder})))
    return runs


def read_recipe(path: Path) -> dict[str, Any]:
    """A recipe from YAML or JSON.

    Raises:
        OptionsError: If it cannot be read.
    """
    return read_option_file(path)


def train_one(
    options: TrainingOptions, load_encoder: Callable[[TrainingOptions], TextEncoder], names: tuple[str, ...]
) -> None:
    """One run to its end, in a process of its own; what it says goes to ``log.txt`` in its folder."""
    import torch

    from hsegap.training.memory import keep_memory
    from hsegap.training.run import run_training

    keep_memory()
    torch.set_num_threads(options.threads or 1)
    options.output_folder.mkdir(parents=True, exist_ok=True)
    with (
        (options.output_folder / "log.txt").open("a", encoding="utf-8", buffering=1) as log,
        contextlib.redirect_stderr(log),
    ):
        try:
            folder = run_training(options, load_encoder=load_encoder, report=lambda line: print(line, file=log))
        except Exception:
            # Said here: the process would say it after the log is closed.
            traceback.print_exc(file=log)
            sys.exit(1)
    write_json(result_of(folder, options, names), folder / RESULT)


def result_of(folder: Path, options: TrainingOptions, names: tuple[str, ...]) -> dict[str, Any]:
    """What the tables need of a finished run."""
    import statistics

    from hsegap.models import read_checkpoint
    from hsegap.training.metrics import score_of

    history = json.loads((folder / HISTORY).read_text())
    best = min(history, key=lambda entry: score_of(entry, classification=options.classification))
    # Where facts can be told, "told" is with the description and the facts, "known" with the facts alone.
    told, known = ("_told", "val_mae_known") if "val_mae_told" in best else ("", "")
    timings = json.loads((folder / TIMINGS).read_text())
    metrics = folder / "test_metrics.json"
    test = json.loads(metrics.read_text()) if metrics.is_file() else {}
    network = read_checkpoint(folder / "best_model.pt").network
    return {
        "variants": list(names),
        "seed": options.random_seed,
        "val_mae": best[f"val_mae{told}"],
        "val_mae_without_text": best["val_mae_without_text"],
        **({"val_mae_known": best[known], "val_mae_described": best["val_mae"]} if told else {}),
        "best_epoch": best["epoch"],
        "test_mae": test.get(f"test{told}", {}).get("mae"),
        "test_mae_without_text": test.get("test_without_text", {}).get("mae"),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        # Processor time: runs side by side, and whatever else the machine does, stretch the clock's.
        "processor_seconds_per_epoch": statistics.median(timings["processor_seconds_per_epoch"]),
        "seconds_per_epoch": statistics.median(timings["seconds_per_epoch"]),
        "rows": timings["rows"],
        "epochs": len(history),
    }


def finished(run: Run) -> dict[str, Any] | None:
    """The result of a run that is done, or None.

    Raises:
        OptionsError: If the folder holds a run with other options.
    """
    from hsegap.training.run import FREE_ON_RESUME

    folder = run.options.output_folder
    if not (folder / RESULT).is_file():
        return None
    then = json.loads((folder / CONFIG).read_text())["options"]
    now = run.options.model_dump(mode="json")
    changed = [key for key in now if key not in FREE_ON_RESUME and then.get(key, now[key]) != now[key]]
    if changed:
        raise OptionsError(
            f"{folder} was trained with another recipe ({', '.join(changed)}): give another -o, or restore the recipe"
        )
    return json.loads((folder / RESULT).read_text())


def run_ablation(
    runs: Sequence[Run],
    *,
    load_encoder: Callable[[TrainingOptions], TextEncoder],
    jobs: int,
    report: Callable[[str], None] = print,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Train what is not finished yet.

    Args:
        runs: From :func:`plan_runs`.
        load_encoder: Gives the text encoder; has to be importable by name, since runs have processes of their own.
        jobs: Runs side by side.
        report: Receives one line per finished run.

    Returns:
        Results of the finished runs in the order of ``runs``, and the names of those that failed.

    Raises:
        OptionsError: If finished runs were trained with another recipe.
        DataError: If data is missing.
    """
    waiting = [run for run in runs if finished(run) is None]
    report(f"{len(runs)} runs, {len(runs) - len(waiting)} of them finished before")
    if waiting:
        prepare_all(waiting, load_encoder, report)
    failed = _work_off(waiting, load_encoder, jobs=jobs, report=report)
    return [result for run in runs if (result := finished(run)) is not None], failed


def prepare_all(
    runs: Sequence[Run], load_encoder: Callable[[TrainingOptions], TextEncoder], report: Callable[[str], None]
) -> None:
    """Build graphs and text vectors of every distinct data set once, before runs side by side would each do it.

    Raises:
        DataError: If data is missing.
    """
    from hsegap.training.data import check_source, load_splits
    from hsegap.training.run import prepare

    encoder, done = None, set()
    for run in runs:
        config = run.options.fusion_config(text_features=1)
        key = (run.seed, config.use_fine_grained_attention, config.graph_flavour)
        if key in done:
            continue
        done.add(key)
        check_source(run.options)
        encoder = encoder or load_encoder(run.options)
        splits = load_splits(run.options)
        prepare(splits, run.options, run.options.fusion_config(text_features=encoder.width), encoder)
        report(
            f"seed {run.seed}: {len(splits.train)} training, {len(splits.val)} validation, {len(splits.test)} test rows"
        )


def _work_off(
    runs: Sequence[Run],
    load_encoder: Callable[[TrainingOptions], TextEncoder],
    *,
    jobs: int,
    report: Callable[[str], None],
) -> list[str]:
    """Train runs, ``jobs`` at a time; names of those that failed."""
    # Started afresh: a forked copy of a process with torch threads may hang.
    context = multiprocessing.get_context("spawn")
    waiting, failed = list(runs), []
    running: dict[BaseProcess, tuple[Run, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                run = waiting.pop(0)
                process = context.Process(
                    target=train_one, args=(run.options, load_encoder, run.variants), name=run.name
                )
                process.start()
                running[process] = (run, time.monotonic())
            multiprocessing.connection.wait([candidate.sentinel for candidate in running])
            for ended in [candidate for candidate in running if not candidate.is_alive()]:
                run, started = running.pop(ended)
                ended.join()
                result = finished(run)
                if result is None:
                    failed.append(run.name)
                    report(f"{run.name}: failed, see {run.options.output_folder / 'log.txt'}")
                else:
                    left = len(waiting) + len(running)
                    report(
                        f"{run.name}: validation MAE {result['val_mae']:.4f}, {time.monotonic() - started:.0f} s; "
                        f"{left} runs left"
                    )
    finally:
        for left_over in running:  # the caller is being interrupted; half runs are resumed next time
            left_over.terminate()
            left_over.join()
    return failed


def default_jobs() -> int:
    """One run per core: two runs of one thread finish sooner than one of two threads."""
    return usable_processors()
