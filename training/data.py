"""Rows to learn from: ``.jsonl.gz`` files and the CrysMMNet folder layout."""

from __future__ import annotations

import csv
import gzip
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from training.options import TrainingOptions


class DataError(ValueError):
    """Data that is not where, or not what, the options say."""


@dataclass(frozen=True)
class Row:
    """One crystal to learn from.

    Attributes:
        id: Its name in the data set.
        structure: Text of the structure file, or the path of one.
        target: Number to learn (eV for gaps).
        description: Text, or None.
        weight: Weight in the loss.
    """

    id: str
    structure: str | Path
    target: float
    description: str | None
    weight: float = 1.0


@dataclass(frozen=True)
class Splits:
    """Rows by use, and the rows that could not be read with the reason."""

    train: list[Row]
    val: list[Row]
    test: list[Row]
    skipped: list[tuple[str, str]]


def load_splits(options: TrainingOptions) -> Splits:
    """Read the rows that the options name.

    Raises:
        DataError: If a file or folder is missing (naming those that exist) or no row is left.
    """
    skipped: list[tuple[str, str]] = []
    if options.train_file:
        weights = parse_weights(options.confidence_weights)
        train, val, test = (
            read_jsonl(paths, target=options.target, weights=weights, skipped=skipped)
            for paths in (options.train_file, options.val_file, options.test_file)
        )
        # A seeded order, so that --n_train takes a sample and not the head of a sorted file.
        order = np.random.default_rng(options.random_seed).permutation(len(train))
        train = [train[i] for i in order[: options.n_train]]
        val, test = val[: options.n_val], test[: options.n_test]
    else:
        rows = read_folder(options, skipped)
        train, val, test = _split(rows, options)
    if not train or not val:
        raise DataError(f"{len(train)} training and {len(val)} validation rows are left; both are needed. {len(skipped)} rows were skipped.")
    return Splits(train, val, test, skipped)


def parse_weights(text: str) -> dict[str, float]:
    """Read ``high=1,medium=0.7``.

    Raises:
        DataError: If it is written otherwise.
    """
    try:
        return {key.strip(): float(value) for key, value in (part.split("=") for part in text.split(",") if part.strip())}
    except ValueError as error:
        raise DataError(f"--confidence_weights is written high=1,medium=0.7,low=0.4, not {text!r}") from error


