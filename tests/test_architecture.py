"""Who may import whom, what may happen at import, and how long a file may get: read off the source of every file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.sources import (
    FACE,
    PACKAGES,
    ROOT,
    Import,
    circles,
    effects_at_import,
    imports_of,
    module_name,
    own_lines,
    python_files,
    room_files,
    short,
)

#: The rooms, from the ground up, and what each may import from those below;
#: docs/development.md has the same picture.
MAY_IMPORT: dict[str, set[str]] = {
    "structures": set(),
    "text": set(),
    "artifact": set(),
    "prediction": {"structures", "text", "artifact"},
    "batch": {"structures", "text", "artifact", "prediction"},
    "evaluation": {"structures", "text", "artifact", "prediction"},
    "ui": {"structures", "text", "artifact", "prediction", "batch"},
    "service": {"structures", "text", "artifact", "prediction", "ui"},
    "python": {"structures", "artifact", "prediction", "batch", "ui"},
    "models": {"structures", "text"},
    "training": {"structures", "text", "models"},
    "export": {"structures", "text", "artifact", "models", "training", "evaluation"},
}
#: The files of hsegap/ are the roof, but for those that every room may import.
COMMON = {"quiet", "folders", "formats", "errors", "children", "processors", "memory", "__version__"}
SERVING = (
    "structures",
    "text",
    "artifact",
    "prediction",
    "batch",
    "evaluation",
    "ui",
    "service",
    "python",
    "commands",
    FACE,
)
TRAINING_STACK = {"torch", "dgl", "transformers", "training", "models"}
#: Too slow or too heavy for the top of a file of the serving side: `hsegap --help` would pay for them.
HEAVY = {
    "pymatgen",
    "robocrys",
    "matminer",
    "pandas",
    "gradio",
    "plotly",
    "ray",
    "pyarrow",
    "ase",
    "jarvis",
    "onnxruntime",
    "scipy",
    "matplotlib",
    "sklearn",
}


@pytest.fixture(scope="module")
def imports() -> dict[str, list[Import]]:
    return {
        short(module_name(path)): [
            entry._replace(module=short(entry.module))
            for entry in imports_of(
                ast.parse(path.read_text()), module_name(path), is_package=path.name == "__init__.py"
            )
        ]
        for path in room_files()
    }


def within(module: str, names: set[str] | tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def test_the_parser_of_this_file_sees_what_python_sees() -> None:
    source = (
        "import a.b\n"
        "from c import d\n"
        "from . import e\n"
        "from .f import g\n"
        "def h():\n"
        "    import torch\n"
        "if TYPE_CHECKING:\n"
        "    import dgl\n"
    )
    found = {entry._replace(line=0) for entry in imports_of(ast.parse(source), "room.file", is_package=False)}
    at_import = {Import(name, 0, at_import=True) for name in ("a.b", "c", "c.d", "room.e", "room.f", "room.f.g")}
    assert {*at_import, Import("torch", 0, at_import=False), Import("dgl", 0, at_import=False, for_types=True)} <= found


def test_rooms_import_in_one_direction(imports: dict[str, list[Import]]) -> None:
    wrong = []
    for module, found in imports.items():
        room = module.split(".")[0]
        if room in {FACE, "commands"}:
            continue  # the command line stands at the end and reaches everything; the lean start is tested below
        allowed = MAY_IMPORT[room]
        for entry in found:  # those for type checkers too: they would turn the direction round all the same
            target = entry.module.split(".")[0]
            if target not in (*PACKAGES, FACE) or target == room:
                continue
            if target == FACE and (entry.module == FACE or entry.module.split(".")[1] in COMMON):
                continue
            if not within(entry.module, allowed):
                wrong.append(f"{module}:{entry.line} imports {entry.module}")
    assert not wrong, "\n".join(wrong)


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]


def test_no_file_imports_itself_by_way_of_others(imports: dict[str, list[Import]]) -> None:
    # Inside a room as between rooms, inside functions and for type checkers too:
    # what can only be understood together is one file.
    assert not circles({module: {entry.module for entry in found} & set(imports) for module, found in imports.items()})


def test_the_picture_in_the_docs_is_this_one() -> None:
    text = (ROOT / "docs" / "development.md").read_text()
    rows = re.findall(r"^\| `(\w+)/` \|[^|]*\| ([^|]*) \|", text, re.MULTILINE)
    drawn = {room: set(re.findall(r"\w+", below)) - {"nothing"} for room, below in rows if room in MAY_IMPORT}
    assert drawn == MAY_IMPORT
    assert set(PACKAGES) == {*MAY_IMPORT, "commands"}


def test_the_serving_side_never_names_the_training_stack(imports: dict[str, list[Import]]) -> None:
    # Inside functions neither; only the command line may, for the commands that train or export.
    wrong = [
        f"{module}:{entry.line} imports {entry.module}"
        for module, found in imports.items()
        if within(module, SERVING)
        for entry in found
        if entry.module.split(".")[0] in TRAINING_STACK
        and not entry.for_types
        and (entry.at_import or module.split(".")[0] not in {FACE, "commands"})
    ]
    assert not wrong, "\n".join(wrong)


def test_the_serving_side_is_imported_whole_without_the_training_stack() -> None:
    # Not only our own files: none of the libraries they bring in may want torch either.
    # robocrys, which one file is built on, takes 15 s to import: the tests of descriptions see to it.
    modules = [
        name
        for name in map(module_name, room_files())
        if within(short(name), SERVING) and name != "hsegap.structures.condense"
    ]
    modules.remove("hsegap.__main__")
    code = (
        "import importlib, sys\n"
        f"BLOCKED = {sorted({*TRAINING_STACK, 'onnx', 'onnxscript'})}\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.removeprefix('hsegap.').split('.')[0] in BLOCKED:\n"
        "            raise ModuleNotFoundError(f'{name} is not installed here', name=name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "print(sorted(set(BLOCKED) & {name.removeprefix('hsegap.') for name in sys.modules}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"


def test_what_the_serving_side_imports_at_the_top_stays_light(imports: dict[str, list[Import]]) -> None:
    # A file that builds on a heavy library's classes has to import it at the top;
    # then no other file may import that one at the top.
    at_the_top = {entry.module for found in imports.values() for entry in found if entry.at_import}
    wrong = [
        f"{module}:{entry.line} imports {entry.module}"
        for module, found in imports.items()
        if within(module, SERVING) and module in {*at_the_top, *PACKAGES, FACE}
        for entry in found
        if entry.at_import and entry.module.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_itself_imports_the_rooms_inside_its_functions(imports: dict[str, list[Import]]) -> None:
    rooms = set(PACKAGES) - {"commands"}
    wrong = [
        f"{module}:{entry.line} imports {entry.module}"
        for module, found in imports.items()
        if within(module, (FACE,))
        for entry in found
        if entry.at_import and within(entry.module, rooms)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_effect_finder_finds() -> None:
    source = (
        "import os\n"
        "X = os.environ.get('A')\n"
        "Y = Path('x').read_text()\n"
        "class C:\n"
        "    z = open('f')\n"
        "def f(a=os.getenv('B')):\n"
        "    print(a)\n"
        "W = json.loads('1')\nif __name__ == '__main__':\n    print('fine')\n"
    )
    assert [line for line, _ in effects_at_import(ast.parse(source))] == [2, 3, 5, 6, 8]


def test_importing_a_file_does_nothing() -> None:
    front_doors = [path for path in [ROOT / "train_with_cross_modal_attention.py"] if path.exists()]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} {what}"
        for path in (*room_files(), *front_doors)
        for line, what in effects_at_import(ast.parse(path.read_text()))
    ]
    # In a checkout the package has to see that its rooms stand beside it.
    assert wrong == [
        line for line in wrong if line.startswith("hsegap/__init__.py:") and line.endswith(".is_dir(…)")
    ], "\n".join(wrong)


def test_nobody_imports_a_room_by_its_bare_name() -> None:
    """`import text` would make a second copy of every class, and works in a checkout only;
    programs inside strings and pages count.
    """
    rooms = "|".join(sorted((*PACKAGES, "cli")))
    bare = re.compile(
        r"(?:^|\\n|[\"'`;>(])[ \t]*"
        rf"(?:from (?:{rooms})(?:\.\w+)* import\b|import (?:\w+, )*(?:{rooms})(?:[\s.,;`\"']|\\n|$))",
        re.MULTILINE,
    )
    named = re.compile(rf"\bpython\S* (?:-\w+ )*-m (?:{rooms})\b")
    assert bare.search("    from text.cache import x")
    assert bare.search("'import sys, ui'")
    assert not bare.search("from hsegap.text import x")
    pages = [path for folder in ("docs", "examples", ".") for path in (ROOT / folder).glob("*.md")]
    wrong = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1} {match[0].strip()}"
        for path in (*python_files(), *pages, ROOT / "Makefile", *(ROOT / "examples" / "pipelines").iterdir())
        if path.is_file() and path != Path(__file__).resolve()
        for text in [path.read_text()]
        for match in (*bare.finditer(text), *named.finditer(text))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_longer_than_400_lines() -> None:
    assert len(python_files()) > len(room_files()) > 100, "all of them are looked at"
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in python_files()}
    assert not {name: lines for name, lines in lengths.items() if lines > 400}


def test_no_function_is_longer_than_60_lines() -> None:
    lengths = {
        f"{path.relative_to(ROOT)}: {node.name}": own_lines(node)
        for path in python_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: lines for name, lines in lengths.items() if lines > 60}


def test_every_exemption_from_a_check_names_its_rule() -> None:
    bare = re.compile(r"#\s*noqa(?!:\s*[A-Z]+[0-9]+)|#\s*type:\s*ignore(?!\[)")
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in python_files()
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert not wrong, wrong


def test_tests_import_no_tests() -> None:
    """What several share lies in tests/support, so that every file runs alone, beside any other and in any order."""
    tests = ROOT / "tests"
    own = {path.stem for path in tests.rglob("*.py") if "support" not in path.relative_to(tests).parts} | {"tests"}
    # Folders are importable too, as pytest has tests/ on its path; those of the same name as a room would be the room.
    own |= {path.name for path in tests.iterdir() if path.is_dir() and not path.name.startswith("__")} - {"support"}
    wrong = [
        f"{path.relative_to(ROOT)}:{entry.line} imports {entry.module}"
        for path in tests.rglob("*.py")
        for entry in imports_of(ast.parse(path.read_text()), path.stem, is_package=path.name == "__init__.py")
        if entry.module.split(".")[0] in own
    ]
    assert not wrong, "\n".join(wrong)
