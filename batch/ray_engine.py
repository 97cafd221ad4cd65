"""The same batches on a Ray cluster, through Ray Data: the same workers, the same rows.

The driver reads inputs and writes rows, as with the local engine; between the two stands a Ray Dataset. Its source is
one reading task that asks a small actor (the feeder) for batch after batch; a pool of actors scores them, each with a
worker process of its own. Ray Data brings back-pressure, does the batches of a lost node again and restarts its actors
elsewhere. The feeder keeps a batch until its rows have come back, so that doing it again is always possible, and never
holds more than a few batches per actor.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import re
import shutil
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hsegap import __version__
from hsegap.batch.batches import Batch, Item, Scored
from hsegap.batch.problems import ScoringError, need, reason_of
from hsegap.errors import Problem
from hsegap.quiet import stay_quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.artifact.artifact import Artifact
    from hsegap.batch.pool import Pool, PoolOptions

#: Batches given out before their rows are back, per actor. Ray keeps two in work and the next ones near.
AHEAD = 4
#: Share of a core that an actor reserves. Just below one: with whole cores, two actors on a two-core machine leave no
#: room for Ray Data's other tasks, and it waits for ever without a word.
CORE_SHARE = 0.9
#: Objects of a store that one actor fetches at the same time.
FETCHES = 16
#: Longest a cluster may take to accept a connection, s.
CONNECT_S = 10.0


class Feeder:
    """Holds batches by number between the driver and the reading task, and the artifact for the scoring actors.

    An actor; every method is a coroutine, so that a wait blocks no other call.

    Args:
        files: Content of each of the artifact's files.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        import asyncio

        self._files = files
        self._batches: dict[int, bytes] = {}
        self._given = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def files(self) -> dict[str, bytes]:
        """The artifact: an actor that is started again elsewhere needs it again."""
        return self._files

    async def push(self, payload: bytes | None) -> None:
        """Take the next batch; None after the last one."""
        async with self._changed:
            if payload is None:
                self._ended = True
            else:
                self._batches[self._given] = payload
                self._given += 1
            self._changed.notify_all()

    async def get(self, number: int) -> bytes | None:
        """Wait for a batch; None beyond the last one, nothing for one whose rows are back."""
        async with self._changed:
            await self._changed.wait_for(lambda: number < self._given or self._ended)
        return self._batches.get(number, b"") if number < self._given else None

    async def done(self, number: int) -> None:
        """A batch's rows are back."""
        self._batches.pop(number, None)


class Scorer:
    """One actor of the pool: a worker process with the artifact, which travelled here through the cluster.

    Args:
        feeder: Has the artifact's files.
        options: How to score, with one worker.
        version: Of hsegap on the driver.
    """

    def __init__(self, feeder: Any, options: PoolOptions, version: str) -> None:
        stay_quiet()  # this node's environment is not the driver's

        from hsegap.artifact.artifact import Artifact
        from hsegap.batch.pool import Pool

        if version != __version__:
            msg = f"this node has hsegap {__version__}, the driver {version}: install the same on both"
            raise RuntimeError(msg)
        self._folder = Path(tempfile.mkdtemp(prefix="hsegap-artifact-"))
        ray: Any = need("ray", purpose="--engine ray")
        for name, content in ray.get(feeder.files.remote()).items():
            (self._folder / name).write_bytes(content)
        self._pool: Pool = Pool(Artifact.load(self._folder), options)

    def __call__(self, rows: dict[str, Any]) -> dict[str, list[Any]]:
        """Score the batches of a block."""
        answers = [self._score(bytes(payload)) for payload in rows["payload"]]
        return {"place": [int(place) for place in rows["place"]], "scored": answers}

    def _score(self, payload: bytes) -> bytes:
        if not payload:
            return b""
        data = json.loads(payload)
        items = list(map(_item, data["items"]))
        with ThreadPoolExecutor(FETCHES) as threads:
            items = list(threads.map(_fetch, items))
        (scored,) = self._pool.run(iter([Batch(data["number"], data["start"], items, data["digest"])]))
        return json.dumps(asdict(scored)).encode()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._pool.close()
            shutil.rmtree(self._folder, ignore_errors=True)


