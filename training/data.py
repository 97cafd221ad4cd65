"""Rows to learn from: ``.jsonl.gz`` files and the CrysMMNet folder layout."""

from __future__ import annotations

import csv
import gzip
import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hsegap.structures.subsets import fold_of, in_second_half
from hsegap.training.errors import DataError
from hsegap.training.rows import Row
from hsegap.training.saved_graphs import SavedGraphs, saved_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hsegap.training.options import TrainingOptions

__all__ = [
    "ESTIMATED",
    "DataError",
    "Row",
    "Splits",
    "check_source",
    "load_splits",
    "parse_weights",
    "read_folder",
    "read_jsonl",
]


#: What a row with an estimated target has in the field ``label_confidence``.
ESTIMATED = "estimated"


@dataclass(frozen=True)
class Splits:
    """Rows by use, the rows that could not be read with the reason, and what the user should know about them.

    ``holdout`` has the training rows of a fold left out, if one is.
    """

    train: list[Row]
    val: list[Row]
    test: list[Row]
    skipped: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)
    holdout: list[Row] = field(default_factory=list)


def load_splits(options: TrainingOptions) -> Splits:
    """Read the rows that the options name.

    Raises:
        DataError: If a file or folder is missing (naming those that exist) or no row is left.
    """
    skipped: list[tuple[str, str]] = []
    notes = []
    saved = _saved_graphs(options)
    if saved is not None and "flavour" not in saved.settings:
        notes.append(
            f"the graphs in {saved.folder} do not say how they were built: "
            f"taken as flavour {options.graph_flavour} (--graph_flavour)"
        )
    if options.train_file:
        weights = parse_weights(options.confidence_weights)
        train, val, test = (
            read_jsonl(paths, target=options.target, weights=weights, skipped=skipped, joint=options.pbe_head != "none")
            for paths in (options.train_file, options.val_file, options.test_file)
        )
        if options.only_described:
            train, val, test = (_described(rows) for rows in (train, val, test))
        # A seeded order, so that --n_train takes a sample and not the head of a sorted file.
        order = np.random.default_rng(options.random_seed).permutation(len(train))
        train = [train[i] for i in order[: options.n_train]]
        val, test = val[: options.n_val], test[: options.n_test]
        if saved is not None:
            train, val, test = (saved.give(rows, skipped) for rows in (train, val, test))
    else:
        rows = read_folder(options, skipped)
        if saved is not None:
            rows = saved.give(rows, skipped)
        if options.only_described:
            rows = _described(rows)
        train, val, test = _split(rows, options)
    train, held_out = _hold_out(_without_excluded(train, options.exclude, skipped), options)
    if options.val_half != "both":
        val = [row for row in val if in_second_half(row.id) == (options.val_half == "second")]
    if not train or not val:
        raise DataError(
            f"{len(train)} training and {len(val)} validation rows are left; both are needed. "
            f"{len(skipped)} rows were skipped."
        )
    return Splits(train, val, test, skipped, notes, held_out)


def _hold_out(rows: list[Row], options: TrainingOptions) -> tuple[list[Row], list[Row]]:
    """Rows to train on, and those of the fold left out."""
    if options.holdout_fold is None:
        return rows, []
    fold, folds = options.holdout_fold
    return [row for row in rows if fold_of(row.id, folds) != fold], [
        row for row in rows if fold_of(row.id, folds) == fold
    ]


def _without_excluded(rows: list[Row], files: str, skipped: list[tuple[str, str]]) -> list[Row]:
    """The rows whose ids no file names."""
    excluded: dict[str, str] = {}
    for name in filter(None, (part.strip() for part in files.split(","))):
        try:
            lines = Path(name).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise DataError(f"--exclude {name}: {error.strerror}") from error
        excluded |= {identifier: name for line in lines if (identifier := line.partition("#")[0].strip())}
    skipped.extend((row.id, f"excluded by {excluded[row.id]}") for row in rows if row.id in excluded)
    return [row for row in rows if row.id not in excluded]


def _described(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.description]


def _saved_graphs(options: TrainingOptions) -> SavedGraphs | None:
    """The saved graphs that ``--use_preprocessed`` asks for.

    Raises:
        DataError: If there are none, DGL is missing, or they were built with other settings than the network is served
            with.
    """
    if not options.use_preprocessed:
        return None
    from hsegap.training.dgl import import_dgl

    saved = SavedGraphs.open(
        saved_folder(options.preprocessed_dir, options.dataset, options.property_folder), flavour=options.graph_flavour
    )
    config = options.fusion_config(text_features=1)
    for name in ("cutoff", "max_neighbors"):
        if saved.settings.get(name, getattr(config, name)) != getattr(config, name):
            raise DataError(
                f"the graphs in {saved.folder} were built with {name} {saved.settings[name]}; "
                f"this network reads {getattr(config, name)}"
            )
    try:
        import_dgl()
    except ImportError as error:
        raise DataError(f"--use_preprocessed: {error}") from error
    return saved


def parse_weights(text: str) -> dict[str, float]:
    """Read ``high=1,medium=0.7``.

    Raises:
        DataError: If it is written otherwise.
    """
    try:
        return {
            key.strip(): float(value) for key, value in (part.split("=") for part in text.split(",") if part.strip())
        }
    except ValueError as error:
        raise DataError(f"--confidence_weights is written high=1,medium=0.7,low=0.4, not {text!r}") from error


