"""Describing processes that are asked only for what no earlier run has described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import Failure
from hsegap.prediction.workers import WorkerPool
from hsegap.structures.describe_cache import DescriptionCache

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    import numpy as np

    from hsegap.prediction.messages import Job


class RememberingDescribers(WorkerPool):
    """The describing processes with a memory on disk, shared by server, command and batch.

    Args:
        cache: Its file; None takes :func:`hsegap.structures.describe_cache.default_cache`.
        options: Of :class:`~hsegap.prediction.workers.WorkerPool`.
    """

    def __init__(self, *, cache: Path | None = None, **options: Any) -> None:
        super().__init__("describe", **options)
        self.cache = DescriptionCache(cache)

    def run(
        self, job: Job, *, expires_at: float, abandoned: threading.Event | None = None, patient: bool = False
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]] | Failure:
        """Describe, or remember what was said about the same structure before."""
        key = self.cache.key(job.structure, job.format, job.max_atoms)
        known = self.cache.get(key)
        if known is not None:
            return known, {}
        answer = super().run(job, expires_at=expires_at, abandoned=abandoned, patient=patient)
        if not isinstance(answer, Failure):
            self.cache.put(key, answer[0])
        return answer
