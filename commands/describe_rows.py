"""`hsegap describe-rows`: rows to learn from get the description that they lack."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hsegap.prediction.errors import Failure
    from hsegap.prediction.workers import WorkerPool

#: Decides which rows are drawn: the same ones on every run.
SEED = 5
#: Most seconds a description of a row may take. The few that take longer are left without one.
DEADLINE_S = 20.0


def describe_rows(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows: .jsonl or .jsonl.gz.", show_default=False)],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The .jsonl.gz file to write.", show_default=False)
    ],
    most: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Describe N of them, drawn at random.", show_default=False)
    ] = None,
    max_atoms: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only rows with at most N atoms (n_sites).", show_default=False),
    ] = None,
    zero: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Only rows whose gap in this column is below 0.05 eV.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; default: one per processor.")
    ] = None,
) -> None:
    """Describe training rows that have no description.

    All rows are written, in the same order. Where nearly all described crystals have a gap, a network learns that a
    description means a gap; --zero describes crystals without one. Finished descriptions are kept: an interrupted run
    continues when it is started again.

    \b
    Examples:
      hsegap describe-rows rows.jsonl.gz -o described.jsonl.gz
      hsegap describe-rows estimated.jsonl.gz --zero hse_gap_ev --max-atoms 16 --most 2400 -o described.jsonl.gz
    """
    from hsegap.prediction.described import RememberingDescribers
    from hsegap.processors import usable_processors
    from hsegap.training.data import json_lines, write_json_lines
    from hsegap.training.errors import DataError

    try:
        items = [item for _, item in json_lines(file)]
        chosen = chosen_rows(items, most=most, max_atoms=max_atoms, zero=zero)
    except DataError as error:
        output.note(f"hsegap: {error}.")
        raise typer.Exit(1) from error
    count = workers or usable_processors()
    describers = RememberingDescribers(size=count, deadline_s=DEADLINE_S)
    with closing(describers), output.progress() as bar:
        task = bar.add_task("describing", total=len(chosen))
        failed = fill(items, chosen, describers, threads=count, advance=lambda: bar.advance(task))
    write_json_lines(out, items)
    output.note(f"wrote {out}: {len(items)} rows, {len(chosen) - len(failed)} newly described")
    if failed:
        row, failure = next(iter(failed.items()))
        output.note(f"{len(failed)} found no words; the first: {items[row].get('id')} ({failure.error.message})")


def chosen_rows(
    items: Sequence[dict[str, Any]], *, most: int | None, max_atoms: int | None, zero: str | None
) -> list[int]:
    """Places of the rows to describe.

    Args:
        items: Rows; those with a ``description`` keep it.
        most: So many, drawn at random; None for all.
        max_atoms: None for no limit.
        zero: Column with a gap that has to be below 0.05 eV; None for any.

    Raises:
        hsegap.training.errors.DataError: If a row has no structure, or a limit asks for a field that it lacks.
    """
    import numpy as np

    from hsegap.training.errors import DataError

    found = []
    for place, item in enumerate(items):
        for key in ("cif", *(["n_sites"] if max_atoms is not None else [])):
            if key not in item:
                raise DataError(f"row {item.get('id')!r} has no field {key}")
        gap = item.get(zero) if zero is not None else 0.0
        small = max_atoms is None or item["n_sites"] <= max_atoms
        if small and gap is not None and gap < 0.05 and not item.get("description"):
            found.append(place)
    if most is not None and most < len(found):
        found = sorted(np.random.default_rng(SEED).choice(found, most, replace=False).tolist())
    return found


def fill(
    items: list[dict[str, Any]],
    chosen: Sequence[int],
    describers: WorkerPool,
    *,
    threads: int,
    advance: Callable[[], object],
) -> dict[int, Failure]:
    """Give the chosen rows a ``description``; what failed, by the row's place.

    Args:
        items: Rows with a ``cif``.
        chosen: Places among them.
        describers: Processes that describe.
        threads: Rows under way at once.
        advance: Called after each row.
    """
    from hsegap.prediction.errors import Failure as Failed
    from hsegap.prediction.messages import Job

    def told(place: int) -> str | Failure:
        job = Job("describe", items[place]["cif"], "cif", {}, max_atoms=2_000, max_edges=0)
        answer = describers.run(job, expires_at=float("inf"), patient=True)
        return answer if isinstance(answer, Failed) else answer[0]["text"]

    failed = {}
    with ThreadPoolExecutor(threads) as pool:
        for place, answer in zip(chosen, pool.map(told, chosen), strict=True):
            if isinstance(answer, Failed):
                failed[place] = answer
            else:
                items[place]["description"] = answer
            advance()
    return failed
