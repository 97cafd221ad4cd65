"""Rows kept as JSON lines become a Parquet file, a row group at a time.

The same bytes whenever the rows are the same.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from hsegap.batch.problems import need
from hsegap.batch.rows import flat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Rows of a row group. Bounds memory here and in whoever reads the file.
ROW_GROUP = 8192


def schema_of(columns: Mapping[str, str]) -> Any:
    """The Arrow schema of a file's columns."""
    pyarrow: Any = need("pyarrow", purpose="Parquet output")
    notice = pyarrow.struct([("code", pyarrow.string()), ("message", pyarrow.string())])
    types = {
        "text": pyarrow.string(),
        "integer": pyarrow.int64(),
        "number": pyarrow.float64(),
        "notices": pyarrow.list_(notice),
    }
    return pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])


def write_parquet(lines: Path, out: Path, *, columns: Mapping[str, str], flatten: bool) -> None:
    """Make a Parquet file.

    Args:
        lines: JSON lines.
        out: The file to write; durable when this returns.
        columns: Its columns.
        flatten: Whether the lines are rows as JSON has them, not yet by column.
    """
    pyarrow: Any = need("pyarrow", purpose="Parquet output")
    parquet: Any = need("pyarrow.parquet", purpose="Parquet output")
    schema = schema_of(columns)
    with lines.open(encoding="utf-8") as source, out.open("wb") as sink:
        with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
            # An empty group too, so that a run without inputs gives a file with columns.
            for group in _groups(map(json.loads, source)):
                rows = [flat(row) for row in group] if flatten else group
                writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
        sink.flush()
        os.fsync(sink.fileno())


def _groups(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    first = True
    while group := list(itertools.islice(rows, ROW_GROUP)):
        first = False
        yield group
    if first:
        yield []
