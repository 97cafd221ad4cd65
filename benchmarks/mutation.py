"""Would the tests notice?

Small faults are put into functions of three rooms, one at a time, and the tests that run the line are run.

    python benchmarks/mutation.py --minutes 20 --seed 0 --out mutation.json
    python benchmarks/mutation.py --again mutation.json --out again.json tests/structures/test_small_parts.py

A fault that no test notices survives. Nothing on disk is changed: a forked process gives the function another code
object, runs the tests and is gone, so that a fault costs the time of its tests and not the imports. Only the unit tests
take part, and of the sources only what stands in functions; what runs in worker processes or at import can't be seen
this way.
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import os
import random
import select
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("structures", "prediction", "artifact")
TESTS = ("tests/structures", "tests/prediction", "tests/artifact")
COMPARE: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
#: A child that needs this many times the seconds that its tests need without a fault, and twenty on top, hangs:
#: noticed.
PATIENCE = 10.0


@dataclass(frozen=True)
class Fault:
    """One change of one function.

    Attributes:
        path: The file, below the repository's root.
        function: The outermost function that holds it, and the line where that begins, decorators not counted.
        line: Where the change is.
        number: Which of the function's possible changes.
        what: The change in words.
    """

    path: str
    function: str
    first_line: int
    line: int
    number: int
    what: str


def changes(node: ast.AST) -> Iterator[tuple[int, str, Callable[[], None]]]:
    """Every change that can be made to a function: its line, its name, and what makes it in place."""
    for child in ast.walk(node):
        line = getattr(child, "lineno", 0)
        if isinstance(child, ast.Compare) and type(child.ops[0]) in COMPARE:
            other = COMPARE[type(child.ops[0])]
            yield (
                line,
                f"{ast.unparse(child)}: {type(child.ops[0]).__name__} → {other.__name__}",
                _setter(child.ops, 0, other()),
            )
        elif (
            isinstance(child, ast.BinOp) and type(child.op) in ARITHMETIC and not isinstance(child.left, ast.JoinedStr)
        ):
            other = ARITHMETIC[type(child.op)]
            yield (
                line,
                f"{ast.unparse(child)[:80]}: {type(child.op).__name__} → {other.__name__}",
                _attribute(child, "op", other()),
            )
        elif isinstance(child, ast.BoolOp):
            other = ast.Or if isinstance(child.op, ast.And) else ast.And
            yield line, f"{ast.unparse(child)[:80]}: → {other.__name__}", _attribute(child, "op", other())
        elif isinstance(child, ast.UnaryOp) and isinstance(child.op, ast.Not):
            yield line, f"{ast.unparse(child)[:80]}: without not", _unnot(child)
        elif isinstance(child, ast.Constant) and type(child.value) in {int, float}:
            yield line, f"{child.value} → {child.value + 1}", _attribute(child, "value", child.value + 1)
        elif isinstance(child, ast.Constant) and isinstance(child.value, bool):
            yield line, f"{child.value} → {not child.value}", _attribute(child, "value", not child.value)
        elif isinstance(child, ast.If | ast.While | ast.IfExp) and not isinstance(
            child.test, ast.Compare | ast.UnaryOp
        ):
            negated = ast.UnaryOp(ast.Not(), child.test)
            yield child.test.lineno, f"if {ast.unparse(child.test)[:80]}: negated", _attribute(child, "test", negated)
        elif isinstance(child, ast.Return) and child.value is not None and not isinstance(child.value, ast.Constant):
            yield line, f"return {ast.unparse(child.value)[:80]} → None", _attribute(child, "value", ast.Constant(None))
        elif isinstance(child, ast.Continue | ast.Break):
            other = ast.Break if isinstance(child, ast.Continue) else ast.Continue
            yield line, f"{type(child).__name__} → {other.__name__}", _become(child, other)


def _setter(ops: list[Any], place: int, value: Any) -> Callable[[], None]:
    return lambda: ops.__setitem__(place, value)


def _attribute(node: ast.AST, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(node, name, value)


def _unnot(node: ast.UnaryOp) -> Callable[[], None]:
    return lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))


def _become(node: ast.AST, kind: type) -> Callable[[], None]:
    return lambda: setattr(node, "__class__", kind)


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods of a file, with their qualified names; those inside functions belong to them."""

    def visit(node: ast.AST, prefix: str) -> Iterator[tuple[str, Any]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name, child
            elif isinstance(child, ast.ClassDef):
                yield from visit(child, f"{prefix}{child.name}.")

    yield from visit(tree, "")


def bare(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Module:
    """A function's body as a module: no annotations, defaults or docstring among what can be changed."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return ast.Module(body, [])


def faults_of(path: Path) -> list[Fault]:
    tree, name, found = ast.parse(path.read_text()), path.relative_to(ROOT).as_posix(), []
    for qualified, node in functions(tree):
        for number, (line, what, _) in enumerate(changes(bare(node))):
            found.append(Fault(name, qualified, node.lineno, line, number, what))
    return found


def code_with(fault: Fault) -> CodeType:
    """The code object of the fault's function, changed."""
    tree = ast.parse((ROOT / fault.path).read_text())
    node = next(
        node for qualified, node in functions(tree) if (qualified, node.lineno) == (fault.function, fault.first_line)
    )
    list(changes(bare(node)))[fault.number][2]()
    ast.fix_missing_locations(tree)
    found: list[CodeType] = []

    def look(code: CodeType) -> None:
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                if constant.co_qualname == fault.function and constant.co_name == node.name:
                    found.append(constant)
                look(constant)

    look(compile(tree, str(ROOT / fault.path), "exec"))
    first = min(line for line in (node.lineno, *(part.lineno for part in node.decorator_list)))
    return next(code for code in found if code.co_firstlineno in {first, node.lineno})


def put_in(fault: Fault) -> bool:
    """Change the function wherever it is referred to.

    False where no function object of this process carries its code.
    """
    changed, done = code_with(fault), False
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType):
            code = thing.__code__
            if (code.co_qualname, code.co_firstlineno) == (
                changed.co_qualname,
                changed.co_firstlineno,
            ) and code.co_filename.endswith(f"/{fault.path}"):
                thing.__code__ = changed
                done = True
    return done


class Driver:
    """A pytest plugin that runs the collected tests once for each fault instead of once."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.results: list[dict[str, Any]] = []
        self.covered: dict[str, dict[int, list[int]]] = {}
        self.seconds: dict[int, float] = {}
        self.counts: dict[str, int] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of running each test once."""
        items = session.items
        self.learn(items)
        faults = [fault for room in ROOMS for path in sorted((ROOT / room).glob("*.py")) for fault in faults_of(path)]
        seen = [fault for fault in faults if self.covered.get(fault.path, {}).get(fault.line)]
        if self.given.again is not None:
            earlier = json.loads(self.given.again.read_text())["faults"]
            left = {(one["path"], one["function"], one["number"]) for one in earlier if one["outcome"] == "survived"}
            seen = [fault for fault in seen if (fault.path, fault.function, fault.number) in left]
        print(
            f"{len(items)} tests, {len(faults)} possible faults, {len(seen)} on lines that these tests run", flush=True
        )
        random.Random(self.given.seed).shuffle(seen)
        self.counts = {"possible": len(faults), "on_lines": len(seen)}
        self.hunt(items, seen)
        show(self.results)
        return True

    def learn(self, items: list[pytest.Item]) -> None:
        """Which lines each test runs, and how long it takes.

        Learned in a child so that this process stays as it was.
        """
        path = Path(f"{self.given.out}.lines")
        if not path.is_file():
            pid = os.fork()
            if pid == 0:
                self._trace(items, path)
                os._exit(0)
            os.waitpid(pid, 0)
        learned = json.loads(path.read_text())
        numbers = {item.nodeid: number for number, item in enumerate(items)}
        self.seconds = {numbers[name]: seconds for name, seconds in learned["seconds"].items() if name in numbers}
        for file, lines in learned["lines"].items():
            self.covered[file] = {
                int(line): [numbers[name] for name in names if name in numbers] for line, names in lines.items()
            }

    def _trace(self, items: list[pytest.Item], path: Path) -> None:
        from coverage import Coverage

        watch = Coverage(data_file=None, source=[str(ROOT / room) for room in ROOMS], config_file=False)
        seconds = {}
        watch.start()
        for item, following in zip(items, [*items[1:], None], strict=True):
            watch.switch_context(item.nodeid)
            begun = time.monotonic()
            # A test that fails without a fault can't notice one.
            if passes(item, following):
                seconds[item.nodeid] = time.monotonic() - begun
        watch.stop()
        data, lines = watch.get_data(), defaultdict(dict)
        for file in data.measured_files():
            for line, contexts in data.contexts_by_lineno(file).items():
                lines[Path(file).relative_to(ROOT).as_posix()][line] = [name for name in contexts if name in seconds]
        path.write_text(json.dumps({"seconds": seconds, "lines": lines}))

    def hunt(self, items: list[pytest.Item], faults: list[Fault]) -> None:
        """Try faults side by side until the time is up."""
        until = time.monotonic() + 60 * self.given.minutes
        waiting, running = iter(faults), dict[int, tuple[Fault, int, float]]()
        while True:
            while (
                len(running) < self.given.side_by_side
                and time.monotonic() < until
                and (fault := next(waiting, None)) is not None
            ):
                # The quick tests first: most faults are noticed by the first.
                chosen = sorted(self.covered[fault.path][fault.line], key=self.seconds.__getitem__)[: self.given.tests]
                limit = 20 + PATIENCE * sum(self.seconds[number] for number in chosen)
                pid = os.fork()
                if pid == 0:
                    os._exit(try_out(fault, [items[number] for number in chosen]))
                running[os.pidfd_open(pid)] = (fault, pid, time.monotonic() + limit)
            if not running:
                return
            ready, _, _ = select.select(list(running), [], [], 0.5)
            for descriptor in [
                *ready,
                *(one for one, (_, _, late) in running.items() if one not in ready and time.monotonic() > late),
            ]:
                fault, pid, _ = running.pop(descriptor)
                if descriptor not in ready:
                    os.kill(pid, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                os.close(descriptor)
                outcome = {0: "survived", 3: "not tried"}.get(status, "noticed")
                self.results.append(asdict(fault) | {"outcome": outcome, "status": status})
                self.given.out.write_text(json.dumps(self.counts | {"faults": self.results}, indent=1))
                if outcome == "survived":
                    print(f"survived  {fault.path}:{fault.line}  {fault.what}", flush=True)


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    from _pytest.runner import runtestprotocol

    return not any(report.failed for report in runtestprotocol(item, nextitem=following, log=False))


def try_out(fault: Fault, items: list[pytest.Item]) -> int:
    """In a child: 0 where every test passes with the fault, 1 where one notices, 3 where the fault can't be put in."""
    try:
        if not put_in(fault):
            return 3
        for item, following in zip(items, [*items[1:], None], strict=True):
            if not passes(item, following):
                return 1
    except BaseException:  # whatever the fault does to pytest itself has been noticed
        return 1
    return 0


def show(results: list[dict[str, Any]]) -> None:
    """The score by room."""
    by_room: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        by_room[result["path"].split("/")[0]][result["outcome"]] += 1
    total: Counter[str] = sum(by_room.values(), Counter())
    for room, counted in [*by_room.items(), ("all", total)]:
        tried = counted["noticed"] + counted["survived"]
        print(f"{room:12} {counted['noticed']} of {tried} noticed ({counted['noticed'] / max(tried, 1):.0%})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "given_tests",
        nargs="*",
        default=TESTS,
        metavar="TESTS",
        help="files or folders, in place of the three rooms' tests",
    )
    parser.add_argument("--again", type=Path, help="the results of an earlier run: only what survived there")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="time for trying faults, after the tests have been run once"
    )
    parser.add_argument("--seed", type=int, default=0, help="which faults, and in what order")
    parser.add_argument("--side-by-side", type=int, default=2, help="faults tried at once")
    parser.add_argument("--tests", type=int, default=40, help="tests of a line that are run at most, the quickest ones")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("mutation.json"),
        help="the results; OUT.lines keeps which test runs which line",
    )
    given = parser.parse_args()
    sys.path[0] = str(ROOT)
    os.chdir(ROOT)
    arguments = [
        *given.given_tests,
        "-m",
        "unit and not slow",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "-q",
        "-s",
        "--timeout",
        "0",
    ]
    return int(pytest.main(arguments, plugins=[Driver(given)]))


if __name__ == "__main__":
    raise SystemExit(main())
