"""Processes: what they have started, what memory they hold,
and an end for those that a killed test run would leave behind.

A test run that is killed runs no fixture's end: its servers, workers and browsers would stay, and a server that nobody
ends keeps a core busy. So every run marks its environment, which its descendants inherit, and a watcher outside the run
ends whoever carries the mark when the run is over, however that came about.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: How long tests wait for what an idle machine does in a second or two, s.
PATIENCE_S = 120.0
#: In front of a command that is watched, to be killed at a certain moment: on a busy machine whoever watches it comes
#: first, and the moment is not over before it is seen.
WATCHED = ("nice", "-n", "10")
#: Environment variable that marks the descendants of a test run.
MARK = "TESTS_OF_HSEGAP_RUN"


def children_of(pid: int) -> set[int]:
    """Process ids of a process's children; none if it is gone. Any of them may have ended meanwhile."""
    children: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread may end while we look
                children.update(map(int, (task / "children").read_text().split()))
    return children


def descendants(pid: int) -> set[int]:
    """Process ids of all children, their children and so on; none if the process is gone."""
    children = children_of(pid)
    return children.union(*map(descendants, children)) if children else set()


def words_of(pid: int) -> list[bytes]:
    """A process's command line; none if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def unread(pid: int) -> int:
    """How many bytes wait in the pipe that is a process's standard input: a job that it was given and has not taken."""
    count = bytearray(4)
    with contextlib.suppress(OSError), open(f"/proc/{pid}/fd/0", "rb", buffering=0) as pipe:  # noqa: PTH123 - no path
        fcntl.ioctl(pipe, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


def until(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> bool:
    """Wait for a condition; whether it came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _state(pid: int) -> str:
    """A process's state, as /proc names it; nothing if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return ""


def running(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody has waited for yet has."""
    return _state(pid) not in {"", "Z", "X"}


def stop(pid: int) -> bool:
    """Make a process hang, as on a file whose reading never ends: it lives, is given jobs and answers nothing.
    Whether it was there. It has stopped when this returns: until then it may still take a job.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        return until(lambda: not running(pid) or _state(pid) == "T") and running(pid)
    return False


def memory_kb(pid: int) -> dict[str, int]:
    """What a process holds, by the names of smaps_rollup, kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def marked(mark: str) -> set[int]:
    """Processes whose environment carries the mark."""
    entry, found = f"{MARK}={mark}".encode(), set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if entry in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
    return found


def end_marked(mark: str, *, grace_s: float = 5.0) -> None:
    """End every process that carries the mark: asked first, killed after a grace."""
    for number, until in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 2.0)):
        for pid in marked(mark):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        deadline = time.monotonic() + until
        while marked(mark) and time.monotonic() < deadline:
            time.sleep(0.1)


def watch_this_run() -> int:
    """Mark this process's descendants to come, and start the watcher that ends them after it;
    a descriptor whose closing is the run's end.
    """
    mark = uuid.uuid4().hex
    reading, writing = os.pipe()  # not inherited by what tests start, so it closes with this process
    # The watcher leads a session of its own, out of reach of a Ctrl-C or a kill of the group,
    # and does not carry the mark.
    clean = {key: value for key, value in os.environ.items() if key != MARK}
    program = [sys.executable, "-S", str(Path(__file__).resolve()), str(reading), mark]
    subprocess.Popen(
        program, env=clean, pass_fds=(reading,), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(reading)
    os.environ[MARK] = mark
    return writing


if __name__ == "__main__":
    os.read(int(sys.argv[1]), 1)  # nobody writes: this returns when the run is over
    end_marked(sys.argv[2])
