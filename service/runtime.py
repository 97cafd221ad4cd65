"""What one server process shares between its routes: settings, budgets, the core that answers, and its life cycle."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hsegap.memory import give_back
from hsegap.prediction.errors import Failure
from hsegap.service.budgets import Budgets
from hsegap.service.logs import quiet_logs
from hsegap.service.observe import start_metrics
from hsegap.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from hsegap.service.core import Core

logger = logging.getLogger("hsegap.service")


async def _nothing() -> None:
    """Where nobody wants to know."""


class Runtime:
    """What one server process shares between its routes; empty until the service starts."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.core: Core | None = None
        self.has_page = False
        self.draining = False
        #: Called when another artifact answers.
        self.when_swapped: Callable[[], Awaitable[Any]] = _nothing
        #: Set by a server that calls :meth:`drain` itself.
        self.owns_signals = False
        self._reloading = self._reload_wanted = False
        self._limits: set[asyncio.Timeout] = set()
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The operator's settings, read from the environment when first asked for."""
        if self._settings is None:
            self._settings = Settings.from_env()
        return self._settings

    @cached_property
    def budgets(self) -> Budgets:
        """Places for work, shared by the API and the page."""
        return Budgets.from_settings(self.settings)

    def start(self) -> Core:
        """Check the artifact and begin verifying it; the server answers meanwhile that it is not ready.

        Raises:
            hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
        """
        from hsegap.service.core import Core

        if self.core is None:
            self.core = Core.open(settings=self.settings)
            self.core.start_in_background()
            if not self.owns_signals:
                self._drain_on_signals()
            start_metrics(self.budgets, lambda: self.core.predictor if self.core is not None else None)
            quiet_logs()
        return self.core

    def _drain_on_signals(self) -> None:
        """Say "not ready" from the moment the server is asked to stop, then let the HTTP server do what it does."""
        with contextlib.suppress(RuntimeError):  # no running loop: somebody else than an HTTP server uses the service
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                previous = signal.getsignal(number)

                def handle(signum: int, frame: Any, previous: Any = previous) -> None:
                    loop.call_soon_threadsafe(self.drain)
                    if callable(previous):
                        previous(signum, frame)

                with contextlib.suppress(ValueError):  # not the main thread: somebody else handles signals
                    signal.signal(number, handle)

    def stop(self) -> None:
        """End the worker processes."""
        if self.core is not None:
            self.core.close()

    async def reload(self) -> None:
        """Load the configured artifact again, and let it answer once it has reproduced its golden values.

        Else the old one goes on. A wish that comes while one is being loaded is granted afterwards: the folder may have
        changed since it was read.
        """
        self._reload_wanted = True
        if self._reloading:
            return
        self._reloading = True
        try:
            while self._reload_wanted and self.core is not None and not self.draining:
                self._reload_wanted = False
                await self._swap(self.core)
        finally:
            self._reloading = False

    async def _swap(self, old: Core) -> None:
        """Put the configured artifact in the place of ``old``, if it is sound."""
        from hsegap.service.core import Core

        try:
            fresh = await asyncio.to_thread(Core.open, settings=self.settings)
            await asyncio.to_thread(fresh.start)
            if fresh.state != "ready":
                logger.error("the artifact was not swapped, the old one goes on: %s", fresh.problem)
                await asyncio.to_thread(fresh.close)
                return
            self.core = fresh
            await self.when_swapped()
            logger.warning("now %s %s answers", fresh.artifact.manifest.name, fresh.artifact.manifest.version)
            ends = time.monotonic() + self.settings.request_timeout_s
            while old.in_flight and time.monotonic() < ends:  # noqa: ASYNC110 - a count has no event
                await asyncio.sleep(0.05)
            await asyncio.to_thread(old.close)
            del old
            await asyncio.to_thread(give_back)
        except Exception as error:  # whatever is wrong with the new one, the old one goes on
            logger.error("the artifact was not swapped, the old one goes on: %s", error)  # noqa: TRY400 - the reason is in the message

    @contextlib.contextmanager
    def shortened_when_draining(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Let a request's time limit come forward when the server is asked to stop while it runs.

        Args:
            limit: The limit the request runs under, already entered.
        """
        self._limits.add(limit)
        try:
            yield
        finally:
            self._limits.discard(limit)

    def drain(self) -> None:
        """Take no new work; what is under way gets the drain time to finish."""
        self.draining = True
        if self.core is not None:
            self.core.drain()
        for limit in self._limits:
            end = asyncio.get_running_loop().time() + self.settings.drain_s
            limit.reschedule(min(end, limit.when() or end))

    def ready_core(self) -> Core:
        """The core that answers now; a request keeps the one it began with.

        Raises:
            RuntimeError: If the service has not been started.
        """
        if self.core is None:
            raise RuntimeError("the service has not been started")
        return self.core

    def not_ready(self) -> Failure | None:
        """The failure to answer with while nothing can be predicted; None when it can."""
        return self.core.not_ready() if self.core is not None else Failure.make("not_ready", "The service is starting.")
