"""Killed at random moments, resumed each time: the file of a run that was left alone."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from support.commands import COMMAND, environment
from support.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome


def test_killed_three_times_and_resumed(
    tmp_path: Path, crystals: dict[str, str], score: Callable[..., Outcome]
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    texts = list(crystals.values())
    for number in range(240):
        (folder / f"c{number:03}.cif").write_text(texts[number % len(texts)] if number % 17 else "no crystal")
    names = "".join(f"{path}\n" for path in sorted(folder.iterdir())).encode()
    arguments = ["-", "--batch-size", "8", "--workers", "2", "--quiet"]
    assert score(*arguments, "-o", "whole.csv", stdin=names).status == 1
    out = tmp_path / "o.csv"
    dice = random.Random(7)
    sizes = []
    for _ in range(3):
        process = subprocess.Popen(
            [COMMAND, "score", *arguments, "-o", out, "--resume"],
            cwd=tmp_path,
            env=environment(XDG_CACHE_HOME=str(tmp_path / "cache")),
            stdin=subprocess.PIPE,
        )
        assert process.stdin
        process.stdin.write(names)
        process.stdin.flush()  # and not closed: a run that waits for more names doesn't end by itself
        before = out.stat().st_size if out.exists() else 0
        # Some way into the run, so that each attempt gets further, and then at any moment.
        assert until(lambda: out.exists() and out.stat().st_size > before + 300)  # noqa: B023 - waited for
        time.sleep(dice.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.stdin.close()
        assert process.wait() == -signal.SIGKILL, "it had not finished by itself"
        sizes.append(out.stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[0] > 0
    arguments.remove("--quiet")
    last = score(*arguments, "-o", out, "--resume", stdin=names)
    assert last.status == 1
    assert re.search(r"^240 rows in .+ over all attempts, [0-9.]+/s in this one: ", last.stderr, re.MULTILINE)
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not list(tmp_path.glob(".o.*"))


def test_no_process_outlives_a_killed_run(tmp_path: Path, cifs: Path) -> None:
    mark = f"outlive-{os.getpid()}-{time.monotonic_ns()}"
    process = subprocess.Popen(
        [COMMAND, "score", "-", "-o", "o.csv", "--batch-size", "4"],
        cwd=tmp_path, env=environment(MARK=mark), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write("".join(f"{path}\n" for path in cifs.iterdir()).encode() * 40)
    process.stdin.flush()

    def marked() -> list[int]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    state = tmp_path / ".o.csv.hsegap" / "state.json"
    assert until(lambda: state.exists() and b'"batches": 0' not in state.read_bytes())
    assert until(lambda: len(marked()) >= 4)
    process.kill()
    process.wait()
    assert until(lambda: not marked())
