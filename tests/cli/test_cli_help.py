"""Help, versions and usage errors: what a user meets before anything is computed."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hsegap import cli
from hsegap.commands import reference
from support.commands import COMMAND

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback)


def processor_seconds(*command: object) -> float:
    """Time that a command computes, the least of three runs: unlike the clock's,
    it hardly grows with what else the machine does.
    """

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(list(map(str, command)), capture_output=True, check=False, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


def test_help_and_start_are_quick() -> None:
    # In units of what typer's import alone takes (0.08 s where these were measured): 0.12 s for the help, 0.25 s for
    # that of a command, for which typer loads pydantic, and 0.64 s until an absent file is refused.
    unit = processor_seconds(sys.executable, "-c", "import typer")
    for arguments, most in ((["--help"], 3), (["predict", "--help"], 5), (["predict", "no-such-file.cif"], 13)):
        assert processor_seconds(COMMAND, *arguments) < most * unit, arguments


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from hsegap import cli; cli.app(['--help'], standalone_mode=False); "
        "sys.stderr.write(' '.join(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stderr.split()
    assert not {
        "numpy",
        "pydantic",
        "rich",
        "pymatgen",
        "onnxruntime",
        "torch",
        "hsegap.service",
        "hsegap.structures",
        "hsegap.batch",
    } & set(loaded)
    # What begins the reading process of `hsegap predict` before the command's own imports.
    assert {name for name in loaded if name.startswith("hsegap.prediction.")} <= {"hsegap.prediction.worker_start"}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_examples_that_name_it(name: str, cli: Callable[..., Outcome]) -> None:
    outcome = cli(name, "--help")
    assert outcome.status == 0
    examples = outcome.stdout.split("Examples:")[1].split("\n\n")[0]
    assert len(re.findall(rf"hsegap {name}\b", examples)) >= 2


def test_the_version_is_the_project_s(hsegap: Callable[..., Outcome]) -> None:
    from importlib.metadata import version as installed

    version = installed("hsegap")
    assert hsegap("--version").stdout == f"hsegap {version}\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["predict"], "FILE"),
        (["predict", "a.cif", "--text", "x", "--describe"], "--text"),
        (["predict", "a.cif", "--format", "docx"], "docx"),
        (["predict", "-", "-"], "standard input"),
        (["predict", "a.cif", "--colour"], "--colour"),
        (["serve", "--port", "99999"], "--port"),
        (["evaluate", "a.jsonl", "--limit", "0"], "--limit"),
        (["prophesy"], "prophesy"),
    ],
)
def test_what_cannot_be_understood_exits_with_2_and_says_what(
    arguments: list[str], named: str, cli: Callable[..., Outcome]
) -> None:
    outcome = cli(*arguments)
    assert outcome.status == 2
    assert named in outcome.stderr
    assert outcome.stdout == ""


def test_the_reference_page_is_what_the_commands_say() -> None:
    # If this fails: make docs
    assert (ROOT / "docs" / "cli.md").read_text() == reference.page()


@pytest.mark.parametrize(
    ("program", "begun"), [("/usr/bin/hsegap", 1), ("hsegap/__main__.py", 1), ("/home/me/tool.py", 0)]
)
def test_only_the_command_itself_begins_a_reader_as_it_is_imported(program: str, begun: int) -> None:
    code = (
        f"import sys; sys.argv = [{program!r}, 'predict', 'a.cif']\n"
        "import hsegap.cli, hsegap.commands.early as early\n"
        "print(len(early._begun))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == [str(begun)]
