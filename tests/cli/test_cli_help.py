"""Help, versions and usage errors: what a user meets before anything is computed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hsegap import cli
from hsegap.commands import reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback)


#: Packages that no command may need before it knows that there is something to do, and those of our own that load them.
#: What each costs in time is measured in benchmarks, not here: a clock that others share fails a good commit.
HEAVY = {
    *("numpy", "pydantic", "rich", "onnxruntime", "safetensors", "pymatgen", "gemmi", "spglib", "scipy", "pandas"),
    *("pyarrow", "matplotlib", "sympy", "ray", "robocrys", "tokenizers", "torch", "bentoml", "gradio", "httpx"),
    *("hsegap.service", "hsegap.structures", "hsegap.batch", "hsegap.models", "hsegap.training", "hsegap.ui"),
}
#: What a command loads as soon as it has a file to look for, while it reads the network ahead.
TO_PREDICT = {"numpy", "pydantic", "rich", "onnxruntime", "safetensors", "hsegap.structures", "hsegap.batch"}


def loaded_by(*arguments: str) -> set[str]:
    """Modules that are loaded when the command has done what it can with these arguments."""
    code = (
        f"import sys; sys.argv = ['/usr/bin/hsegap', *{list(arguments)!r}]\n"
        "from hsegap import cli\n"
        "try:\n    cli.app(sys.argv[1:], standalone_mode=False)\n"
        "except BaseException as error:\n    print(type(error).__name__)\n"
        "sys.stderr.write('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stderr.rpartition("\n")[2].split())


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (("--help",), set()),
        (("predict", "--help"), {"pydantic"}),  # typer asks pydantic how a type is shown
        (("predict", "no-such-file.cif"), TO_PREDICT),
    ],
)
def test_help_and_refusals_load_nothing_heavy(arguments: tuple[str, ...], allowed: set[str]) -> None:
    loaded = loaded_by(*arguments)
    assert "hsegap.commands.predict" in loaded
    assert HEAVY & loaded <= allowed


def test_the_help_loads_of_prediction_only_what_starts_a_reader() -> None:
    # What begins the reading process of `hsegap predict` before the command's own imports.
    of_prediction = {name for name in loaded_by("--help") if name.startswith("hsegap.prediction.")}
    assert of_prediction <= {"hsegap.prediction.worker_start"}


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
