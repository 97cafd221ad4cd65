"""Batch scoring from end to end: inputs, an engine, an output that can be resumed."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TextIO

from hsegap.batch.batches import BATCH_SIZE, DESCRIBE_BATCH_SIZE, batched
from hsegap.batch.journal import Journal
from hsegap.batch.output import Stream
from hsegap.batch.pool import Pool, PoolOptions
from hsegap.batch.problems import ScoringError, need, reason_of
from hsegap.batch.progress import progress_on, summary
from hsegap.batch.sources import InputOptions, Inputs, count_inputs
from hsegap.batch.tables import TableOptions, is_table
from hsegap.batch.target import target_of
from hsegap.prediction.prepared import configured_layers
from hsegap.processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from hsegap.artifact.artifact import Artifact
    from hsegap.batch.batches import Batch, Scored
    from hsegap.batch.output import Output
    from hsegap.batch.tally import Tally
    from hsegap.batch.target import Kind

Engine = Literal["local", "ray"]
#: Exit statuses: every row is ok; some rows are errors, or the run could not start or go on.
OK, FAILED = 0, 1


@dataclass(frozen=True)
class ScoreOptions:
    """A run, as the command line describes it. ``docs/batch.md`` explains each.

    Attributes:
        inputs: Files, patterns, folders, archives, tables, databases, addresses; ``-`` for a list of paths on standard
            input.
        out: A name ending in ``.csv``, ``.jsonl`` or ``.parquet``; ``-`` for JSON lines on standard output.
        descriptions: Texts by identifier or file name.
        describe: Generate a text where none is given.
        without_text: Use no text, not even a table's own.
        without_known: Use no known gap, not even a table's own.
        atoms: Write the per-atom maps to a second file.
        format: Format of every structure; None recognises each.
        table: Columns of tables.
        artifact: Artifact folder; None takes the default one.
        workers: Worker processes, or actors of a cluster; None takes the machine's cores.
        batch_size: Inputs scored together; None takes 64, or 8 with ``describe``.
        limit: Only the first so many inputs.
        fail_fast: Stop at the first row with an error.
        resume: Continue an earlier run on the same output.
        force: Replace an output, or with ``resume`` go on although something has changed.
        quiet: Say nothing but why a run cannot go on.
        engine: Processes on this machine, or a Ray cluster.
        ray_address: Of the cluster; None starts one on this machine, or takes the one RAY_ADDRESS names.
    """

    inputs: tuple[str, ...]
    out: str
    descriptions: Path | None = None
    describe: bool = False
    without_text: bool = False
    without_known: bool = False
    atoms: bool = False
    format: str | None = None
    table: TableOptions = field(default_factory=TableOptions)
    artifact: Path | None = None
    workers: int | None = None
    batch_size: int | None = None
    limit: int | None = None
    fail_fast: bool = False
    resume: bool = False
    force: bool = False
    quiet: bool = False
    engine: Engine = "local"
    ray_address: str | None = None


def score(options: ScoreOptions, *, stdout: TextIO | None = None, stderr: TextIO | None = None) -> int:
    """Score inputs.

    Args:
        options: The run.
        stdout: Gets the rows where the output is ``-``.
        stderr: Gets progress and summary.

    Returns:
        0 if every row is ok, 1 if some are errors.

    Raises:
        ScoringError: If the run cannot start or go on.
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
    """
    from hsegap.artifact.artifact import Artifact

    _check(options)
    target = target_of(options.out)
    if target.kind == "parquet":
        need("pyarrow.parquet", purpose="Parquet output")
    artifact = Artifact.load(options.artifact)
    size = options.batch_size or (DESCRIBE_BATCH_SIZE if options.describe else BATCH_SIZE)
    reading = InputOptions(
        names=options.inputs,
        format=options.format,
        table=options.table,
        descriptions=options.descriptions,
        without_text=options.without_text,
        without_known=options.without_known,
        limit=options.limit,
        fetch=options.engine == "local",
    )
    said = stderr or sys.stderr
    layers = configured_layers(artifact.manifest.config) if options.atoms else None
    listeners: list[Callable[[str], None]] = []

    def note(text: str) -> None:
        listeners[0](text)

    # Before the output is touched: a misspelt path must leave nothing behind.
    inputs = Inputs(reading, note=note)
    with ExitStack() as stack:
        if target.folder is None:
            output: Output = Stream(stdout or sys.stdout)
        else:
            settings = _settings(options, artifact, size)
            output = Journal.open(target, settings=settings, layers=layers, resume=options.resume, force=options.force)
        stack.callback(output.close)
        tally = output.tally
        before, started = tally.rows, time.monotonic()
        count = lambda: count_inputs(options.inputs, limit=options.limit)  # noqa: E731 - a name for one use
        progress = stack.enter_context(progress_on(said, count, done=before, quiet=options.quiet))
        listeners.append(progress.note)
        batches = output.remaining(batched(inputs, size=size), force=options.force)
        stopped = _run(
            _engine(options, artifact, stack, kind=target.kind)(batches),
            output,
            progress.advance,
            fail_fast=options.fail_fast,
        )
        if not tally.rows and stopped is None:
            hint = "Check the path; a folder is searched for .cif, .vasp, POSCAR*, .xyz and .json files."
            raise ScoringError("no_inputs", "There is no structure among the inputs.", hint)
        if stopped is not None:
            hint = "Run it again with --resume to go on behind it, without --fail-fast to let failed rows be."
            raise ScoringError("failed_fast", f"Stopped at {stopped['id']}: {stopped['error']['message']}", hint)
        output.finish()
    if not options.quiet:
        said.write(_summary(output, before=before, seconds=time.monotonic() - started))
    return FAILED if tally.failed else OK


def _summary(output: Output, *, before: int, seconds: float) -> str:
    """The lines at the end, after an attempt of some seconds that began behind ``before`` rows."""
    rate = (output.tally.rows - before) / max(seconds, 1e-9)
    return summary(
        output.tally,
        seconds=output.seconds,
        rate=rate,
        resumed=bool(before),
        output=output.name,
        record=output.record,
    )


def _run(
    scored: Iterable[Scored], output: Output, advance: Callable[[Tally], None], *, fail_fast: bool
) -> dict[str, Any] | None:
    """Write what the engine gives; the failed row that stopped the run, if one did."""
    stop: tuple[int, dict[str, Any]] | None = None
    for batch in scored:
        output.commit(batch)
        advance(output.tally)
        failed = next((row for row in batch.rows if row["status"] != "ok"), None) if fail_fast else None
        if failed is not None and (stop is None or batch.number < stop[0]):
            stop = batch.number, failed
        # Batches end in any order: the rows before the failed one are waited for, and the first of several that fail is
        # named.
        if stop is not None and output.written > stop[0]:
            break
    return None if stop is None else stop[1]


def _engine(
    options: ScoreOptions, artifact: Artifact, stack: ExitStack, *, kind: Kind
) -> Callable[[Iterator[Batch]], Iterator[Scored]]:
    """What turns batches into rows."""
    texts = not options.without_text and (
        options.descriptions is not None or any(name == "-" or is_table(name) for name in options.inputs)
    )
    workers = options.workers or usable_processors()
    pool = PoolOptions(
        workers=workers,
        describe=options.describe,
        atoms=options.atoms,
        texts=texts,
        neighbours=kind == "jsonl",  # the others have no column for them
    )
    if options.engine == "ray":
        from hsegap.batch.ray_engine import RayEngine

        engine = RayEngine(artifact, replace(pool, workers=options.workers or 0), address=options.ray_address)
        return stack.enter_context(engine).run
    return stack.enter_context(Pool(artifact, pool)).run


def _settings(options: ScoreOptions, artifact: Artifact, size: int) -> dict[str, Any]:
    """Everything that decides the rows: a run continues another only if these agree."""
    descriptions = None
    if options.descriptions is not None:
        try:
            with options.descriptions.open("rb") as stream:
                descriptions = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            message = f"{options.descriptions} cannot be read: {reason_of(error)}."
            raise ScoringError("descriptions", message, "Check the path.") from None
    table = {name: value for name, value in vars(options.table).items() if value is not None}
    return {
        "inputs": list(options.inputs),
        "artifact": f"{artifact.manifest.name} {artifact.manifest.version} {artifact.sha256}",
        "batch_size": size,
        "descriptions": descriptions,
        "describe": options.describe,
        "without_text": options.without_text,
        # Not named where it is off: a run begun before there were known gaps goes on.
        **({"without_known": True} if options.without_known else {}),
        "atoms": options.atoms,
        "format": options.format,
        "columns": json.dumps(table) if table else None,
        "limit": options.limit,
    }


def _check(options: ScoreOptions) -> None:
    """Refuse what contradicts itself.

    Raises:
        ScoringError: ``usage``.
    """
    if options.inputs.count("-") > 1:
        raise ScoringError("usage", "Standard input can be read once only.", "Give - once.")
    if options.atoms and options.out == "-":
        raise ScoringError(
            "usage",
            "Per-atom maps are written to a second file; standard output cannot hold them.",
            "Give a file with -o.",
        )
    if options.out == "-" and options.resume:
        raise ScoringError("usage", "Standard output cannot be resumed.", "Give a file with -o.")
    if options.describe and options.without_text:
        raise ScoringError("usage", "--describe and --without-text contradict each other.", "Leave one of them out.")
