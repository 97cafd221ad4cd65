"""Where the rows of a run go: what every output can do, and the plainest of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TextIO

from hsegap.batch.problems import ScoringError
from hsegap.batch.rows import json_line
from hsegap.batch.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.batch.batches import Batch, Scored


class Output(Protocol):
    """Takes the rows of a run, whatever becomes of them."""

    @property
    def name(self) -> str:
        """What it is called in the summary."""

    @property
    def record(self) -> str | None:
        """Name of the run's record, left beside the rows; None if there is none."""

    @property
    def tally(self) -> Tally:
        """Counts over the rows written so far, those of earlier attempts included."""

    @property
    def seconds(self) -> float:
        """Time over all attempts."""

    @property
    def written(self) -> int:
        """Batches whose rows stand in the output."""

    def remaining(self, batches: Iterator[Batch], *, force: bool = False) -> Iterator[Batch]:
        """The batches that have no rows yet.

        Args:
            batches: All of them, from the first on.
            force: Go on although an input that has its row has changed since.
        """

    def commit(self, scored: Scored) -> None:
        """Write a batch's rows, or keep them until it is their turn.

        Raises:
            ScoringError: If they cannot be written.
        """

    def finish(self) -> None:
        """Every input has its row."""

    def close(self) -> None:
        """Let go of the output, whatever happened."""


class Stream:
    """Rows on standard output, in order. Nothing is kept, so nothing can be resumed.

    Args:
        out: Standard output.
    """

    name = "standard output"
    record = None

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._waiting: dict[int, Scored] = {}
        self._next = 0
        self._started = time.monotonic()
        self.tally = Tally()

    def commit(self, scored: Scored) -> None:
        """Print a batch's rows when it is their turn.

        Raises:
            ScoringError: ``output`` if nobody reads any more.
        """
        self._waiting[scored.number] = scored
        while (ready := self._waiting.pop(self._next, None)) is not None:
            try:
                self._out.write("".join(map(json_line, ready.rows)))
                self._out.flush()
            except BrokenPipeError:
                raise ScoringError(
                    "output", "Standard output was closed.", "Nothing is wrong if its reader had enough."
                ) from None
            self._next += 1
            self.tally.add(ready.rows)
            self.tally.seconds += ready.seconds

    @property
    def written(self) -> int:
        """Batches whose rows have been printed."""
        return self._next

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._started

    def remaining(self, batches: Iterator[Batch], *, force: bool = False) -> Iterator[Batch]:
        """All of them."""
        del force
        return batches

    def finish(self) -> None:
        """Every row has been printed."""

    def close(self) -> None:
        """Nothing to let go of."""
