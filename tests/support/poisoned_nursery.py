"""The process workers are forked from, with one change: some inputs do to a worker what a bug in compiled code would do.

Run as ``python -m support.poisoned_nursery FD`` in place of ``hsegap.batch.nursery_main``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from hsegap.batch import nursery_main

real_answer = nursery_main.answer


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
    nursery_main.answer = answer
    nursery_main.main()
