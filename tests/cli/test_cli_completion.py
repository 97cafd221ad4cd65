"""The Tab key in a real bash: completion is installed into a home of its own, and asked there."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.commands import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="needs bash")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which completion has been installed for bash."""
    # The command asks which shell it was started from: one that ends with it would be gone.
    done = bash(tmp_path, "hsegap --install-completion; exit $?")
    assert done.returncode == 0, done.stderr
    assert "hsegap" in (tmp_path / ".bashrc").read_text()
    return tmp_path


def bash(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(COMMAND.parent), os.environ["PATH"]])
    environment = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(BASH), "--norc", "-c", script],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def completed(home: Path, words: str) -> list[str]:
    """What bash offers after some words, the last of which has been begun."""
    script = (
        "shopt -s progcomp; source ~/.bashrc\n"
        f"COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        "function=$(complete -p hsegap | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        '"$function" hsegap "${COMP_WORDS[COMP_CWORD]}" ""\nprintf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = bash(home, script)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_commands_options_and_values_are_completed(home: Path) -> None:
    assert completed(home, "hsegap pre") == ["predict"]
    assert completed(home, "hsegap predict --min") == ["--min-gap"]
    assert set(completed(home, "hsegap predict --sort ''")) >= {"gap", "width", "formula"}
    # Files stay the shell's own business.
    (home / "GaAs.cif").touch()
    assert completed(home, "hsegap predict Ga") == []
    assert "default" in bash(home, "source ~/.bashrc; complete -p hsegap").stdout, (
        "where nothing is offered, bash completes file names"
    )
