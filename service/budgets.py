"""How much is worked on at once.

One budget each for single predictions, batches, descriptions and explanations, shared by API and page.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal

from hsegap.prediction.errors import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from hsegap.service.settings import Settings

Kind = Literal["single", "batch", "describe", "explain"]
_WHAT = {
    "single": "predictions",
    "batch": "batches",
    "describe": "descriptions",
    "explain": "explanations",
}


class OverloadedError(Exception):
    """Nothing is free; carries the named failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error.message)
        self.failure = failure


class Budgets:
    """Places for work. Used from the event loop alone.

    A client of the API that finds no place is told to come back; the page waits a while in turn, since a person waits
    there.
    """

    def __init__(self, limits: Mapping[Kind, int]) -> None:
        self.limits = dict(limits)
        self.running: dict[Kind, int] = dict.fromkeys(self.limits, 0)
        self.waiting: dict[Kind, int] = dict.fromkeys(self.limits, 0)
        self._turns = {kind: asyncio.Semaphore(limit) for kind, limit in self.limits.items()}

    @classmethod
    def from_settings(cls, settings: Settings) -> Budgets:
        """The operator's limits."""
        return cls(
            {
                "single": settings.max_concurrency,
                "batch": settings.max_batches,
                "describe": settings.max_describes,
                "explain": settings.max_explains,
            }
        )

    @contextlib.asynccontextmanager
    async def place(self, kind: Kind, *, wait_s: float = 0.0) -> AsyncIterator[None]:
        """A place for one piece of work.

        Args:
            kind: What it is.
            wait_s: How long to wait for one.

        Raises:
            OverloadedError: If there is none in time.
        """
        turn = self._turns[kind]
        if turn.locked():
            if wait_s <= 0.0 or self.waiting[kind] >= 4 * self.limits[kind]:
                raise OverloadedError(self._full(kind))
            self.waiting[kind] += 1
            try:
                await asyncio.wait_for(turn.acquire(), wait_s)
            except TimeoutError:
                raise OverloadedError(self._full(kind)) from None
            finally:
                self.waiting[kind] -= 1
        else:
            await turn.acquire()
        self.running[kind] += 1
        try:
            yield
        finally:
            self.running[kind] -= 1
            turn.release()

    def _full(self, kind: Kind) -> Failure:
        return Failure.make(
            "overloaded", f"The server is working on {self.running[kind]} {_WHAT[kind]} and takes no more at once."
        )

    @property
    def busy(self) -> int:
        """Pieces of work under way."""
        return sum(self.running.values())


def kind_of_prediction(*, explain: bool, describe: bool, description: str | None) -> Kind:
    """The budget of one prediction.

    Args:
        explain: Whether the effect of each sentence is asked for: up to forty runs of encoder and network.
        describe: Whether a description is to be generated where none is given.
        description: The one given.
    """
    generated = describe and not description
    if explain and (generated or description):
        return "explain"
    return "describe" if generated else "single"
