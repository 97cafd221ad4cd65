"""Crystals in tables: CSV, TSV, JSON lines, Parquet and ASE databases, a row at a time."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sqlite3
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from hsegap.batch.batches import Item
from hsegap.batch.problems import ScoringError, need, reason_of, unreadable
from hsegap.batch.streams import UNPACKING_ERRORS, csv_dicts, open_plain, safe_name, text_lines
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_SUFFIX = re.compile(r"\.((csv|tsv|jsonl|ndjson)(\.(gz|bz2|xz))?|parquet|pq|db)$", re.IGNORECASE)
#: Columns looked for, first match first.
STRUCTURE_COLUMNS = ("structure", "cif", "poscar", "contcar", "xyz", "extxyz", "atoms", "pymatgen", "jarvis")
ID_COLUMNS = ("id", "material_id", "jid", "name", "file", "filename")
TEXT_COLUMNS = ("description", "text")
PBE_COLUMNS = ("pbe_gap_ev",)
#: A column of this name says what format its values have.
_FORMAT_OF_COLUMN = {
    "cif": "cif",
    "poscar": "poscar",
    "contcar": "poscar",
    "xyz": "xyz",
    "extxyz": "xyz",
    "pymatgen": "pymatgen",
    "jarvis": "jarvis",
}
#: What stands in a cell of a table that has no value there.
MISSING = frozenset(("", "nan", "na", "n/a", "none", "null", "-"))
#: Rows of a Parquet file held at once.
PARQUET_ROWS = 64


@dataclass(frozen=True)
class TableOptions:
    """Names of columns; None looks for the usual ones.

    Attributes:
        structure: Column with the text of a structure file.
        id: Column with the identifier.
        text: Column with the description.
        pbe: Column with the PBE gap, eV.
    """

    structure: str | None = None
    id: str | None = None
    text: str | None = None
    pbe: str | None = None


def is_table(name: str) -> bool:
    """Whether a name is that of a table or a database."""
    return bool(_SUFFIX.search(name))


def table_items(
    opener: Callable[[], BinaryIO], name: str, *, path: Path | None, options: TableOptions, format_: str | None
) -> Iterator[Item]:
    """The crystals of a table, in its order.

    Args:
        opener: Opens it; closed when the last row was read.
        name: Its name, the first part of the identifier of a row that has none: ``crystals.csv#17`` (from 1).
        path: Where it lies on this machine; None if elsewhere.
        options: Its columns.
        format_: Format of every structure.

    Yields:
        One input per row, and one with an error for a row or a rest that cannot be read.

    Raises:
        OSError: If it cannot be opened.
        ScoringError: ``extra_missing`` where the library for it is not installed.
    """
    plain = re.sub(r"\.(gz|bz2|xz)$", "", name.lower())
    with opener() as stream:
        if plain.endswith(".db"):
            yield from _ase_items(stream, name, path, options)
            return
        if plain.endswith((".jsonl", ".ndjson")):
            rows = _json_rows(stream)
        elif plain.endswith((".parquet", ".pq")):
            rows = _parquet_rows(stream, name, options)
        else:
            rows = csv_dicts(open_plain(stream), delimiter="\t" if plain.endswith(".tsv") else ",")
        number = 0
        try:
            for row in rows:
                number += 1
                yield _item(row, f"{name}#{number}", options=options, format_=format_)
        except (*UNPACKING_ERRORS, csv.Error, ValueError) as error:
            message = f"{name} cannot be read beyond row {number}: {reason_of(error)}."
            yield Item(
                f"{name}#{number + 1}",
                problem=unreadable(message, "Check that the file is complete; the rows before were scored."),
            )


def _item(row: Mapping[str, Any] | Problem, fallback: str, *, options: TableOptions, format_: str | None) -> Item:
    """One row of a table."""
    if isinstance(row, Problem):
        return Item(fallback, problem=row)
    identifier = _first(row, ID_COLUMNS if options.id is None else (options.id,))
    name = str(identifier[1]) if identifier is not None else fallback
    found = _first(row, STRUCTURE_COLUMNS if options.structure is None else (options.structure,))
    if found is None:
        looked = options.structure or ", ".join(STRUCTURE_COLUMNS)
        message = (
            f"The row has no structure (looked for the column {looked}; "
            f"it has {', '.join(map(str, list(row)[:12])) or 'none'})."
        )
        return Item(name, problem=unreadable(message, "Name the column with --column."))
    column, value = found
    structure = value if isinstance(value, str) else json.dumps(value)
    text = _first(row, TEXT_COLUMNS if options.text is None else (options.text,))
    gap = _gap(_first(row, PBE_COLUMNS if options.pbe is None else (options.pbe,)))
    if isinstance(gap, Problem):
        return Item(name, problem=gap)
    return Item(
        name,
        structure=structure,
        format=format_ or (_FORMAT_OF_COLUMN.get(column.lower()) if options.structure is None else None),
        description=str(text[1]) if text is not None else None,
        pbe_gap_ev=gap,
    )


def _gap(cell: tuple[str, Any] | None) -> float | Problem | None:
    """A known gap; whether it can be one is checked with the request."""
    if cell is None or (isinstance(cell[1], str) and cell[1].strip().lower() in MISSING):
        return None
    with contextlib.suppress(TypeError, ValueError):
        if not isinstance(cell[1], bool):
            return float(cell[1])
    message = f"The row's {safe_name(cell[0])} is {safe_name(str(cell[1])[:40])!r}, which is no number."
    return Problem("gap_out_of_range", message, "Give the gap in eV with a decimal point, or leave the cell empty.")


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any] | None:
    """The first of some columns that the row has a value in; names are compared without case."""
    by_name = {str(key).lower(): (str(key), value) for key, value in row.items()}
    for name in names:
        found = by_name.get(name.lower())
        # NaN is what a missing value becomes on its way through pandas.
        if found is not None and found[1] is not None and found[1] != "" and found[1] == found[1]:
            return found
    return None


def _json_rows(stream: BinaryIO) -> Iterator[Mapping[str, Any] | Problem]:
    for line in text_lines(open_plain(stream)):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield unreadable(f"The line is not JSON: {reason_of(error)}.", "Write one JSON object a line.")
            continue
        yield (
            value
            if isinstance(value, dict)
            else unreadable("The line is not a JSON object.", "Write one JSON object a line.")
        )


def _parquet_rows(stream: BinaryIO, name: str, options: TableOptions) -> Iterator[Mapping[str, Any]]:
    parquet: Any = need("pyarrow.parquet", purpose=f"Reading {name}")
    file = parquet.ParquetFile(stream)
    wanted = {
        *((options.structure,) if options.structure else STRUCTURE_COLUMNS),
        *((options.id,) if options.id else ID_COLUMNS),
        *((options.text,) if options.text else TEXT_COLUMNS),
        *((options.pbe,) if options.pbe else PBE_COLUMNS),
    }
    # Only what is needed: a table of crystals may have hundreds of features beside them.
    columns = [
        column for column in file.schema_arrow.names if column.lower() in {str(entry).lower() for entry in wanted}
    ]
    if not columns:
        columns = file.schema_arrow.names[:1]
    for group in file.iter_batches(batch_size=PARQUET_ROWS, columns=columns):
        yield from group.to_pylist()


def _ase_items(stream: BinaryIO, name: str, path: Path | None, options: TableOptions) -> Iterator[Item]:
    """Crystals of an ASE database, by its own row numbers."""
    database: Any = need("ase.db", purpose=f"Reading {name}")
    with tempfile.NamedTemporaryFile(suffix=".db") as copy:
        if path is None:  # SQLite reads files only
            while block := stream.read(8 * 2**20):
                copy.write(block)
            copy.flush()
        last = 0
        try:
            # Read only: opened otherwise, a file that is no database would be made one.
            with sqlite3.connect(f"file:{path or copy.name}?mode=ro", uri=True) as probe:
                probe.execute("SELECT count(*) FROM systems").fetchone()
            with database.connect(str(path or copy.name), type="db", append=True) as connection:
                for row in connection.select(sort="id"):
                    last = row.id
                    yield _ase_item(row, f"{name}#{row.id}", options=options)
        except ScoringError:
            raise
        except Exception as error:  # a damaged database raises whatever the library stumbles over
            where = f" beyond row {last}" if last else ""
            message = f"{name} cannot be read as an ASE database{where}: {reason_of(error)}."
            yield Item(
                f"{name}#{last + 1}" if last else name,
                problem=unreadable(message, "Check that it is complete: ase db FILE"),
            )


def _ase_item(row: Any, identifier: str, *, options: TableOptions) -> Item:
    """One row of an ASE database, as JARVIS's JSON, which keeps every digit."""
    if not all(row.pbc):
        message = "The row is not periodic in all directions; gaps are predicted for crystals."
        return Item(identifier, problem=Problem("unreadable_structure", message, "Give it a cell and pbc=True."))
    from ase.data import chemical_symbols

    structure = {
        "lattice_mat": row.cell.tolist(),
        "coords": row.positions.tolist(),
        "elements": [chemical_symbols[number] for number in row.numbers],
        "cartesian": True,
    }
    text = row.get(options.text or TEXT_COLUMNS[0])
    column = options.pbe or PBE_COLUMNS[0]
    gap = _gap((column, row.get(column)) if row.get(column) is not None else None)
    if isinstance(gap, Problem):
        return Item(identifier, problem=gap)
    description = text if isinstance(text, str) else None
    return Item(identifier, structure=json.dumps(structure), format="jarvis", description=description, pbe_gap_ev=gap)


def count_rows(path: Path) -> int | None:
    """How many rows a table has, where that is quickly told."""
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            parquet: Any = need("pyarrow.parquet", purpose="Reading Parquet")
            return int(parquet.ParquetFile(path).metadata.num_rows)
        if name.endswith(".db"):
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
                return int(connection.execute("SELECT count(*) FROM systems").fetchone()[0])
        if name.endswith((".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")):
            with path.open("rb") as stream:
                plain = open_plain(stream)
                return sum(block.count(b"\n") for block in iter(lambda: plain.read(2**20), b""))
    except Exception:  # only the time left depends on it; whoever reads the table names what is wrong with it
        return None
    return None
