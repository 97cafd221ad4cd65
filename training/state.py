"""Checkpoints of a run: written whole or not at all, and enough to continue to the same numbers."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

LAST, BEST, HISTORY, CONFIG, TIMINGS = (
    "last_checkpoint.pt",
    "best_model.pt",
    "history.json",
    "config.json",
    "timings.json",
)


def save_atomically(content: Any, path: Path) -> None:
    """Write with ``torch.save`` beside the target, make it durable, and rename: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(content: Any, path: Path) -> None:
    """Write JSON whole or not at all; what is not a finite number becomes null, since JSON has no NaN."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(_finite(content), file, indent=1, allow_nan=False)
        file.write("\n")
    Path(temporary).replace(path)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of a run that was killed while writing."""
    for name in (LAST, BEST, HISTORY, CONFIG, TIMINGS):
        for path in folder.glob(f".{name}-*"):
            path.unlink(missing_ok=True)
