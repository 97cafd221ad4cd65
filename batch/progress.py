"""What a run says on standard error while it goes on, and at its end."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from hsegap.batch.problems import harmless
from hsegap.batch.tally import BIN_EV

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsegap.batch.tally import Tally

#: Without a terminal: seconds before the first line, then twice as long each time up to the second number.
FIRST_LINE_S = 5.0
LONGEST_PAUSE_S = 60.0
#: Width of the widest bar of the histogram, characters.
BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Progress(Protocol):
    """Told how far a run is."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def advance(self, tally: Tally) -> None:
        """More rows are written; ``tally`` counts all so far."""

    def note(self, text: str) -> None:
        """Something was passed over."""


class Silent:
    """Says nothing (``--quiet``)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, tally: Tally) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


class _Counting:
    """How far, how fast, how long still."""

    def __init__(self, count: Callable[[], int | None], *, done: int) -> None:
        self.total: int | None = None
        self._before = done
        self._started = time.monotonic()
        self._count = count
        # Counting a large folder takes longer than its first batch.
        threading.Thread(target=self._find_total, name="hsegap-count", daemon=True).start()

    def _find_total(self) -> None:
        try:
            self.total = self._count()
        except OSError:
            self.total = None

    def rate(self, done: int) -> float:
        """Rows a second since this attempt began."""
        return (done - self._before) / max(1e-9, time.monotonic() - self._started)

    def left(self, done: int) -> str:
        """The time left, in words; empty where it cannot be told."""
        rate = self.rate(done)
        if self.total is None or rate <= 0 or done == self._before:
            return ""
        return f"about {duration(max(0, self.total - done) / rate)} left"


class Lines:
    """A line now and then, for logs.

    Args:
        count: Finds out how many inputs there are; None if that cannot be told.
        done: Rows written by earlier attempts.
        out: Standard error.
    """

    def __init__(self, count: Callable[[], int | None], *, done: int, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._counting = _Counting(count, done=done)
        self._pause = FIRST_LINE_S
        self._next = time.monotonic() + self._pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, tally: Tally) -> None:
        """Print a line, if it is time for one."""
        if time.monotonic() < self._next:
            return
        self._pause = min(LONGEST_PAUSE_S, 2 * self._pause)
        self._next = time.monotonic() + self._pause
        counting = self._counting
        of = f" of {counting.total:,}" if counting.total is not None else ""
        parts = [
            f"{tally.rows:,}{of} rows",
            f"{counting.rate(tally.rows):.1f}/s",
            f"{tally.failed:,} errors",
            counting.left(tally.rows),
        ]
        self._out.write(f"hsegap score: {', '.join(part for part in parts if part)}\n")
        self._out.flush()

    def note(self, text: str) -> None:
        """Print it."""
        self._out.write(f"hsegap score: {harmless(text)}\n")
        self._out.flush()


class Bar:
    """A bar with rate and time left, on a terminal.

    Args:
        count: As for :class:`Lines`.
        done: As for :class:`Lines`.
        out: Standard error.
    """

    def __init__(self, count: Callable[[], int | None], *, done: int, out: TextIO | None = None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._counting = _Counting(count, done=done)
        self._console = Console(file=out or sys.stderr, highlight=False)
        columns = (TextColumn("scoring"), BarColumn(), TextColumn("{task.fields[said]}"))
        self._bar = RichProgress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=None, said="starting")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, tally: Tally) -> None:
        """Draw the bar anew."""
        counting = self._counting
        of = f"/{counting.total:,}" if counting.total is not None else ""
        errors = f"{tally.failed:,} errors" if tally.failed else ""
        parts = [f"{tally.rows:,}{of}", f"{counting.rate(tally.rows):.1f}/s", errors, counting.left(tally.rows)]
        said = "  ".join(part for part in parts if part)
        self._bar.update(self._task, completed=tally.rows, total=counting.total, said=said)

    def note(self, text: str) -> None:
        """Print it above the bar."""
        self._console.print(harmless(text), markup=False, style="yellow")


def progress_on(out: TextIO, count: Callable[[], int | None], *, done: int, quiet: bool) -> Progress:
    """The progress that suits a stream."""
    if quiet:
        return Silent()
    return Bar(count, done=done, out=out) if out.isatty() else Lines(count, done=done, out=out)


def summary(tally: Tally, *, seconds: float, rate: float, resumed: bool, output: str, record: str | None) -> str:
    """The lines at the end of a run.

    Args:
        tally: Counts over all rows.
        seconds: Time over all attempts.
        rate: Rows a second of this attempt; 0 if it wrote none.
        resumed: Whether earlier attempts wrote some of the rows.
        output: Where the rows are.
        record: Where the run's record is; None if there is none.
    """
    time_taken = duration(seconds) + (" over all attempts" if resumed else "")
    rate_reached = f", {rate:.1f}/s" + (" in this one" if resumed else "") if rate else ""
    lines = [f"{tally.rows:,} rows in {time_taken}{rate_reached}: {tally.ok:,} ok, {tally.failed:,} errors"]
    if tally.ok:
        lines += [
            "",
            "gap, eV",
            *histogram(tally.gaps),
            "",
            "kinds     " + ", ".join(f"{name} {count:,}" for name, count in tally.kinds.most_common()),
        ]
    if tally.warnings:
        lines.append("warnings  " + ", ".join(f"{code} {count:,}" for code, count in tally.warnings.most_common()))
    if tally.errors:
        lines.append("errors    " + ", ".join(f"{code} {count:,}" for code, count in tally.errors.most_common()))
    lines.append(f"output    {output}" + (f"  (record of the run: {record})" if record else ""))
    return "\n".join(lines) + "\n"


def histogram(counts: list[int]) -> list[str]:
    """One line per bin, up to the last that holds something."""
    last = max((index for index, count in enumerate(counts) if count), default=0)
    most = max(counts)
    lines = []
    for index, count in enumerate(counts[: last + 1]):
        low = index * BIN_EV
        name = f"{low:4.1f} – {low + BIN_EV:4.1f}" if index < len(counts) - 1 else f"{low:4.1f} –     "
        eighths = round(8 * BAR * count / most) if count else 0
        # Something is shown wherever something is.
        full, rest = divmod(max(eighths, int(count > 0)), 8)
        lines.append(f"{name} {'█' * full}{_EIGHTHS[rest].strip()} {count:,}".rstrip())
    return lines


def duration(seconds: float) -> str:
    """A span of time in words."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 48 * 60 else f"{minutes / 1440:.1f} days"
