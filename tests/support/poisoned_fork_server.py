"""The process workers are forked from, with one change:
some inputs do to a worker what a bug in compiled code would do.

Run as ``python -m support.poisoned_fork_server FD`` in place of ``hsegap.batch.fork_server_main``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from hsegap.batch import fork_server_main

real_answer = fork_server_main.answer


def answer(predictor: Any, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for item in items:
        word, _, rest = item["structure"].partition(" ")
        if word == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "HANG":
            time.sleep(3600)
        if word == "EXIT":
            sys.exit(7)
        if word == "ONCE" and not Path(rest).exists():  # as when the machine runs short of memory for a moment
            Path(rest).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return real_answer(predictor, items)


if __name__ == "__main__":
    fork_server_main.answer = answer
    fork_server_main.main()
