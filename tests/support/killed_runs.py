"""Training runs in processes of their own that are killed with SIGKILL:
from outside, or by themselves at a named point.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def run(values: dict[str, Any], encoder: str, die_at: tuple[str, int] | None = None) -> None:
    """Train as ``values`` say.
    ``die_at`` names a point and how many times it is passed before the process kills itself there.
    """
    import torch

    from hsegap.text import TextEncoder
    from hsegap.training.options import options_from
    from hsegap.training.run import run_training

    torch.set_num_threads(1)
    os.nice(10)  # as support.processes.WATCHED
    if die_at is not None:
        POINTS[die_at[0]](die_at[1])
    run_training(
        options_from(values), load_encoder=lambda _options: TextEncoder.load(encoder), report=lambda _line: None
    )


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _in_the_middle_of_writing(passes: int) -> None:
    """Half the bytes of a checkpoint reach the disk."""
    import io

    from hsegap.training import state

    real = state.torch.save
    left = [passes]

    def save(content: Any, file: Any) -> None:
        if left[0]:
            left[0] -= 1
            real(content, file)
            return
        whole = io.BytesIO()
        real(content, whole)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        _die()

    state.torch.save = save


def _around_renaming(passes: int, *, after: bool) -> None:
    from hsegap.training import state

    real = state.Path.replace
    left = [passes]

    def replace(self: Path, target: Path) -> Path:
        if not left[0] and not after:
            _die()
        result = real(self, target)
        if not left[0]:
            _die()
        left[0] -= 1
        return result

    state.Path.replace = replace


def _between_best_and_last(passes: int) -> None:
    from hsegap.training.loop import Trainer

    real = Trainer._save_best
    left = [passes]

    def save_best(self: Trainer, entry: dict[str, Any]) -> None:
        real(self, entry)
        if not left[0]:
            _die()
        left[0] -= 1

    Trainer._save_best = save_best


def _before_the_history(passes: int) -> None:
    """After an epoch's last checkpoint, before history.json knows of the epoch."""
    from hsegap.training.loop import Trainer

    real = Trainer._write_history
    left = [passes]

    def write_history(self: Trainer) -> None:
        if self.state.history and not left[0]:
            _die()
        left[0] -= bool(self.state.history)
        real(self)

    Trainer._write_history = write_history


POINTS = {
    "half-written checkpoint": _in_the_middle_of_writing,
    "before a rename": lambda passes: _around_renaming(passes, after=False),
    "after a rename": lambda passes: _around_renaming(passes, after=True),
    "between best and last": _between_best_and_last,
    "before the history": _before_the_history,
}


def context() -> Any:
    """Processes forked from a server that has the libraries loaded and no thread running: a start costs nothing."""
    server = multiprocessing.get_context("forkserver")
    # torch._dynamo: the first step of an optimiser imports it, which takes as long as a small run.
    server.set_forkserver_preload(
        ["hsegap.training.run", "onnxruntime", "pymatgen.core", "sklearn.metrics", "torch._dynamo"]
    )
    return server


def start(values: dict[str, Any], encoder: Path, die_at: tuple[str, int] | None = None) -> Any:
    """Start a run; a process that can be killed, and joined."""
    process = context().Process(target=run, args=(values, str(encoder), die_at))
    process.start()
    return process


def finish(values: dict[str, Any], encoder: Path, die_at: tuple[str, int] | None = None) -> int:
    """Run to the end (or the death); the exit code, −9 for SIGKILL."""
    process = start(values, encoder, die_at)
    process.join(300)
    assert process.exitcode is not None, "the run hangs"
    return process.exitcode
