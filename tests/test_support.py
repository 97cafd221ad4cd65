"""The tests' own tools: nobody is left behind by a killed run, what is costly is made once,
and a missing library fails.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.kinds import kind_of
from support.needs import installed, needed
from support.processes import running, until

TESTS = Path(__file__).resolve().parent
#: A run that starts a process in a session of its own, where no signal to the run's group reaches it, and is killed.
KILLED = (
    "import os, signal, subprocess, sys\nfrom support.processes import watch_this_run\nwatch_this_run()\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'], start_new_session=True)\n"
    "print(child.pid, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
)
ONCE = (
    "import sys, time\nfrom pathlib import Path\nfrom support.once import made_once\n"
    "class Factory:\n    def getbasetemp(self):\n        return Path(sys.argv[1])\n"
    "def make(folder):\n    folder.mkdir()\n    time.sleep(0.5)\n    (folder / sys.argv[2]).touch()\n"
    "print(sorted(path.name for path in made_once(Factory(), 'thing', make).iterdir()))\n"
)


def test_a_killed_run_leaves_no_process_behind() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED], env=os.environ | {"PYTHONPATH": str(TESTS)}, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL
    child = int(done.stdout)
    assert until(lambda: not running(child))


def test_two_processes_make_a_thing_once(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_XDIST_WORKER"} | {
        "PYTHONPATH": str(TESTS)
    }
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ONCE, tmp_path, name], env=environment, stdout=subprocess.PIPE, text=True
        )
        for name in ("first", "second")
    ]
    one, other = (process.communicate(timeout=120)[0] for process in both)
    assert one == other
    assert one in {"['first']\n", "['second']\n"}


@pytest.mark.process
def test_the_tests_of_a_file_stay_in_one_process(tmp_path: Path) -> None:
    """As `make test` shares them out. A mark of pytest-xdist's had no effect under a newer pytest:
    all that files share was made twice.
    """
    makefile = (TESTS.parent / "Makefile").read_text()
    spread = next(line for line in makefile.splitlines() if line.startswith("SPREAD")).split(":= ")[1]
    code = (
        "import os, pathlib, pytest\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(n):\n    (pathlib.Path(__file__).with_suffix('.' + os.environ['PYTEST_XDIST_WORKER'])).touch()\n"
    )
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(code)
    command = [sys.executable, "-m", "pytest", *spread.replace("$(JOBS)", "2").split(), "-c", os.devnull, tmp_path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "24 passed" in done.stdout, done.stdout + done.stderr
    places = [path.suffix for path in tmp_path.glob("test_?.gw?")]
    assert sorted(set(places)) == [".gw0", ".gw1"]
    assert len(places) == 4


@pytest.mark.parametrize(
    ("path", "fixtures", "kind"),
    [
        ("structures/test_read_formats.py", set(), "unit"),
        ("service/test_service_launch.py", set(), "process"),
        ("prediction/test_predictor.py", {"artifact", "predictor"}, "process"),
        ("ui/test_ui_words.py", set(), "unit"),
        ("ui/test_ui_browser.py", {"visit", "server"}, "browser"),
        ("batch/test_score_ray.py", {"score"}, "cluster"),
        ("batch/test_score_resume.py", set(), "process"),
    ],
)
def test_kinds(path: str, fixtures: set[str], kind: str) -> None:
    assert (TESTS / path).is_file()
    assert kind_of(path, fixtures) == kind


def test_a_missing_library_fails_unless_it_is_known_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImportError):
        needed("no_such_library")
    monkeypatch.setenv("TESTS_WITHOUT", "another,no_such_library")
    with pytest.raises(pytest.skip.Exception):
        needed("no_such_library.part")
    with pytest.raises(pytest.skip.Exception):
        installed("no_such_library")
    monkeypatch.delenv("TESTS_WITHOUT")
    with pytest.raises(ImportError):
        installed("no_such_library")