def _fetch(item: Item) -> Item:
    """Read an object of a store here, next to where it is scored."""
    if item.address is None or item.problem is not None:
        return item
    from hsegap.batch.sources import fetched

    found = fetched(item.address, format_=item.format)
    return replace(item, structure=found.structure, problem=found.problem)


def _item(data: dict[str, Any]) -> Item:
    """Undo what :func:`_payload` does to an input."""
    problem = None if data["problem"] is None else Problem(*data["problem"])
    return Item(**{**data, "problem": problem, "notices": tuple((code, message) for code, message in data["notices"])})


def _payload(batch: Batch) -> bytes:
    items = []
    for item in batch.items:
        problem = None if item.problem is None else list(item.problem)
        items.append({**asdict(item), "problem": problem, "notices": [list(notice) for notice in item.notices]})
    return json.dumps({"number": batch.number, "start": batch.start, "digest": batch.digest, "items": items}).encode()


class RayEngine:
    """Scores batches on a cluster. Use as a context manager.

    Args:
        artifact: A checked artifact.
        options: How; ``workers`` is the number of actors, 0 for one per core of the cluster.
        address: Of the cluster; None starts one on this machine, or takes the one that RAY_ADDRESS names.

    Raises:
        ScoringError: If Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, artifact: Artifact, options: PoolOptions, *, address: str | None = None) -> None:
        # Nothing reports home unless whoever runs the cluster asked for it.
        stay_quiet()
        # Ray's own core writes to the terminal past every logging setting, about the way Ray Data starts actors; errors
        # raise here.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        self._ray: Any = need("ray", purpose="--engine ray")
        need("ray.data", purpose="--engine ray")
        self._artifact = artifact
        self._own = not self._ray.is_initialized()
        if self._own:
            _check_reachable(address)
            local = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
            try:
                with _quiet():
                    self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **local)
            except (ConnectionError, ValueError, RuntimeError) as error:
                message = f"The Ray cluster {address or 'on this machine'} cannot be used: {reason_of(error)}."
                raise ScoringError("cluster", message, "Check the address with `ray status`.") from error
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self._actors = options.workers or max(1, cores)
        self._options = replace(options, workers=1)
        self._feeder: Any = None

    def run(self, batches: Iterator[Batch]) -> Iterator[Scored]:
        """Score batches.

        Args:
            batches: In order; read a few ahead of the actors, never all at once.

        Yields:
            Each batch's rows as they come back, in any order.

        Raises:
            ScoringError: If the cluster cannot go on.
        """
        ray = self._ray
        files = {path.name: path.read_bytes() for path in self._artifact.folder.iterdir()}
        self._feeder = ray.remote(num_cpus=0)(Feeder).options(scheduling_strategy=self._here()).remote(files)
        waiting: dict[int, int] = {}
        pushed = 0
        ended = False

        def feed() -> None:
            nonlocal pushed, ended
            while not ended and len(waiting) < AHEAD * self._actors:
                batch = next(batches, None)
                ended = batch is None
                # Waited for: an unanswered push would let the driver run ahead of a slow feeder.
                ray.get(self._feeder.push.remote(None if batch is None else _payload(batch)))
                if batch is not None:
                    waiting[pushed] = batch.number
                    pushed += 1

        feed()
        if not waiting:
            return
        try:
            for block in self._dataset().iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
                for place, answer in zip(block["place"], block["scored"], strict=True):
                    # Done twice after a node was lost, or known to be done when it was asked for again.
                    if int(place) not in waiting or not answer:
                        continue
                    del waiting[int(place)]
                    ray.get(self._feeder.done.remote(int(place)))
                    scored = Scored(**json.loads(bytes(answer)))
                    feed()
                    yield scored
        except (ray.exceptions.RayError, RuntimeError) as error:
            message = f"The cluster could not go on: {_innermost(error)}."
            raise ScoringError(
                "cluster", message, "Look at it with `ray status`, then run the same command with --resume."
            ) from error
        if waiting:
            raise ScoringError(
                "cluster", f"{len(waiting)} batches never came back.", "Run the same command with --resume."
            )

    def _dataset(self) -> Any:
        """The stream: batches from the feeder, through the pool of actors."""
        data: Any = need("ray.data", purpose="--engine ray")
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Each batch is a block of its own, sent on at once: Ray Data would gather small ones up to 128 MB otherwise.
        context.target_max_block_size = 1
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        stream = data.read_datasource(
            _source(self._feeder), override_num_blocks=1, **self._reading_options(data.read_datasource)
        )
        return stream.map_batches(
            Scorer,
            fn_constructor_args=(self._feeder, self._options, __version__),
            batch_size=1,
            batch_format="numpy",
            num_cpus=CORE_SHARE,
            compute=data.ActorPoolStrategy(
                min_size=1, max_size=self._actors, initial_size=self._actors, max_tasks_in_flight_per_actor=2
            ),
        )

    def _here(self) -> Any:
        """The driver's own node: the feeder and the reading task must outlive any other."""
        strategies: Any = need("ray.util.scheduling_strategies", purpose="--engine ray")
        return strategies.NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)

    def _reading_options(self, function: Any) -> dict[str, Any]:
        """The reading task takes no core and runs here.

        Ray 2.60 has names of their own for both and deprecates the general one.
        """
        if {"num_cpus", "label_selector"} <= set(inspect.signature(function).parameters):
            return {"num_cpus": 0, "label_selector": {"ray.io/node-id": self._ray.get_runtime_context().get_node_id()}}
        return {"ray_remote_args": {"num_cpus": 0, "scheduling_strategy": self._here()}}

    def close(self) -> None:
        """Leave the cluster; end it, if it was started here."""
        if self._feeder is not None:
            with contextlib.suppress(Exception):
                self._ray.kill(self._feeder)
        if self._own:
            self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ray's core announces on the error stream that it was told to be quiet; what goes wrong is raised."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _check_reachable(address: str | None) -> None:
    """Ray asks an address where nobody answers again and again, for many minutes.

    Raises:
        ScoringError: ``cluster``.
    """
    place = re.fullmatch(r"(?:ray://)?([^/:]+):(\d+)", address or "")
    if place is None:
        return
    try:
        socket.create_connection((place[1], int(place[2])), timeout=CONNECT_S).close()
    except OSError as error:
        message = f"The Ray cluster {address} does not answer: {reason_of(error)}."
        raise ScoringError("cluster", message, "Check the address with `ray status`.") from None


def _source(feeder: Any) -> Any:
    """A Ray Data source of one task that gives a block per batch.

    Made in a function because its base class is Ray's.
    """
    datasource: Any = need("ray.data.datasource", purpose="--engine ray")
    block: Any = need("ray.data.block", purpose="--engine ray")

    class FeederSource(datasource.Datasource):
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            del parallelism
            unknown = block.BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [datasource.ReadTask(lambda: _read(feeder), unknown)]

    return FeederSource()


def _read(feeder: Any) -> Iterator[Any]:
    """Ask for batch after batch.

    Begun anew after a loss it gives the same blocks, but empty ones where nobody waits any more.
    """
    ray: Any = need("ray", purpose="--engine ray")
    arrow: Any = need("pyarrow", purpose="--engine ray")
    place = 0
    while (payload := ray.get(feeder.get.remote(place))) is not None:
        yield arrow.table({"place": [place], "payload": arrow.array([payload], arrow.large_binary())})
        place += 1


def _innermost(error: BaseException) -> str:
    """The reason behind Ray's wrappings, in one line."""
    while (inner := getattr(error, "cause", None) or error.__cause__) is not None and inner is not error:
        error = inner
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
