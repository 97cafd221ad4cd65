"""Batches through worker processes on this machine.

A worker that dies, hangs or is killed costs at most the row that killed it.
"""

from __future__ import annotations

import logging
import selectors
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from hsegap.batch import wire
from hsegap.batch.batches import Scored
from hsegap.batch.fork_server import ForkServer, Link
from hsegap.batch.problems import ScoringError, harmless
from hsegap.batch.rows import atoms_of, row_of
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.artifact.artifact import Artifact
    from hsegap.batch.batches import Batch, Item

logger = logging.getLogger("hsegap.batch")

#: Longest a first batch may take beyond its inputs' own deadlines: imports, on a busy machine.
START_S = 300.0
#: Longest one input may take: the predictor's own deadline for reading it, and the network.
INPUT_S = 20.0
DESCRIBED_INPUT_S = 90.0
#: How often a batch is given to a fresh worker before its inputs are tried one by one.
TRIES = 2
#: Workers that may die in a row without one answer between them: beyond it something is wrong with the machine, not
#: with an input.
MOST_DEATHS = 8
#: Batches begun before the oldest unfinished one is done, per worker. Bounds what waits for its turn in the output.
AHEAD = 8
#: Inputs given to a worker at once. With whole batches one worker would finish its last batch while the others have
#: nothing left, and the output would wait for the slowest.
PART = 16


@dataclass(frozen=True)
class PoolOptions:
    """How batches are scored.

    Attributes:
        workers: Worker processes.
        describe: Generate a description where none is given.
        atoms: Per-atom maps too.
        texts: Whether texts are to be expected, so that the encoder is loaded before workers are made.
        neighbours: Whether rows name the nearest training crystals.
        deadline_s: Longest reading one structure may take.
        describe_deadline_s: Longest describing one structure may take.
        worker_memory_bytes: Address space of a reading process; None takes the default.
    """

    workers: int = 1
    describe: bool = False
    atoms: bool = False
    texts: bool = True
    neighbours: bool = True
    deadline_s: float = 10.0
    describe_deadline_s: float = 60.0
    worker_memory_bytes: int | None = None


@dataclass
class _Assembly:
    """A batch on its way: answers arrive in any order of its parts."""

    batch: Batch
    answers: list[dict[str, Any] | None]
    missing: int
    seconds: float = 0.0


@dataclass
class _Job:
    """Some inputs of one batch, given to one worker."""

    assembly: _Assembly
    places: list[int]
    tries: int = 0
    expires_at: float = 0.0