def read_jsonl(
    paths: str,
    *,
    target: str,
    weights: dict[str, float] | None = None,
    skipped: list[tuple[str, str]] | None = None,
    joint: bool = False,
) -> list[Row]:
    """Read ``.jsonl.gz`` (or ``.jsonl``) files, comma-separated.

    Args:
        paths: Files; an empty string gives no rows.
        target: Field to learn; several, comma-separated, are tried in order.
        weights: Loss weight by the field ``label_confidence``.
        skipped: Receives (id, reason) of rows without the target.
        joint: Keep rows that have a PBE gap and no target, and let each id count once: the row with the target.

    Raises:
        DataError: If a file is missing or a line is not JSON.
    """
    fields = [name.strip() for name in target.split(",")]
    rows = []
    for path in filter(None, (part.strip() for part in paths.split(","))):
        for number, item in json_lines(Path(path)):
            value = next((item[name] for name in fields if item.get(name) is not None), None)
            name = str(item.get("id", f"{Path(path).name}:{number}"))
            pbe_gap = item.get("pbe_gap_ev")
            if joint and value is None and pbe_gap is not None:
                value = math.nan
            if value is None or not isinstance(item.get("cif"), str):
                if skipped is not None:
                    skipped.append((name, f"no {' or '.join(fields)}" if value is None else "no cif"))
                continue
            confidence = str(item.get("label_confidence", ""))
            weight = (weights or {}).get(confidence, 1.0)
            description = item.get("description") or None
            rows.append(Row(name, item["cif"], float(value), description, weight, confidence == ESTIMATED, pbe_gap))
    return _each_once(rows) if joint else rows


def _each_once(rows: list[Row]) -> list[Row]:
    """One row an id, in the order of first appearance: the one with the target where there are several."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.id not in best or math.isnan(best[row.id].target):
            best[row.id] = row
    return list(best.values())


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
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


def write_json_lines(out: Path, items: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line to the ``.jsonl.gz`` file ``out``, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    with gzip.open(part, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(item) + "\n" for item in items)
    part.replace(out)


class Layout(NamedTuple):
    """Where a data set's table stands and which of its columns (by position; the header is skipped) say what."""

    folder: Path
    table: str
    target: int
    description: int
    log_target: bool = False


#: The tables of the Materials Project sets hold several properties: word in the property's name, folder, column.
MP_TARGETS = {
    "formation": ("mp_2018_new", 2),
    "gap": ("mp_2018_new", 3),
    "bulk": ("mp_2018_small", 2),
    "shear": ("mp_2018_small", 3),
}


def find_layout(options: TrainingOptions) -> Layout:
    """Where the data that the options name are.

    Raises:
        DataError: If there is no such folder or property; those that exist are named.
    """
    root, name = Path(options.root_dir), options.property_folder
    base = root if options.dataset in {"mp", "toy"} else root / options.dataset
    if not base.is_dir():
        raise DataError(f"{base} does not exist. {_existing(root)}")
    if options.dataset == "mp":
        found = next((place for word, place in MP_TARGETS.items() if word in name), None)
        if found is None:
            known = "formation_energy, band_gap (mp_2018_new), bulk_modulus, shear_modulus (mp_2018_small)"
            raise DataError(f"the Materials Project sets have no property {name}. Known are: {known}.")
        return Layout(root / found[0], "mat_text.csv", found[1], 4, log_target=found[0] == "mp_2018_small")
    if options.dataset == "toy":
        folder = root / "toy" / name
        return Layout(folder if folder.is_dir() else root / "toy", "description.csv", 2, 3)
    if not (base / name).is_dir():
        raise DataError(f"there is no property folder {base / name}. {_existing(base)}")
    if options.dataset == "class":
        return Layout(base / name, "description.csv", 1, 2)
    return Layout(base / name, "description.csv", 2, 3)


def read_folder(options: TrainingOptions, skipped: list[tuple[str, str]]) -> list[Row]:
    """Read the CrysMMNet layout below ``root_dir``.

    Raises:
        DataError: If the folder or its table is missing; the folders that exist are named.
    """
    layout = find_layout(options)
    table = _table(layout.folder, layout.table)
    return list(_table_rows(table, layout, needs_file=not options.use_preprocessed, skipped=skipped))


def check_source(options: TrainingOptions) -> None:
    """Say at once that a file or folder is missing, before anything is read or built.

    Raises:
        DataError: With the folders that exist.
    """
    _saved_graphs(options)
    if options.train_file:
        for path in f"{options.train_file},{options.val_file},{options.test_file}".split(","):
            if path.strip() and not Path(path.strip()).is_file():
                raise DataError(f"{path.strip()} does not exist")
        return
    layout = find_layout(options)
    _table(layout.folder, layout.table)


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
        raise DataError(
            f"{folder} has no {preferred} (tables there: {', '.join(path.name for path in tables) or 'none'})"
        )
    return tables[0]


def _table_rows(table: Path, layout: Layout, *, needs_file: bool, skipped: list[tuple[str, str]]) -> Iterator[Row]:
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
                target = float(fields[layout.target])
            except (ValueError, IndexError):
                skipped.append((name, "no target"))
                continue
            if not math.isfinite(target) or (layout.log_target and target <= 0):
                skipped.append((name, f"target {target} cannot be learned"))
                continue
            file = _structure_file(
                layout.folder, name, fields[layout.description + 1] if len(fields) > layout.description + 1 else ""
            )
            if file is None and needs_file:
                skipped.append((name, "its CIF file is missing"))
                continue
            description = fields[layout.description].strip() if len(fields) > layout.description else ""
            yield Row(name, file or "", math.log10(target) if layout.log_target else target, description or None)


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
