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
from hsegap.commands.options import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback)


def processor_seconds() -> float:
    """Time that ended child processes have computed: unlike the clock's, it does not grow with what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_there_within_half_a_second(hsegap: Callable[..., Outcome]) -> None:
    hsegap("--help")  # the first run may compile files
    before = processor_seconds()
    outcome = hsegap("--help")
    assert processor_seconds() - before < 0.5
    assert outcome.status == 0
    assert all(name in outcome.stdout for name in NAMES)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from hsegap import cli; cli.app(['--help'], standalone_mode=False); sys.stderr.write(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stderr.split()
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
        "hsegap.prediction",
    } & set(loaded)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_shows_examples_that_name_it(name: str, hsegap: Callable[..., Outcome]) -> None:
    outcome = hsegap(name, "--help")
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
def test_what_cannot_be_understood_exits_with_2_and_says_what(arguments: list[str], named: str, hsegap: Callable[..., Outcome]) -> None:
    outcome = hsegap(*arguments)
    assert outcome.status == 2
    assert named in outcome.stderr
    assert outcome.stdout == ""


def test_the_formats_offered_are_those_that_can_be_read() -> None:
    from hsegap.structures import FORMATS

    assert [choice.value for choice in Format] == list(FORMATS)


def test_the_reference_page_is_what_the_commands_say() -> None:
    # If this fails: make docs
    assert (ROOT / "docs" / "cli.md").read_text() == reference.page()
