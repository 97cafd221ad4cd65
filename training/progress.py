"""Progress of long work on stderr: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

#: Seconds between two lines where stderr is not a terminal.
LINE_INTERVAL_S = 30.0


class Progress:
    """A progress bar that also works without a terminal. Use it as a context manager."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = label, total, 0
        self.note = ""

    def __enter__(self) -> Self:
        self._started = self._last = time.monotonic()
        self._bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, desc=self.label, file=sys.stderr, leave=False, dynamic_ncols=True)
        return self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more; ``note`` is shown beside the bar."""
        self.done += steps
        self.note = note
        if self._bar is not None:
            self._bar.update(steps)
            if note:
                self._bar.set_postfix_str(note)
        elif time.monotonic() - self._last > LINE_INTERVAL_S:
            self._last = time.monotonic()
            rate = self.done / (self._last - self._started)
            left = (self.total - self.done) / rate if rate else float("inf")
            sys.stderr.write(f"{self.label}: {self.done}/{self.total}, {rate:.1f}/s, {left:.0f} s left {note}\n")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
