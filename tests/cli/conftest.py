"""Runs of the installed `hsegap` command from a working directory that is not the repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.commands import Outcome, run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def hsegap(tmp_path: Path) -> Callable[..., Outcome]:
    """Run `hsegap ARGUMENTS…` somewhere else; `stdin` is fed to it, `env` added to its environment."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    own = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}

    def run(*arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None, cwd: Path = elsewhere) -> Outcome:
        return run_command(*arguments, cwd=cwd, env=own | (env or {}), stdin=stdin)

    return run