class Pool:
    """Workers that score batches. Use as a context manager.

    Args:
        artifact: A checked artifact.
        options: How.
    """

    def __init__(self, artifact: Artifact, options: PoolOptions) -> None:
        self.options = options
        self._forks = ForkServer(
            {
                "artifact": str(artifact.folder),
                "sha256": artifact.sha256,
                "texts": options.texts or options.describe or artifact.manifest.config.get("no_text") == "encode_empty",
                "options": {
                    "neighbours": options.neighbours,
                    "deadline_s": options.deadline_s,
                    "describe_deadline_s": options.describe_deadline_s,
                    "worker_memory_bytes": options.worker_memory_bytes,
                },
            }
        )
        self._idle: list[Link] = []
        self._busy: dict[Link, _Job] = {}
        self._deaths = 0

    def run(self, batches: Iterator[Batch]) -> Iterator[Scored]:
        """Score batches.

        Args:
            batches: In order; read a few ahead of the workers, never all at once.

        Yields:
            Each batch's rows as soon as they are complete, so not always in order.

        Raises:
            ScoringError: If no worker stays alive.
        """
        waiting: deque[_Job] = deque()
        unfinished: dict[int, _Assembly] = {}
        exhausted = False
        with selectors.DefaultSelector() as selector:
            while True:
                # The batch after the ones in work is read while they are in work.
                while not exhausted and len(waiting) < self.options.workers and self._may_begin(unfinished):
                    batch = next(batches, None)
                    if batch is None:
                        exhausted = True
                        break
                    assembly = _assembly(batch)
                    if not assembly.missing:
                        yield self._scored(assembly)
                        continue
                    unfinished[batch.number] = assembly
                    waiting.extend(_jobs(assembly))
                self._keep_busy(selector, waiting)
                if not self._busy:
                    if exhausted and not waiting:
                        return
                    continue
                changed = self._collect(selector, waiting)
                # Before the rows are written, which takes a while.
                self._keep_busy(selector, waiting)
                for assembly in changed:
                    # Two parts of a batch may have ended at the same moment.
                    if not assembly.missing and unfinished.pop(assembly.batch.number, None) is not None:
                        yield self._scored(assembly)

    def _keep_busy(self, selector: selectors.BaseSelector, waiting: deque[_Job]) -> None:
        while waiting and len(self._busy) < self.options.workers:
            self._give(waiting.popleft(), selector, waiting)

    def _may_begin(self, unfinished: dict[int, _Assembly]) -> bool:
        return not unfinished or max(unfinished) - min(unfinished) < AHEAD * self.options.workers

    def _give(self, job: _Job, selector: selectors.BaseSelector, waiting: deque[_Job]) -> None:
        """Send a job to a free worker, or to a new one."""
        link = self._idle.pop() if self._idle else self._forks.fork()
        message = {"items": [self._request(job.assembly.batch.items[place]) for place in job.places]}
        per_input = DESCRIBED_INPUT_S if self.options.describe else INPUT_S
        job.expires_at = time.monotonic() + START_S + per_input * len(job.places)
        self._busy[link] = job
        selector.register(link, selectors.EVENT_READ)
        try:
            wire.send(link.connection, message)
        except OSError:
            self._give_up(link, selector, waiting)

    def _request(self, item: Item) -> dict[str, Any]:
        return {
            "structure": item.structure,
            "format": item.format,
            "description": item.description,
            # Nothing is generated where a text describes the crystal; one that states facts alone does not.
            "describe": self.options.describe,
            "known": None if item.pbe_gap_ev is None else {"pbe_gap_ev": item.pbe_gap_ev},
            "atoms": self.options.atoms,
        }

    def _collect(self, selector: selectors.BaseSelector, waiting: deque[_Job]) -> list[_Assembly]:
        """Wait for answers and take them; workers that hang are ended."""
        changed = []
        now = time.monotonic()
        patience = max(0.0, min(job.expires_at for job in self._busy.values()) - now)
        ready = [key.fileobj for key, _ in selector.select(min(patience, 5.0))]
        for link in list(self._busy):
            job = self._busy[link]
            if link in ready:
                reply = wire.receive(link.connection)
                if reply is None:
                    changed += self._give_up(link, selector, waiting)
                    continue
                self._deaths = 0
                selector.unregister(link)
                del self._busy[link]
                self._idle.append(link)
                for place, answer in zip(job.places, reply["answers"], strict=True):
                    job.assembly.answers[place] = answer
                job.assembly.missing -= len(job.places)
                job.assembly.seconds += reply["seconds"]
                changed.append(job.assembly)
            elif time.monotonic() > job.expires_at:
                changed += self._give_up(link, selector, waiting)
        return changed

    def _give_up(self, link: Link, selector: selectors.BaseSelector, waiting: deque[_Job]) -> list[_Assembly]:
        """A worker is gone: its job goes to another, then in single inputs, and an input that was alone with it fails.

        Raises:
            ScoringError: If one worker after the other dies.
        """
        job = self._busy.pop(link)
        selector.unregister(link)
        how = self._forks.how_it_ended(link.pid)
        link.connection.close()
        job.tries += 1
        self._deaths += 1
        first = job.assembly.batch.items[job.places[0]].id
        logger.warning("a scoring worker ended (%s) on %d inputs from %s on", how, len(job.places), harmless(first))
        if self._deaths > MOST_DEATHS:
            message = f"{self._deaths} worker processes ended one after the other ({how}), the last one at {first}."
            raise ScoringError(
                "workers", message, "Check the memory of the machine, then run the same command with --resume."
            )
        if job.tries < TRIES:
            waiting.appendleft(job)
        elif len(job.places) > 1:
            waiting.extendleft(_Job(job.assembly, [place]) for place in reversed(job.places))
        else:
            message = f"The process scoring this structure ended unexpectedly ({how})."
            problem = Problem(
                "internal", message, "Try the structure alone with `hsegap predict`; report it if it happens again."
            )
            job.assembly.answers[job.places[0]] = problem.entry()
            job.assembly.missing -= 1
            self._deaths -= TRIES  # these are explained
            return [job.assembly]
        return []

    def _scored(self, assembly: _Assembly) -> Scored:
        batch = assembly.batch
        answers = [answer or {} for answer in assembly.answers]
        pairs = list(zip(batch.items, answers, strict=True))
        return Scored(
            number=batch.number,
            digest=batch.digest,
            rows=[row_of(item, answer, index=batch.start + place) for place, (item, answer) in enumerate(pairs)],
            atoms=[atoms_of(answer) for _, answer in pairs] if self.options.atoms else [],
            seconds=assembly.seconds,
        )

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [link.pid for link in (*self._idle, *self._busy)]

    def close(self) -> None:
        """End all workers; what they were working on is lost."""
        for link in (*self._idle, *self._busy):
            self._forks.how_it_ended(link.pid) if link in self._busy else None
            link.connection.close()
        self._idle.clear()
        self._busy.clear()
        self._forks.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _assembly(batch: Batch) -> _Assembly:
    """A batch before its first answer: inputs that are known to be broken have theirs already."""
    answers = [item.problem.entry() if item.problem is not None else None for item in batch.items]
    return _Assembly(batch, answers, missing=answers.count(None))


def _jobs(assembly: _Assembly) -> Iterator[_Job]:
    """A batch in parts, without the inputs that have their answers."""
    places = [place for place, answer in enumerate(assembly.answers) if answer is None]
    for first in range(0, len(places), PART):
        yield _Job(assembly, places[first : first + PART])
