"""Requests that arrive together share one run of the network.

While one run is under way, whatever becomes ready queues up and forms the next run: nobody waits for a timer, and a lone request is never
delayed.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class MicroBatcher:
    """Collects items into batches for a blocking function that answers each in order.

    Args:
        work: Takes a list, returns a list of the same length in the same order.
        max_batch: Most items per call.
    """

    def __init__(self, work: Callable[[Sequence[Any]], Sequence[Any]], *, max_batch: int) -> None:
        self._work = work
        self._max_batch = max_batch
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._runner: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hsegap-network")

    async def submit(self, item: Any) -> Any:
        """Answer one item, together with whatever else is waiting."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            # A caller that has gone away (a closed connection, a timeout) has cancelled its future.
            live = [pair for pair in self._waiting if not pair[1].done()]
            batch, self._waiting = live[: self._max_batch], live[self._max_batch :]
            if not batch:
                return
            try:
                results = await loop.run_in_executor(self._thread, self._work, [item for item, _ in batch])
                if len(results) != len(batch):
                    raise RuntimeError(f"{len(results)} results for {len(batch)} items")  # noqa: TRY301 - told to the callers below
            except Exception as error:  # told to every caller of this batch, and the next batch goes on
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), result in zip(batch, results, strict=True):
                if not answer.done():
                    answer.set_result(result)

    def close(self) -> None:
        """Let the run under way finish and take no further one."""
        self._thread.shutdown(wait=False, cancel_futures=True)
