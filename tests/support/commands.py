"""The `hsegap` command run as a user runs it, as a process, or in this one; and what its tables hold."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "hsegap"
#: A command that has not ended after this many seconds hangs:
#: a hundred times what the slowest needs on an idle machine.
PATIENCE_S = 550


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def environment(**more: str) -> dict[str, str]:
    """The environment without what a developer set for hsegap, but for the artifact."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_") or key == "HSEGAP_ARTIFACT"
    }
    return {**kept, "RAY_USAGE_STATS_ENABLED": "0", **more}


def run_command(*arguments: object, cwd: Path, env: dict[str, str], stdin: bytes = b"") -> Outcome:
    """Run `hsegap ARGUMENTS…` to its end."""
    done = subprocess.run(
        [COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=env,
        timeout=PATIENCE_S,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_here(*arguments: object, cwd: Path, stdin: bytes = b"", columns: int = 200) -> Outcome:
    """Run `hsegap ARGUMENTS…` in this process, on a terminal of ``columns``: what needs no process.
    What it raises is raised here.
    """
    from typer.testing import CliRunner

    from hsegap.cli import app

    with contextlib.chdir(cwd):
        done = CliRunner().invoke(
            app,
            list(map(str, arguments)),
            input=stdin,
            env={"COLUMNS": str(columns)},
            catch_exceptions=False,
            prog_name="hsegap",
        )
    return Outcome(done.exit_code, done.stdout, done.stderr)


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def json_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
