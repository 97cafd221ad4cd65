"""What documents, docstrings and comments name is there: files, folders, modules, classes and functions."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from support.kinds import CLUSTER, LONG, PROCESS, SLOW
from support.sources import ROOT, python_files, room_files

#: What work leaves behind in a checkout: documents name such places, and they need not be there.
LEFT_BEHIND = {line.strip().strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
#: Where a path may begin: any other file or folder at the top.
TOP = "|".join(sorted(re.escape(path.name) for path in ROOT.iterdir() if path.name not in LEFT_BEHIND))
#: A path with a folder in it; not the end of an address or of another path.
PATH = re.compile(rf"(?<![\w./~$<:-])(?:{TOP})/[\w./-]*[\w/](?![\w*])")
#: Where readers are told to write, or to put what is theirs.
THEIRS = re.compile(r"artifacts/(?:mine|theirs|your_own)\b|models/matscibert\b|text/(?:html|plain|csv|css|javascript)$")
#: `:class:`hsegap.room.file.Name``, with or without a tilde.
ROLE = re.compile(r":(?:mod|class|func|meth|data|attr):`~?(hsegap[\w.]*)`")

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md"), ROOT / "Makefile", *ROOT.glob(".ci/*")]
)


def named_paths(text: str) -> set[str]:
    return {match[0].rstrip("./") for match in PATH.finditer(text) if not THEIRS.match(match[0])}


def test_the_finder_finds() -> None:
    text = "See `models/gone.py`, docs/gone.md. Not https://x.org/docs/a.md, not artifacts/mine, not my/docs/a.md."
    assert named_paths(text) == {"models/gone.py", "docs/gone.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_in_a_document_is_there(document: Path) -> None:
    assert not sorted(name for name in named_paths(document.read_text()) if not (ROOT / name).exists())


def test_every_path_in_the_package_is_there() -> None:
    """In docstrings, comments and the commands' help."""
    wrong = {}
    for path in room_files():
        text = path.read_text()
        missing = [name for name in named_paths(text) if not (ROOT / name).exists()]
        if missing:
            wrong[str(path.relative_to(ROOT))] = missing
    assert not wrong


@cache
def names_of(module: Path) -> frozenset[str]:
    """What a file defines or imports, ``Class.member`` included."""
    found: set[str] = set()

    def define(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(prefix + child.name)
                if isinstance(child, ast.ClassDef):
                    define(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.Assign | ast.AnnAssign):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                found.update(prefix + target.id for target in targets if isinstance(target, ast.Name))
            elif isinstance(child, ast.Import | ast.ImportFrom):
                found.update(prefix + (alias.asname or alias.name) for alias in child.names)
            elif isinstance(child, ast.If | ast.Try):
                define(child, prefix)

    define(ast.parse(module.read_text()), "")
    return frozenset(found)


def is_there(name: str) -> bool:
    """Whether ``hsegap.room.file.Class.member`` is defined, at whatever depth the file ends."""
    parts = name.split(".")[1:]
    folders = [ROOT, ROOT / "hsegap"]
    for length in range(len(parts), -1, -1):
        rest = ".".join(parts[length:])
        for folder in folders:
            place = folder.joinpath(*parts[:length])
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            if file.is_file() and length and (not rest or rest in names_of(file)):
                return True
    return name == "hsegap" or (len(parts) == 1 and parts[0] in names_of(ROOT / "hsegap" / "__init__.py"))


def test_every_name_that_a_docstring_refers_to_is_there() -> None:
    assert is_there("hsegap.models.CrystalTextNetwork")
    assert is_there("hsegap.structures.read.read")
    assert not is_there("hsegap.structures.read.gone")
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files()
        if path != Path(__file__).resolve()
        for name in ROLE.findall(path.read_text())
        if not is_there(name)
    ]
    assert not wrong


@pytest.mark.parametrize("names", [PROCESS, CLUSTER, LONG, SLOW], ids=["PROCESS", "CLUSTER", "LONG", "SLOW"])
def test_every_file_that_a_kind_of_test_names_is_there(names: tuple[str, ...] | set[str]) -> None:
    """A name left behind when a file moved would sort its tests silently into another kind."""
    assert not [name for name in names if not list((ROOT / "tests").glob(f"{name}*"))]
