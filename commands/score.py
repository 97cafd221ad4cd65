"""`hsegap score`: any number of inputs, one row each."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING

from hsegap.commands import output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from hsegap.scoring.score import ScoreOptions


class _Stopped(BaseException):
    """Somebody asked the run to stop."""


def run(options: ScoreOptions) -> int:
    """Score, and say why not where that fails.

    Args:
        options: The run.

    Returns:
        Exit status: 0 if every row is ok, 2 if some are errors, 1 if the run could not start or go on, 128 and the signal's number if it
        was interrupted.
    """
    from hsegap.export.artifact import ArtifactError
    from hsegap.scoring.problems import ScoringError, harmless
    from hsegap.scoring.score import COULD_NOT_RUN, SOME_FAILED, FailedFastError, score

    logging.basicConfig(level=logging.ERROR if options.quiet else logging.WARNING, format="hsegap score: %(message)s", stream=sys.stderr)
    # Each reading process that had to be ended has its own row to say so.
    logging.getLogger("hsegap.workers").setLevel(logging.CRITICAL)
    with output.answers_only() as out, _stoppable() as caught:
        try:
            return score(options, stdout=out, stderr=sys.stderr)
        except (ScoringError, ArtifactError) as error:
            output.note(harmless(f"hsegap score: {error.message} {error.hint}".rstrip()))
            return SOME_FAILED if isinstance(error, FailedFastError) else COULD_NOT_RUN
        except Exception:
            logging.getLogger("hsegap.cli").exception("the run ended unexpectedly")
            output.note("hsegap score: rows written so far are kept; report the lines above, and go on with --resume.")
            return COULD_NOT_RUN
        except (_Stopped, KeyboardInterrupt):
            if options.out != "-":
                output.note("hsegap score: stopped; the same command with --resume goes on where it was.")
            return 128 + (caught[0] if caught else signal.SIGINT)


@contextlib.contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Let SIGTERM and SIGINT end a run the way an error does, workers included; yields the list that the signal will stand in."""
    caught: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        caught.append(number)
        signal.signal(number, signal.SIG_IGN)  # once is enough: what follows is cleaning up
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
