"""The installed `hsegap score`, run as a user runs it, and crystals for it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.artifact.artifact import Artifact

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "hsegap"
SMALL = ("GaAs", "MgO", "NaCl", "Si", "ZnO", "Ge", "C", "CaF2")


@dataclass(frozen=True)
class Outcome:
    """What a run of the command left behind."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def artifact() -> Artifact:
    return Artifact.load()


@pytest.fixture(scope="session")
def crystals() -> dict[str, str]:
    """Texts of a few small crystals' CIF files, by name."""
    return {name: (ROOT / "examples" / f"{name}.cif").read_text() for name in SMALL}


@pytest.fixture
def cifs(tmp_path: Path, crystals: dict[str, str]) -> Path:
    """A folder with those files."""
    folder = tmp_path / "cifs"
    folder.mkdir()
    for name, text in crystals.items():
        (folder / f"{name}.cif").write_text(text)
    return folder


def environment(**more: str) -> dict[str, str]:
    """The environment without what a developer set for hsegap, but for the artifact."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_") or key == "HSEGAP_ARTIFACT"}
    return {**kept, "RAY_USAGE_STATS_ENABLED": "0", **more}


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., Outcome]:
    """Run `hsegap score ARGUMENTS…` in a folder of its own, caches there too."""

    def run(
        *arguments: object, stdin: bytes = b"", cwd: Path = tmp_path, command: str = "score", env: dict[str, str] | None = None
    ) -> Outcome:
        done = subprocess.run(
            [COMMAND, command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env=environment(XDG_CACHE_HOME=str(tmp_path / "cache"), **(env or {})),
            timeout=400,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def json_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
