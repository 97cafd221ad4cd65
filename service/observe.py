"""What a request leaves behind: an identifier, one structured line, and numbers for Prometheus.

Never what was submitted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import Failure
from hsegap.prediction.schemas import Prediction
from hsegap.service.metrics import label_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping, Sequence

    from hsegap.prediction.predictor import Predictor
    from hsegap.service.budgets import Budgets

    Scope = MutableMapping[str, Any]

logger = logging.getLogger("hsegap.requests")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
STAGES = ("read", "graph", "describe", "text", "network", "total")
#: Seconds; from a small crystal's network run to a first description.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: How often gauges are written where several processes share their metrics, seconds.
REFRESHED_S = 0.5
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass
class Record:
    """One request.

    Attributes:
        id: The client's X-Request-ID, or one of ours.
        route: Template, one of a fixed number.
        method: Its method.
        key: Name of the access key it came with.
        status: Of its answer; 0 if there was none.
        outcome: ``ok``, ``gone``, or the code of its failure.
        items: Crystals answered.
        failed: Of these, how many with a failure.
        atoms: Atoms of all of them.
        stages_ms: Milliseconds per stage, summed.
    """

    id: str
    route: str
    method: str
    key: str = ""
    status: int = 0
    outcome: str = "ok"
    items: int = 0
    failed: int = 0
    atoms: int = 0
    stages_ms: dict[str, float] = field(default_factory=dict)


_CURRENT: ContextVar[Record | None] = ContextVar("hsegap_request", default=None)


@contextlib.contextmanager
def observed(scope: Scope, path: str, *, enabled: bool) -> Iterator[Record]:
    """Follow one request and write its line when it ends.

    Args:
        scope: The request.
        path: Its path without a proxy's prefix.
        enabled: Whether the line is written.
    """
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
    record = Record(given if _ID.fullmatch(given) else uuid.uuid4().hex, label_of(path), method)
    token = _CURRENT.set(record)
    started = time.perf_counter()
    try:
        yield record
    finally:
        _CURRENT.reset(token)
        if enabled:
            logger.info("%s", _line(record, 1e3 * (time.perf_counter() - started)))


def trace_answer(record: Record) -> None:
    """Put counts and times on BentoML's OpenTelemetry span of the request, where the operator has traces collected.

    To be called before the answer's last byte goes out: the span ends with it.
    """
    from opentelemetry import trace

    span = trace.get_current_span()
    if not span.is_recording():
        return
    span.set_attribute("hsegap.request_id", record.id)
    span.set_attribute("hsegap.outcome", record.outcome)
    if record.items:
        for name in ("items", "failed", "atoms"):
            span.set_attribute(f"hsegap.{name}", getattr(record, name))
        for stage, value in record.stages_ms.items():
            span.set_attribute(f"hsegap.stage_ms.{stage}", value)


def _line(record: Record, took_ms: float) -> str:
    outcome = record.outcome
    if outcome == "ok" and record.status >= 400:
        outcome = f"status {record.status}"
    fields: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "request_id": record.id,
        "method": record.method,
        "route": record.route,
        "status": record.status,
        "outcome": outcome,
        "ms": round(took_ms, 2),
    }
    if record.key:
        fields["key"] = record.key
    if record.items:
        fields |= {"items": record.items, "failed": record.failed, "atoms": record.atoms}
        fields["stages_ms"] = {name: round(value, 2) for name, value in record.stages_ms.items() if value}
    return json.dumps(fields)


def note(answers: Sequence[Any]) -> None:
    """Note what answers tell about the work: counts and times, no content."""
    record, metrics = _CURRENT.get(), _Metrics.made
    for result in answers:
        failure = result if isinstance(result, Failure) else None
        if record is not None:
            record.items += 1
            if failure is not None:
                record.failed += 1
                record.outcome = failure.error.code if len(answers) == 1 else "some failed"
        if isinstance(result, Prediction):
            if record is not None:
                record.atoms += result.n_atoms
            for name, value in result.timings_ms.model_dump().items():
                if record is not None:
                    record.stages_ms[name] = record.stages_ms.get(name, 0.0) + value
                if metrics is not None and value and name in STAGES:
                    metrics.stages.labels(name).observe(value / 1e3)
    if metrics is not None and len(answers) > 1:
        metrics.items.observe(len(answers))


class _Metrics:
    """Our own series beside BentoML's, in the registry that /metrics shows; a fixed number of them."""

    made: _Metrics | None = None

    def __init__(self, budgets: Budgets, answering: Callable[[], Predictor | None]) -> None:
        from prometheus_client import Gauge, Histogram

        self.stages = Histogram(
            "hsegap_stage_seconds", "Time of one stage of one prediction.", ["stage"], buckets=BUCKETS
        )
        for stage in STAGES:
            self.stages.labels(stage)
        self.items = Histogram("hsegap_batch_items", "Crystals of one batch.", buckets=ITEMS)
        sums: dict[str, Any] = {"multiprocess_mode": "livesum"}
        running = Gauge("hsegap_running", "Requests worked on now.", ["kind"], **sums)
        waiting = Gauge("hsegap_queue_length", "Questions of the page that wait for their turn.", ["kind"], **sums)
        self._read: list[tuple[Any, Callable[[], int]]] = []
        for kind in budgets.limits:
            self._show(running.labels(kind), partial(budgets.running.__getitem__, kind))
            self._show(waiting.labels(kind), partial(budgets.waiting.__getitem__, kind))
        workers = Gauge("hsegap_workers", "Worker processes by role and what they do.", ["role", "state"], **sums)
        replaced = Gauge(
            "hsegap_workers_replaced", "Worker processes that had to be replaced since the start.", ["role"], **sums
        )
        for role in ("read", "describe"):
            self._show(workers.labels(role, "busy"), partial(_pool, answering, role, "busy"))
            self._show(workers.labels(role, "alive"), partial(_pool, answering, role, "alive"))
            self._show(replaced.labels(role), partial(_pool, answering, role, "replaced"))
        if self._read:
            threading.Thread(target=self._write, name="hsegap-metrics", daemon=True).start()

    def _show(self, gauge: Any, read: Callable[[], int]) -> None:
        """Read a number when it is asked for; where several processes share their metrics a file has to hold it."""
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            self._read.append((gauge, read))
        else:
            gauge.set_function(read)

    def _write(self) -> None:
        while True:
            for gauge, read in self._read:
                gauge.set(read())
            time.sleep(REFRESHED_S)


def _pool(answering: Callable[[], Predictor | None], role: str, what: str) -> int:
    predictor = answering()
    if predictor is None:
        return 0
    pool = predictor.readers if role == "read" else predictor.describers
    return {"busy": pool.busy, "alive": len(pool.pids()), "replaced": pool.replaced}[what]


def start_metrics(budgets: Budgets, answering: Callable[[], Predictor | None]) -> None:
    """Register the series; once per process.

    Args:
        budgets: Whose places are counted.
        answering: Gives the predictor that answers at that moment.
    """
    if _Metrics.made is None:
        _Metrics.made = _Metrics(budgets, answering)
