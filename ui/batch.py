"""Many crystals at once: uploaded files, archives and tables become items in memory, items become rows.

What an archive or a table holds, which names are those of structures, and what a row's columns are called is the
scorer's business (:mod:`hsegap.batch`); here are only the limits of a page and what its table shows.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.batch.archives import archive_items, is_archive
from hsegap.batch.batches import Item
from hsegap.batch.lookup import SeenIds
from hsegap.batch.problems import unreadable
from hsegap.batch.rows import COLUMNS, csv_head, csv_lines, flat, row_of
from hsegap.batch.sources import STRUCTURE_NAME
from hsegap.batch.streams import safe_name, structure_text
from hsegap.batch.tables import TableOptions, is_table, table_items
from hsegap.errors import HsegapError, Problem
from hsegap.prediction.errors import HINTS
from hsegap.prediction.limits import MAX_ITEMS
from hsegap.ui.actions import make_request
from hsegap.ui.care import UNSURE
from hsegap.ui.uploads import UploadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from hsegap.ui.backend import Backend
    from hsegap.ui.uploads import Uploads

#: Most characters of all structures of a batch, and most bytes that one archive may unpack to.
MAX_UNPACKED = 64_000_000
#: Crystals predicted between two signs of progress: enough to keep the reading processes busy, few enough for the bar
#: to move.
CHUNK = 8
#: Characters of structures that the browser is given, so that a row can be opened; rows beyond are shown only.
MAX_OPENED = 16_000_000
#: Characters of a description that a row shows.
SHOWN_TEXT = 200
#: Tables that need a library of an extra or a file on disk.
_SCORER_ONLY = (".parquet", ".pq", ".db")


class BatchError(HsegapError):
    """The batch as a whole cannot be taken."""


class Answered(NamedTuple):
    """One item and its prediction or error object, as JSON values."""

    item: Item
    answer: dict[str, Any]


class Collected(NamedTuple):
    """What :func:`collect` found.

    Attributes:
        items: One per crystal, in order; what cannot be read is an item with its problem. Every item has a name of its
            own.
        passed: Files of archives that are no structures by their names, by archive.
    """

    items: list[Item]
    passed: dict[str, int]


def _items_of(name: str, stream: BinaryIO, passed: dict[str, int]) -> Iterator[Item]:
    """What one uploaded file holds, named as the scorer names it."""
    if is_archive(name):
        over = yield from archive_items(stream, name, format_=None, wanted=STRUCTURE_NAME, most_bytes=MAX_UNPACKED)
        if over:
            passed[name] = over
    elif is_table(name) and name.lower().endswith(_SCORER_ONLY):
        message = f"{name} is a kind of table that only `hsegap score` reads."
        yield Item(name, problem=unreadable(message, "Save it as CSV or JSON lines, or score it at the command line."))
    elif is_table(name):
        yield from table_items(lambda: stream, name, path=None, options=TableOptions(), format_=None)
    else:
        text = structure_text(stream, name)
        yield Item(name, problem=text) if isinstance(text, Problem) else Item(name, structure=text)


def collect(paths: Sequence[str | Path], uploads: Uploads) -> Collected:
    """Read uploaded files, and what uploaded archives and tables hold.

    Args:
        paths: What an event names; opened only if it is a plain file of the upload folder.
        uploads: That folder. It deletes uploads by its own clock: nothing is deleted because an event named it.

    Raises:
        BatchError: If the batch as a whole is too much or empty, or a path names no upload.
    """
    found = Collected([], {})
    room = MAX_UNPACKED
    seen = SeenIds()
    try:
        for given in paths:
            try:
                stream = uploads.open(given)
            except UploadError as error:
                raise BatchError(*error.problem) from error
            with stream:
                for item in _items_of(safe_name(PurePosixPath(given).name), stream, found.passed):
                    room -= len(item.structure or "")
                    if len(found.items) == MAX_ITEMS:
                        message = f"The batch has more than {MAX_ITEMS} crystals."
                        raise BatchError("too_many_items", message, HINTS["too_many_items"])
                    if room < 0:
                        message = f"The structures have more than {MAX_UNPACKED / 1e6:g} million characters together."
                        raise BatchError("payload_too_large", message, "Split the batch.")
                    found.items.append(_named(item, seen.unique(item.id)))
    finally:
        seen.close()
    if not found.items:
        hint = "Add CIF, POSCAR, XYZ or JSON files, an archive of them, or a table."
        raise BatchError("invalid_request", "There is no structure in the batch.", hint)
    return found


def _named(item: Item, name: str) -> Item:
    return item if item.id == name else replace(item, id=name)


async def run(
    core: Backend, items: Sequence[Item], *, describe: bool = False, chunk: int = CHUNK
) -> AsyncIterator[list[Answered]]:
    """Predict a batch chunk by chunk.

    Args:
        core: What answers.
        items: What :func:`collect` gave.
        describe: Generate the descriptions that are not given.
        chunk: Crystals per turn.

    Yields:
        The answers of one chunk, in order.
    """
    for start in range(0, len(items), chunk):
        some = items[start : start + chunk]
        readable = [item for item in some if item.problem is None]
        requests = [
            make_request(
                item.structure or "", item.format, item.description, item.pbe_gap_ev, describe=describe, atoms=False
            )
            for item in readable
        ]
        answers = iter(await core.predict_many_async(requests) if requests else [])
        yield [
            Answered(item, item.problem.entry() if item.problem is not None else next(answers).model_dump(mode="json"))
            for item in some
        ]


def mean_electronegativity(formula: str) -> float | None:
    """Mean Pauling electronegativity over the atoms of a formula; None where an element has none."""
    from pymatgen.core import Composition

    composition = Composition(formula)
    values = [(element.X, amount) for element, amount in composition.items()]
    if any(value != value for value, _ in values):  # noqa: PLR0124 - the test for not-a-number
        return None
    return float(sum(value * amount for value, amount in values) / sum(amount for _, amount in values))


class Results:
    """The rows of a batch as they come in.

    Args:
        total: Items in all.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.rows: list[dict[str, Any]] = []
        self._shown: list[dict[str, Any]] = []
        self._inputs: list[dict[str, Any] | None] = []
        self._answers: list[dict[str, Any]] = []
        self._room = MAX_OPENED
        self._started = time.monotonic()

    def add(self, answered: Answered) -> None:
        """Take one answer."""
        item, answer = answered
        index = len(self.rows)
        row = flat(row_of(item, answer, index=index))
        self.rows.append(row)
        self._shown.append(_shown(row))
        self._answers.append(
            {"id": item.id, **answer, "index": index} if "error" not in answer else _placed(item, answer, index)
        )
        self._room -= len(item.structure or "")
        self._inputs.append(
            {
                "structure": item.structure,
                "description": row["description_text"] or item.description or "",
                "known": item.pbe_gap_ev,
            }
            if item.structure is not None and self._room >= 0
            else None
        )

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return sum(row["status"] == "error" for row in self.rows)

    def left_s(self) -> float | None:
        """Seconds left at the rate so far; None before the first answer."""
        done = len(self.rows)
        return (time.monotonic() - self._started) / done * (self.total - done) if done else None

    def value(self) -> dict[str, Any]:
        """What the browser gets: the rows to show, what opens one in Predict, and what is taken away."""
        return {
            "rows": list(self._shown),
            "inputs": list(self._inputs),
            "total": self.total,
            "csv": rows_csv(self.rows),
            "answers": list(self._answers),
        }


