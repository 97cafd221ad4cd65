"""Where answers go: standard output carries them and nothing else.

Notes, progress and whatever a library prints go to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress


@contextlib.contextmanager
def answers_only() -> Iterator[TextIO]:
    """Keep standard output clean while commands work.

    Libraries print, compiled code writes to file descriptor 1, child processes inherit it. Inside the block all of that
    lands on standard error; only what is written to the stream given here reaches the caller's pipe.

    Yields:
        The real standard output.
    """
    if sys.stdout is None:  # closed by the caller (`>&-`): the exit status is all that is asked for
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            yield nowhere
        return
    real = sys.stdout
    sys.stdout = sys.stderr
    try:
        descriptor = real.fileno()
        kept = os.dup(descriptor)
    except (
        OSError,
        ValueError,
    ):  # a stream without a descriptor (a captured one): redirecting the name is all there is to do
        try:
            yield real
        finally:
            sys.stdout = real
        return
    real.flush()
    os.dup2(sys.__stderr__.fileno() if sys.__stderr__ else 2, descriptor)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8", errors="replace") as out:
            yield out
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        sys.stdout = real


def write_json(value: Any, out: TextIO) -> None:
    """Print one JSON value and a line end. NaN is refused: it is not JSON."""
    out.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def note(message: str) -> None:
    """Say something beside the answer."""
    sys.stderr.write(f"{message}\n")


def progress() -> Progress:
    """A bar per task on standard error, gone when its block ends."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(file=sys.stderr), transient=True)


def status_of(error: Exception) -> int:
    """Exit status of a command that ends with an error.

    2 where it was called wrongly, as for an option that is not there, else 1.
    """
    return 2 if getattr(error, "code", None) == "usage" else 1


def training_is_missing(doing: str) -> bool:
    """Whether the extra that trains and exports is not installed; says in words how to install it.

    Args:
        doing: What needs it, for the sentence.
    """
    try:
        import torch  # noqa: F401  # only asked for
    except ImportError:
        note(
            f"hsegap: {doing} needs torch and transformers. Install them with: "
            "pip install -c constraints.txt -e '.[train]'"
        )
        return True
    return False
