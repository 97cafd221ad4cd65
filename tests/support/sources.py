"""What tests read off the source of Python files: what a file imports, does when it is imported,
and how long its functions are.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SKIPPED_FOLDERS = {"build", "dist", "node_modules", "artifacts", "runs"}
#: The rooms that are subpackages and hold code, as the package's build file lists them.
PACKAGES = tuple(
    name.removeprefix("hsegap.")
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    if name not in {"hsegap", "hsegap.artifacts", "hsegap.examples"}
)
#: The files of hsegap/ count as a room of their own.
FACE = "face"


class Import(NamedTuple):
    """One imported module name, where it stands, whether it runs when the file is imported,
    and whether it is for type checkers only.
    """

    module: str
    line: int
    at_import: bool
    for_types: bool = False


def python_files() -> list[Path]:
    """Every Python file of the repository, hidden folders and build outputs left out."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).parts
        if not any(
            part.startswith(".") or part in SKIPPED_FOLDERS or part.endswith(".egg-info") for part in parts[:-1]
        ):
            found.append(path)
    return found


def room_files() -> list[Path]:
    """The files of the package, those of hsegap/ included."""
    return [path for path in python_files() if path.relative_to(ROOT).parts[0] in (*PACKAGES, "hsegap")]


def short(module: str) -> str:
    """A module of ours without the package's name, one of hsegap/ as `face.…`; others as they are."""
    if module.split(".", maxsplit=1)[0] != "hsegap":
        return module
    rest = module.split(".")[1:]
    return ".".join(rest if rest and rest[0] in PACKAGES else [FACE, *rest])


def module_name(path: Path) -> str:
    """The name a file is imported by."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "hsegap" else ("hsegap", *parts))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports_of(tree: ast.Module, name: str, *, is_package: bool) -> list[Import]:
    """All imports of a file; `from a import b` counts as `a.b` too, since b may be a module."""
    found: list[Import] = []

    def visit(node: ast.AST, *, at_import: bool, for_types: bool = False) -> None:
        for child in ast.iter_child_nodes(node):
            if is_type_checking(child):
                visit(child, at_import=False, for_types=True)
                continue
            if isinstance(child, ast.Import):
                found.extend(Import(alias.name, child.lineno, at_import, for_types) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parents = name.split(".") if is_package else name.split(".")[:-1]
                    base = ".".join([*parents[: len(parents) - child.level + 1], *([base] if base else [])])
                found.append(Import(base, child.lineno, at_import, for_types))
                found.extend(
                    Import(f"{base}.{alias.name}", child.lineno, at_import, for_types) for alias in child.names
                )
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            visit(child, at_import=at_import and not inside, for_types=for_types)

    visit(tree, at_import=True)
    return found


#: Calls that read, write, fetch, run or print; a dotted name matches at its end.
EFFECTS = re.compile(
    r"(^|\.)(open|print|input|exec|eval|getenv|system|popen|urlopen|urlretrieve|read_text|read_bytes|write_text|write_bytes|mkdir|exists|is_file|is_dir|iterdir|glob|rglob"
    r"|unlink|touch|rmtree|copyfile|makedirs|listdir|run|Popen|check_output|check_call|putenv|basicConfig|from_pretrained|InferenceSession|set_num_threads|manual_seed"
    r"|memmap|loadtxt|read_csv|read_json|sleep|start|connect)$"
)
LOADERS = re.compile(
    r"^(json|np|numpy|pickle|torch|yaml|tomllib|gzip|onnx|safetensors)\.(load|loads|open|load_file|safe_load)$"
)


def effects_at_import(tree: ast.Module) -> list[tuple[int, str]]:
    """Calls and environment reads that run when the file is imported:
    top level, class bodies, decorators and default values.
    """
    found: list[tuple[int, str]] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ("__name__" in ast.unparse(node.test) or is_type_checking(node)):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (
                *node.decorator_list,
                *node.args.defaults,
                *(default for default in node.args.kw_defaults if default is not None),
            ):
                visit(part)
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if EFFECTS.search(called) or LOADERS.match(called):
                found.append((node.lineno, f"{called}(…)"))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
            found.append((node.lineno, "os.environ"))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring; the functions inside it count."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or 0) - first.lineno + 1
    return lines


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of files that import each other, directly or by way of others (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], order[other])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in graph[name]:
                found.append(sorted(group))

    for name in graph:
        if name not in order:
            visit(name)
    return found