def _placed(item: Item, answer: dict[str, Any], index: int) -> dict[str, Any]:
    return {"id": item.id, "error": {**answer["error"], "index": index}}


#: What the browser's table, plots and list of failures are made of, beside the warnings.
_SHOWN = (
    "id",
    "status",
    "formula",
    "n_atoms",
    "gap_ev",
    "gap_without_text_ev",
    "interval_ev_low",
    "interval_ev_high",
    "kind",
    "pbe_gap_ev",
    "description_origin",
    "error_code",
    "error_message",
    "error_hint",
)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row for the page's table, under the names of `hsegap score`."""
    codes = [warning["code"] for warning in row["warnings"]]
    text = row["description_text"] or ""
    return {
        **{name: row[name] for name in _SHOWN},
        "kind": "unsure" if UNSURE & set(codes) else row["kind"],
        "warnings": codes,
        "description_text": text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT].rstrip() + " …",
        "electronegativity": mean_electronegativity(row["formula"]) if row["formula"] else None,
    }


def rows_csv(rows: Sequence[dict[str, Any]]) -> str:
    """The results as `hsegap score` writes them, failures included.

    A cell that a spreadsheet would take for a formula is quoted as text.
    """
    harmless = [{name: _harmless(value) for name, value in row.items()} for row in rows]
    return csv_head(COLUMNS) + csv_lines(harmless, COLUMNS)


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
