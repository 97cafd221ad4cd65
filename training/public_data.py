"""Public sets of computed gaps, fetched through jarvis-tools, as rows to learn from."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import math
import os
import sys
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.structures.subsets import fold_of
from hsegap.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Of ten parts by formula: which go where. Crystals of one formula stay together, so that no test row has a twin in
#: training.
PARTS = 10
SPLIT = {0: "test", 1: "val"}
#: Rows after which a conversion's progress is safe on disk.
FLUSH_EVERY = 200


class Source(NamedTuple):
    """A public set.

    Attributes:
        identifier: Field that names a row.
        gaps: Our field and theirs, in eV.
        target: Our field of the gap that the set is about.
        property: Folder of the CrysMMNet layout.
        citation: What to cite.
    """

    identifier: str
    gaps: dict[str, str]
    target: str
    property: str
    citation: str


SOURCES = {
    "snumat": Source(
        "SNUMAT_id",
        {"hse_gap_ev": "Band_gap_HSE", "pbe_gap_ev": "Band_gap_GGA"},
        "hse_gap_ev",
        "hse_bandgap",
        "S. Kim et al., Scientific Data 7, 387 (2020)",
    ),
    "dft_3d": Source(
        "jid",
        {"hse_gap_ev": "hse_gap", "optb88vdw_gap_ev": "optb88vdw_bandgap", "mbj_gap_ev": "mbj_bandgap"},
        "optb88vdw_gap_ev",
        "optb88vdw_bandgap",
        "K. Choudhary et al., npj Computational Materials 6, 173 (2020)",
    ),
}


def download(name: str, store: Path) -> list[dict[str, Any]]:
    """Fetch a set through jarvis-tools, or read it where it was fetched before.

    Args:
        name: One of :data:`SOURCES`.
        store: Folder that keeps the download; jarvis-tools looks there first.

    Raises:
        DataError: If there is no network, or what came is not the set; a broken download is removed.
    """
    from jarvis.db.figshare import data, get_db_info

    store.mkdir(parents=True, exist_ok=True)
    archive = store / f"{get_db_info()[name][1]}.zip"
    try:
        with contextlib.redirect_stdout(sys.stderr):  # jarvis-tools tells its progress where our answers go
            rows = data(name, store_dir=str(store))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, EOFError) as error:
        # It keeps whatever the server sent, an error page or half a file, and would read that for ever after.
        archive.unlink(missing_ok=True)
        raise DataError(
            f"what was fetched for {name} is not the data set ({error}); the file was removed: start again"
        ) from error
    except OSError as error:  # requests' errors are OSErrors, too
        if not zipfile.is_zipfile(archive):
            archive.unlink(missing_ok=True)
        place = get_db_info()[name][0]
        message = (
            f"{name} could not be fetched from {place} ({type(error).__name__}). "
            f"Where there is a network, save it as {archive}"
        )
        raise DataError(f"{message}, then start again here") from error
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        archive.unlink(missing_ok=True)
        raise DataError(f"{name} holds no rows; the file was removed: start again")
    return rows


def _number(value: Any) -> float | None:
    """A gap in eV; None where the set has none (it writes ``na``)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def row_of(item: dict[str, Any], name: str) -> dict[str, Any]:
    """One entry of a set as a row of ours: P 1 CIF, gaps in eV.

    Raises:
        DataError: If the entry has no gap.
        structures.StructureError: If its structure cannot be used.
    """
    from pymatgen.io.cif import CifWriter

    from hsegap.structures import read

    source = SOURCES[name]
    gaps = {ours: _number(item.get(theirs)) for ours, theirs in source.gaps.items()}
    if gaps[source.target] is None:
        raise DataError(f"no {source.gaps[source.target]}")
    crystal = read(json.dumps(item["atoms"]), format="jarvis")
    return {
        "id": str(item[source.identifier]),
        "formula": crystal.formula,
        "n_sites": crystal.n_atoms,
        "source": name,
        "label_confidence": "high",
        **gaps,
        "cif": str(CifWriter(crystal.to_pymatgen(), symprec=None)),
        "description": None,
    }


