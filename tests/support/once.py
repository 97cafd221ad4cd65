"""Things that are costly to make, made once for all the processes that tests are shared out to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all its processes see; pytest-xdist gives each one a temporary folder inside it."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder below the shared one, filled by whoever comes first while the others wait. Tests leave it as it is.

    Args:
        tmp_path_factory: pytest's.
        name: What tells the folder from others.
        make: Fills it; called with its path, which doesn't exist yet.
    """
    folder = shared_folder(tmp_path_factory) / "once" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder.with_name(f"{name}.done")
    with FileLock(f"{folder}.lock"):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