def read_jsonl(paths: str, *, target: str, weights: dict[str, float] | None = None, skipped: list[tuple[str, str]] | None = None) -> list[Row]:
    """Read ``.jsonl.gz`` (or ``.jsonl``) files, comma-separated.

    Args:
        paths: Files; an empty string gives no rows.
        target: Field to learn; several, comma-separated, are tried in order.
        weights: Loss weight by the field ``label_confidence``.
        skipped: Receives (id, reason) of rows without the target.

    Raises:
        DataError: If a file is missing or a line is not JSON.
    """
    fields = [name.strip() for name in target.split(",")]
    rows = []
    for path in filter(None, (part.strip() for part in paths.split(","))):
        for number, item in _json_lines(Path(path)):
            value = next((item[name] for name in fields if item.get(name) is not None), None)
            name = str(item.get("id", f"{Path(path).name}:{number}"))
            if value is None or not isinstance(item.get("cif"), str):
                if skipped is not None:
                    skipped.append((name, f"no {' or '.join(fields)}" if value is None else "no cif"))
                continue
            weight = (weights or {}).get(str(item.get("label_confidence", "")), 1.0)
            rows.append(Row(name, item["cif"], float(value), item.get("description") or None, weight))
    return rows


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.is_file():
        raise DataError(f"{path} does not exist")
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, json.loads(line)
    except (json.JSONDecodeError, OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a file of one JSON object a line ({error})") from error


#: Layouts: folder below the root, table, and where target and description stand (by position; the header is skipped).
MP_TARGETS = {"formation_energy_peratom": ("mp_2018_new", 2), "bulk_modulus_kv": ("mp_2018_small", 2), "shear_modulus_gv": ("mp_2018_small", 3)}


def read_folder(options: TrainingOptions, skipped: list[tuple[str, str]]) -> list[Row]:
    """Read the CrysMMNet layout below ``root_dir``.

    Raises:
        DataError: If the folder or its table is missing; the folders that exist are named.
    """
    root = Path(options.root_dir)
    name = options.property_folder
    log_target = False
    if options.dataset == "mp":
        folder_name, target_column = MP_TARGETS.get(name, ("mp_2018_new", 3))
        log_target = folder_name == "mp_2018_small"
        folder, table_name, description_column = root / folder_name, "mat_text.csv", 4
    elif options.dataset == "class":
        folder, table_name, target_column, description_column = root / "class" / name, "description.csv", 1, 2
    else:
        folder = root / options.dataset / name
        if options.dataset == "toy" and not folder.is_dir():
            folder = root / "toy"
        table_name, target_column, description_column = "description.csv", 2, 3
    table = _table(folder, table_name)
    return list(_table_rows(table, folder, target_column, description_column, log_target=log_target, skipped=skipped))


def check_source(options: TrainingOptions) -> None:
    """Say at once that a file or folder is missing, before anything is read or built.

    Raises:
        DataError: With the folders that exist.
    """
    if options.train_file:
        for path in ",".join((options.train_file, options.val_file, options.test_file)).split(","):
            if path.strip() and not Path(path.strip()).is_file():
                raise DataError(f"{path.strip()} does not exist")
        return
    root = Path(options.root_dir)
    base = root if options.dataset in {"mp", "toy"} else root / options.dataset
    if not base.is_dir():
        raise DataError(f"{base} does not exist. {_existing(root)}")
    if options.dataset in {"jarvis", "class"} and not (base / options.property_folder).is_dir():
        raise DataError(f"there is no property folder {base / options.property_folder}. {_existing(base)}")


def _existing(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} does not exist either; give --root_dir."
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    return f"Folders in {folder}: {', '.join(names) or 'none'}."


def _table(folder: Path, preferred: str) -> Path:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}. {_existing(folder.parent)}")
    if (folder / preferred).is_file():
        return folder / preferred
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise DataError(f"{folder} has no {preferred} (tables there: {', '.join(path.name for path in tables) or 'none'})")
    return tables[0]


def _table_rows(
    table: Path, folder: Path, target_column: int, description_column: int, *, log_target: bool, skipped: list[tuple[str, str]]
) -> Iterator[Row]:
    # Descriptions of large cells exceed the csv module's 128 kB default.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with table.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        next(reader, None)
        for fields in reader:
            if not fields:
                continue
            name = fields[0]
            try:
                target = float(fields[target_column])
            except (ValueError, IndexError):
                skipped.append((name, "no target"))
                continue
            if not math.isfinite(target) or (log_target and target <= 0):
                skipped.append((name, f"target {target} cannot be learned"))
                continue
            file = _structure_file(folder, name, fields[description_column + 1] if len(fields) > description_column + 1 else "")
            if file is None:
                skipped.append((name, "its CIF file is missing"))
                continue
            description = fields[description_column].strip() if len(fields) > description_column else ""
            yield Row(name, file, math.log10(target) if log_target else target, description or None)


def _structure_file(folder: Path, name: str, file_name: str) -> Path | None:
    names = [Path(text).name for text in (file_name, f"{name}.cif", name) if text.strip()]
    candidates = (parent / candidate for candidate in names for parent in (folder / "cif", folder))
    return next((path for path in candidates if path.is_file()), None)


def _split(rows: list[Row], options: TrainingOptions) -> tuple[list[Row], list[Row], list[Row]]:
    """Shuffle with the seed; training rows from the front, test rows from the back, validation before them."""
    order = np.random.default_rng(options.random_seed).permutation(len(rows))
    n_train = options.n_train if options.n_train is not None else int(options.train_ratio * len(rows))
    n_val = options.n_val if options.n_val is not None else int(options.val_ratio * len(rows))
    n_test = options.n_test if options.n_test is not None else int(options.test_ratio * len(rows))
    if n_train + n_val + n_test > len(rows):
        raise DataError(f"{n_train} + {n_val} + {n_test} rows are asked for; the data set has {len(rows)}")
    shuffled = [rows[i] for i in order]
    rest = shuffled[n_train:]
    test = rest[len(rest) - n_test :]
    return shuffled[:n_train], rest[len(rest) - n_test - n_val : len(rest) - n_test], test