def convert(
    name: str, store: Path, out: Path, *, limit: int | None = None, report: Callable[[str], None] = print
) -> dict[str, int]:
    """Write ``NAME_train``, ``NAME_val`` and ``NAME_test.jsonl.gz``; a run that was stopped goes on where it was.

    Args:
        name: One of :data:`SOURCES`.
        store: Folder of downloads.
        out: Folder to write.
        limit: Only the first so many entries.
        report: Receives lines for the user.

    Returns:
        Rows per file, and ``skipped``.

    Raises:
        DataError: If nothing can be fetched or converted.
    """
    from hsegap.structures import StructureError

    items = download(name, store)[:limit]
    out.mkdir(parents=True, exist_ok=True)
    part, done = out / f".{name}.part.jsonl", {}
    for line in _lines(part):
        done[line["entry"]] = line
    report(f"{name}: {len(items)} entries, {len(done)} converted before")
    skipped = 0
    with part.open("a", encoding="utf-8") as stream:
        for number, item in enumerate(items):
            if number in done:
                continue
            try:
                line = {"entry": number, "row": row_of(item, name)}
            except (StructureError, DataError, KeyError, TypeError, ValueError) as error:
                line = {"entry": number, "skipped": str(error)[:200]}
            done[number] = line
            stream.write(json.dumps(line) + "\n")
            if number % FLUSH_EVERY == FLUSH_EVERY - 1:
                stream.flush()
                os.fsync(stream.fileno())
    counts = {"train": 0, "val": 0, "test": 0}
    files = {use: out / f"{name}_{use}.jsonl.gz" for use in counts}
    with contextlib.ExitStack() as stack:
        streams = {use: stack.enter_context(_packed(path.with_suffix(".tmp"))) for use, path in files.items()}
        for number in range(len(items)):
            row = done[number].get("row")
            if row is None:
                skipped += 1
                continue
            use = SPLIT.get(fold_of(row["formula"], PARTS), "train")
            counts[use] += 1
            streams[use].write(json.dumps(row).encode() + b"\n")
    if not sum(counts.values()):
        reason = next((line["skipped"] for line in done.values() if "skipped" in line), "it is empty")
        raise DataError(f"no entry of {name} can be used; the first: {reason}")
    for path in files.values():
        path.with_suffix(".tmp").replace(path)
    part.unlink()
    report(f"cite: {SOURCES[name].citation}")
    return counts | {"skipped": skipped}


def _packed(path: Path) -> gzip.GzipFile:
    # No time of writing inside: the same rows are the same file.
    return gzip.GzipFile(path, "wb", mtime=0)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines of an interrupted conversion; what a killed run wrote half is cut off."""
    if not path.is_file():
        return
    whole = 0
    with path.open("rb") as stream:
        for line in stream:
            try:
                yield json.loads(line)
            except ValueError:
                break
            whole += len(line)
    os.truncate(path, whole)


def write_folder(name: str, files: list[Path], root: Path) -> Path:
    """Write rows in the CrysMMNet layout: ``ROOT/jarvis/PROPERTY/cif/ID.cif`` and ``description.csv``.

    Args:
        name: One of :data:`SOURCES`.
        files: Of :func:`convert`.
        root: Where the layout starts.
    """
    source = SOURCES[name]
    folder = root / "jarvis" / source.property
    (folder / "cif").mkdir(parents=True, exist_ok=True)
    with (folder / "description.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["id", "composition", source.target, "description", "file_name"])
        for path in files:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for row in map(json.loads, lines):
                    file_name = f"{row['id']}.cif"
                    (folder / "cif" / file_name).write_text(row["cif"], encoding="utf-8")
                    writer.writerow(
                        [row["id"], row["formula"], row[source.target], row["description"] or "", file_name]
                    )
    return folder
