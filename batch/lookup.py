"""What must be remembered about many inputs without holding it in memory.

Names to be sorted, identifiers seen, descriptions by name.

Each is a temporary SQLite database that its page cache keeps small and that is gone with the process.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import sqlite3
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hsegap.batch.problems import ScoringError, reason_of
from hsegap.batch.streams import csv_dicts, open_plain, text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: Names sorted in memory; more than this many go through a database.
IN_MEMORY = 20_000
#: Columns of a table of descriptions that name the crystal, and that hold the text, first match first.
NAME_COLUMNS = ("id", "file", "filename", "material_id", "jid", "name")
TEXT_COLUMNS = ("description", "text")


def _temporary() -> sqlite3.Connection:
    # An empty name is a file that SQLite deletes itself. One transaction for ever: nothing here has to survive.
    connection = sqlite3.connect("", isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    return connection


@contextlib.contextmanager
def _on_disk() -> Iterator[None]:
    """Turn what SQLite says about its temporary file into the run's own error.

    Raises:
        ScoringError: ``disk_full`` if the file cannot grow.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        message = f"The run's temporary files cannot be written: {error}."
        hint = (
            "Free some of the temporary folder, or name another with TMPDIR, then run the same command with --resume."
        )
        raise ScoringError("disk_full", message, hint) from error


def sorted_names(names: Iterable[str]) -> Iterator[str]:
    """Names in the order of their bytes, however many there are."""
    names = iter(names)
    few = list(itertools.islice(names, IN_MEMORY))
    more = next(names, None)
    if more is None:
        # By bytes, as the database does; names of files need not be UTF-8.
        yield from sorted(few, key=os.fsencode)
        return
    connection = _temporary()
    try:
        with _on_disk():
            connection.execute("CREATE TABLE names (name BLOB PRIMARY KEY) WITHOUT ROWID")
            rows = ((os.fsencode(name),) for name in itertools.chain(few, [more], names))
            connection.executemany("INSERT OR IGNORE INTO names VALUES (?)", rows)
        del few
        yield from (os.fsdecode(name) for (name,) in connection.execute("SELECT name FROM names ORDER BY name"))
    finally:
        connection.close()


class SeenIds:
    """Makes identifiers unique: the second ``x`` becomes ``x#2``."""

    def __init__(self) -> None:
        self._connection = _temporary()
        self._connection.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, times INTEGER) WITHOUT ROWID")

    def unique(self, identifier: str) -> str:
        """The identifier itself the first time, else one that no input has had.

        Raises:
            ScoringError: ``disk_full``.
        """
        with _on_disk():
            return self._unique(identifier)

    def _unique(self, identifier: str) -> str:
        count = "INSERT INTO seen VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1 RETURNING times"
        (times,) = self._connection.execute(count, (identifier,)).fetchone()
        if times == 1:
            return identifier
        while True:
            candidate = f"{identifier}#{times}"
            if self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?, 1)", (candidate,)).rowcount:
                return candidate
            times += 1

    def close(self) -> None:
        """Free the database."""
        self._connection.close()


class Descriptions:
    """Texts by identifier or file name, from a CSV, TSV, JSON-lines or JSON file.

    Args:
        path: A table with a column of names (``id``, ``file``, …) and one of texts (``description`` or ``text``); JSON
            lines with the same names; or one JSON object of texts by name.

    Raises:
        ScoringError: ``descriptions`` if it cannot be read or has no such columns, ``disk_full``.
    """

    def __init__(self, path: Path) -> None:
        self._connection = _temporary()
        self._connection.execute("CREATE TABLE texts (name TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")
        self.path = path
        self.used = 0
        self.loaded = 0
        try:
            for names, text in _read(path):
                if not text.strip():
                    continue
                self.loaded += 1
                with _on_disk():
                    self._connection.executemany(
                        "INSERT OR IGNORE INTO texts VALUES (?, ?)", ((name, text) for name in names)
                    )
        except (OSError, ValueError, csv.Error, EOFError) as error:
            raise ScoringError(
                "descriptions", f"{path} cannot be read: {reason_of(error)}.", "Check the file."
            ) from error
        if not self.loaded:
            hint = f"It needs a column {' or '.join(NAME_COLUMNS[:2])} and a column {' or '.join(TEXT_COLUMNS)}."
            raise ScoringError("descriptions", f"{path} holds no description.", hint)

    def find(self, identifier: str) -> str | None:
        """The text of an input: by its identifier, its file's name, or that name without suffix."""
        last = PurePosixPath(identifier.replace("!", "/")).name
        for name in dict.fromkeys((identifier, last, last.removesuffix(".gz").rpartition(".")[0] or last)):
            row = self._connection.execute("SELECT text FROM texts WHERE name = ?", (name,)).fetchone()
            if row is not None:
                self.used += 1
                return str(row[0])
        return None

    def close(self) -> None:
        """Free the database."""
        self._connection.close()


def _read(path: Path) -> Iterator[tuple[list[str], str]]:
    """Names and text of each description."""
    plain = path.name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
    with open_plain(path) as stream:
        if plain.endswith(".json"):
            data = json.load(stream)
            if not isinstance(data, dict):
                msg = "it is not a JSON object of texts by name"
                raise ValueError(msg)
            for name, text in data.items():
                yield [name], str(text or "")
            return
        rows: Iterator[dict[str, str]]
        if plain.endswith((".jsonl", ".ndjson")):
            rows = (json.loads(line) for line in text_lines(stream) if line.strip())
        else:
            rows = csv_dicts(stream, delimiter="\t" if plain.endswith(".tsv") else ",")
        for row in rows:
            text = next((row[column] for column in TEXT_COLUMNS if row.get(column)), "")
            names = list(dict.fromkeys(str(row[column]) for column in NAME_COLUMNS if row.get(column)))
            yield names, text
