"""Runs of the installed `hsegap score`, and crystals for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.commands import ROOT, Outcome, environment, run_command, run_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = ("GaAs", "MgO", "NaCl", "Si", "ZnO", "Ge", "C", "CaF2")


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


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., Outcome]:
    """Run `hsegap score ARGUMENTS…` in a folder of its own, caches there too."""

    def run(
        *arguments: object,
        stdin: bytes = b"",
        cwd: Path = tmp_path,
        command: str = "score",
        env: dict[str, str] | None = None,
    ) -> Outcome:
        own = environment(XDG_CACHE_HOME=str(tmp_path / "cache"), **(env or {}))
        return run_command(command, *arguments, cwd=cwd, env=own, stdin=stdin)

    return run


@pytest.fixture
def score_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `hsegap score ARGUMENTS…` in this process, in a folder of its own: what never comes to scoring."""
    for name in [name for name in os.environ if name.startswith("HSEGAP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *arguments: run_here("score", *arguments, cwd=tmp_path)
