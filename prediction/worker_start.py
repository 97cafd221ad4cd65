"""A worker process begun, with the imports of a few small files.

A command begins its reading process before it imports what it needs itself, so that both start side by side.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from typing import NamedTuple

from hsegap.children import ONE_THREAD, python_path
from hsegap.folders import cache_folder
from hsegap.quiet import QUIET

logger = logging.getLogger("hsegap.workers")

#: Address space of one worker, bytes. Far above what the largest allowed crystal needs.
MEMORY_BYTES = {"read": 4 * 2**30, "describe": 6 * 2**30}
#: Longest time reading one structure and building its graph may take, and describing one, seconds.
DEADLINE_S = {"read": 10.0, "describe": 60.0}


class Begun(NamedTuple):
    """A process that has begun to import what its jobs need.

    Attributes:
        role: ``read`` or ``describe``.
        process: It.
        words: File of what it says until it is ready; None where it says that to standard error.
        at: Moment it began (``time.monotonic``).
    """

    role: str
    process: subprocess.Popen[bytes]
    words: int | None
    at: float


def begin(role: str, *, deadline_s: float | None = None, memory_bytes: int | None = None) -> Begun:
    """Begin a worker process; it ends by itself when nobody holds its standard input any more.

    Args:
        role: ``read`` or ``describe``.
        deadline_s: Longest time one job may take; None takes the role's default.
        memory_bytes: Its address space; None takes the role's default.
    """
    deadline_s = DEADLINE_S[role] if deadline_s is None else deadline_s
    memory_bytes = MEMORY_BYTES[role] if memory_bytes is None else memory_bytes
    # A library that wants a folder for its settings and caches gets one of ours.
    environment = {**QUIET, "MPLCONFIGDIR": str(cache_folder() / "matplotlib"), **os.environ}
    environment.pop("HSEGAP_TOKEN", None)
    # The same wording on every run: robocrys's text depends on the hash seed.
    environment |= {**ONE_THREAD, "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", "PYTHONPATH": python_path()}
    loud = logger.isEnabledFor(logging.DEBUG)
    # -P: the working directory must not be able to put a module in front of ours.
    command = [
        sys.executable,
        "-P",
        "-m",
        "hsegap.prediction.worker_main",
        role,
        str(memory_bytes),
        str(deadline_s + 5),
        "loud" if loud else "quiet",
    ]
    # What it says until it is ready is kept, for one that never gets so far; then it says it to nobody.
    words = None if loud else os.memfd_create("hsegap-worker")
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        env=environment,
        start_new_session=True,
    )
    return Begun(role, process, words, time.monotonic())
