"""Runs of the installed `hsegap` command from a working directory that is not the repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from support.commands import Outcome, run_command, run_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.prediction.predictor import Predictor


@pytest.fixture
def hsegap(tmp_path: Path) -> Callable[..., Outcome]:
    """Run `hsegap ARGUMENTS…` somewhere else; `stdin` is fed to it, `env` added to its environment."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    own = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}

    def run(
        *arguments: object, stdin: bytes = b"", env: dict[str, str] | None = None, cwd: Path = elsewhere
    ) -> Outcome:
        return run_command(*arguments, cwd=cwd, env=own | (env or {}), stdin=stdin)

    return run


class Lent:
    """A predictor that outlives the command."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `hsegap ARGUMENTS…` in this process, somewhere else, on a terminal of ``columns``:
    what no process is needed to show.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    for name in [name for name in os.environ if name.startswith("HSEGAP_")]:
        monkeypatch.delenv(name)

    def run(*arguments: object, stdin: bytes = b"", columns: int = 200) -> Outcome:
        return run_here(*arguments, cwd=elsewhere, stdin=stdin, columns=columns)

    return run


@pytest.fixture
def here(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `hsegap ARGUMENTS…` in this process and working directory,
    with the session's predictor in place of one of its own.
    """
    monkeypatch.setattr("hsegap.commands.predict.open_predictor", lambda *_, **__: Lent(predictor))

    def run(*arguments: object, stdin: bytes = b"", columns: int = 200) -> Outcome:
        return run_here(*arguments, cwd=Path.cwd(), stdin=stdin, columns=columns)

    return run
