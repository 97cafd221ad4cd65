"""What a program does behind its user's back:
every name looked up, host asked and file written by it and its children, seen by strace.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

#: What tells the libraries to be quiet, here or in the Makefile: left out, so that the program has to see to it.
TELLING = (
    "ORT_DISABLE_TELEMETRY",
    "BENTOML_DO_NOT_TRACK",
    "GRADIO_ANALYTICS_ENABLED",
    "HF_HUB_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "RAY_USAGE_STATS_ENABLED",
)
CALLS = (
    "%network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,"
    "unlink,unlinkat,link,linkat,symlink,symlinkat,truncate"
)
CHANGING = frozenset(CALLS.split(",")[3:]) | {"rmdir", "chmod", "fchmodat", "utimensat", "mknod", "mknodat"}
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) = (-?\d+)", re.DOTALL)
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
#: Opened by whoever looks a name up.
RESOLVER = ("/etc/resolv.conf", "/etc/gai.conf")
HARMLESS = re.compile(r"/dev/(null|tty|shm/sem\..*|pts/.*)|/proc/.*|pipe:.*|socket:.*")


@lru_cache(maxsize=1)
def why_not() -> str | None:
    """Why nothing can be watched here; None where it can."""
    if shutil.which("strace") is None:
        return "needs strace (apt-get install strace)"
    tried = subprocess.run(["strace", "-f", "-o", os.devnull, sys.executable, "-c", ""], capture_output=True, text=True)
    return f"strace may not watch processes here: {tried.stderr[-200:]}" if tried.returncode else None


def bare_environment(home: Path) -> dict[str, str]:
    """An environment with a home and a temporary folder of its own,
    in which nobody has told any library to be quiet.

    Python writes no bytecode, which is not the program's doing, and reads the libraries' own: a folder of its own for
    it would have every library compiled anew.
    """
    for name in ("home", "tmp"):
        (home / name).mkdir(parents=True, exist_ok=True)
    dropped = ("HSEGAP_", "XDG_", "MPLCONFIGDIR")
    kept = {key: value for key, value in os.environ.items() if key not in TELLING and not key.startswith(dropped)}
    places = {"HOME": str(home / "home"), "TMPDIR": str(home / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | places


@dataclass(frozen=True)
class Seen:
    """What a trace tells.

    Attributes:
        asked: Addresses beyond this machine, and files that only a name look-up opens.
        written: Absolute paths that were made, written, renamed, linked or deleted.
    """

    asked: list[str]
    written: list[str]

    def outside(self, *own: Path) -> list[str]:
        """What was written outside the program's own folders."""
        roots = [str(folder) for folder in own]
        return sorted(
            {path for path in self.written if not any(path == root or path.startswith(f"{root}/") for root in roots)}
        )


def command(trace: Path, *words: object, calls: str = CALLS, own_pid: bool = False) -> list[str]:
    """A command line that runs another one watched.

    Args:
        trace: What strace is to write.
        words: The other command.
        calls: System calls that are told; the kernel lets all others pass at full speed.
        own_pid: The started process is the other command; else it is strace, and the other one its child.
    """
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    begin = ["strace", *(["-D"] if own_pid else []), "-f", "--seccomp-bpf", "-y", "-s", "300"]
    return [*begin, "-e", f"trace={calls}", "-o", str(trace), *map(str, words)]


def seen(trace: Path, cwd: Path) -> Seen:
    """Read a trace.

    Args:
        trace: What strace has written.
        cwd: Where the program was started.
    """
    asked, written = [], []
    for name, arguments, status in _calls(trace.read_text(errors="replace").splitlines()):
        if name in {"connect", "sendto", "sendmsg", "sendmmsg"}:
            addresses = [first or second for first, second in ADDRESS.findall(arguments)]
            asked += [
                f"{name} {address}" for address in addresses if not address.startswith("127.") and address != "::1"
            ]
            asked += [f"{name} {arguments}" for _ in range("sin_port=htons(53)" in arguments)]
        elif name in {"open", "openat", "creat"}:
            paths = _paths(arguments, cwd)
            asked += [path for path in paths if path in RESOLVER]
            if status >= 0 and (name == "creat" or re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments)):
                written += paths
        elif status >= 0 and name in CALLS.split(","):
            written += _paths(arguments, cwd)
    return Seen(asked, [path for path in written if not HARMLESS.fullmatch(path)])


class Touch(NamedTuple):
    """One call that named a path.

    Attributes:
        call: Its name.
        path: Absolute.
        changes: Whether it made, wrote, renamed or deleted something.
    """

    call: str
    path: str
    changes: bool


def touches(trace: Path, cwd: Path, *, after: int = 0) -> list[Touch]:
    """Every path that a program so much as looked for, whether it was there or not.

    Args:
        trace: What strace has written.
        cwd: Where the program was started.
        after: Size of the trace when it became of interest, bytes.
    """
    found = []
    for name, arguments, status in _calls(trace.read_bytes()[after:].decode(errors="replace").splitlines()):
        if name == "connect":
            continue
        writes = bool(re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments)) if "open" in name else name in CHANGING
        found += [Touch(name, path, writes and status >= 0) for path in _paths(arguments, cwd)]
    return found


def _calls(lines: list[str]) -> list[tuple[str, str, int]]:
    """Each call whole: a call that another one interrupted stands on two lines."""
    begun: dict[str, str] = {}
    found = []
    for line in lines:
        process, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[process] = text.removesuffix("<unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", text)
        if resumed:
            text = begun.pop(process, "") + resumed[1]
        match = CALL.match(text)
        if match:
            found.append((match[1], match[2], int(match[3])))
    return found


def _paths(arguments: str, cwd: Path) -> list[str]:
    """Paths among a call's arguments, made absolute: strace shows the folder behind a descriptor in angle brackets."""
    found = []
    for folder, path in re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', arguments):
        found.append(os.path.normpath(Path(folder or cwd) / path))
    return found
