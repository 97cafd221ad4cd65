"""Runs of the installed `hsegap` command from a working directory that is not the repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

import pytest
from typer.testing import CliRunner

from support.commands import Outcome, run_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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
def here(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `hsegap ARGUMENTS…` in this process, on a terminal of ``columns``, with the session's predictor in place of one of its own."""
    from hsegap import cli

    monkeypatch.setattr("hsegap.commands.predict.open_predictor", lambda *_, **__: Lent(predictor))

    def run(*arguments: object, stdin: bytes = b"", columns: int = 200) -> Outcome:
        done = CliRunner().invoke(
            cli.app, list(map(str, arguments)), input=stdin, env={"COLUMNS": str(columns)}, catch_exceptions=False
        )
        return Outcome(done.exit_code, done.stdout, done.stderr)

    return run
