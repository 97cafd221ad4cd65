"""The examples of the README and the docs are commands that exist, and those the README marks are run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from hsegap import cli
from hsegap.prediction.schemas import PredictRequest
from support.commands import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CHINESE = [ROOT / "README.zh-CN.md", ROOT / "docs" / "quickstart.zh-CN.md"]
DOCUMENTS = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, *languages: str) -> list[str]:
    return [
        body
        for language, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if language in languages
    ]


def commands(text: str) -> list[list[str]]:
    """Each `hsegap …` of a text's shell blocks as a list of words, continued lines joined, pipes cut."""
    found = []
    for block in blocks(text, "bash", "sh", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.search(r"(?:^|\| |\$ |\.venv/bin/)(hsegap\s.*)", line)
            if match:
                found.append(shlex.split(match[1].split(" | ")[0].split(" > ")[0], comments=True))
    return found


def run_by_this_test() -> list[str]:
    marked = re.findall(
        r"<!-- tests/cli/test_cli_readme.py runs these -->\n```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )
    # Of the Chinese pages every command that predicts or reads; the others start servers and long runs.
    chinese = [
        line
        for page in CHINESE
        for block in blocks(page.read_text(encoding="utf-8"), "bash")
        for line in block.splitlines()
        if line.startswith(("hsegap predict", "hsegap read"))
    ]
    return list(dict.fromkeys([*(line for block in marked for line in block.splitlines()), *chinese]))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_is_understood(document: Path) -> None:
    group = typer.main.get_command(cli.app)
    for _, name, *arguments in commands(document.read_text()):
        if name.startswith("-"):
            continue
        assert name in group.commands, f"{document.name}: there is no command {name}"
        group.commands[name].make_context(name, arguments)  # raises on an option that is not there


def test_the_readme_shows_every_kind_of_use() -> None:
    assert {words[1] for words in commands(README)} >= {"predict", "serve", "evaluate", "verify"}


def run_by_a_shell(line: str) -> Outcome:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("line", run_by_this_test())
def test_the_marked_examples_run(line: str, here: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe by a shell and the installed command; what is one command alone in this process, its file names found as
    a shell finds them.
    """
    if "|" in line:
        done = run_by_a_shell(line)
    else:
        monkeypatch.chdir(ROOT)
        name, *words = shlex.split(line, comments=True)
        assert name == "hsegap"
        done = here(*(part for word in words for part in (sorted(ROOT.glob(word)) if "*" in word else [word])))
    assert done.status == 0, done.stderr
    if "--json" in line:
        assert done.json
        assert all("gap_ev" in entry for entry in done.json)
    else:
        assert done.stdout.strip()


@pytest.mark.parametrize("page", [ROOT / "README.md", CHINESE[0]], ids=lambda path: path.name)
def test_the_http_example_is_a_valid_request(page: Path) -> None:
    [block] = [block for block in blocks(page.read_text(encoding="utf-8"), "bash") if "curl" in block]
    body = shlex.split(block)[-1]
    request = PredictRequest.model_validate_json(body)
    from hsegap.structures import read

    assert read(request.structure).formula == "GaAs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            broken.append(target)
        elif anchor and file.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            if anchor not in slugs:
                broken.append(target)
    assert not broken


def test_the_chinese_quickstart_has_the_guides_training_command() -> None:
    guide = blocks((ROOT / "docs" / "training.md").read_text(), "bash")[0].split("hsegap export")[0]
    assert guide.strip() in CHINESE[1].read_text(encoding="utf-8"), "the same command in both languages"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_example_file_named_is_there(document: Path) -> None:
    names = set(re.findall(r"\bexamples/[\w.*-]+\.cif", document.read_text()))
    assert not [name for name in names if not list(ROOT.glob(name))]
