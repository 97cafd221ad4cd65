"""The installed `hsegap` command, run as a user runs it: as a process, from a working directory that is not the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = Path(sys.executable).parent / "hsegap"


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def hsegap(tmp_path: Path) -> Callable[..., Outcome]:
    """Run `hsegap ARGUMENTS…` somewhere else; `stdin` is fed to it, `env` added to its environment."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}

    def run(*arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None, cwd: Path = elsewhere) -> Outcome:
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env=environment | (env or {}),
            timeout=550,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
