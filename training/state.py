"""Checkpoints of a run: written whole or not at all, and enough to continue to the same numbers."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

LAST, BEST, HISTORY, CONFIG = "last_checkpoint.pt", "best_model.pt", "history.json", "config.json"


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
    """Write JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
    Path(temporary).replace(path)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of a run that was killed while writing."""
    for name in (LAST, BEST, HISTORY, CONFIG):
        for path in folder.glob(f".{name}-*"):
            path.unlink(missing_ok=True)
