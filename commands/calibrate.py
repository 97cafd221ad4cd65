"""`hsegap calibrate`: intervals, warning limits and the metal threshold of an artifact, from validation rows."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsegap.commands import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from hsegap.scoring.calibration import Learned, Residual, Seen
    from hsegap.scoring.evaluate import Row
    from hsegap.service.predictor import Predictor


def run(
    artifact: Path,
    *,
    rows: Sequence[Path],
    train: Sequence[Path],
    residuals: Sequence[Path],
    like: Path | None,
    train_rows: int,
    coverage: float,
    out: Path | None,
    cache_dir: Path,
) -> int:
    """Calibrate an artifact and write it back, or to another folder.

    Args:
        artifact: Artifact folder.
        rows: Validation files.
        train: Training files.
        residuals: Tables of held-out predictions of training rows.
        like: Another artifact, whose expected errors the model of the error is fitted to instead of held-out predictions.
        train_rows: Most training crystals, and most descriptions, that are looked at; drawn at random, the same on every run.
        coverage: Share of gaps that shall lie inside the intervals.
        out: Folder to write; None replaces the artifact.
        cache_dir: Folder of encoded texts, shared with training.

    Returns:
        Exit status: 0 if the artifact was written, else 1.
    """
    from hsegap.export.artifact import ArtifactError
    from hsegap.scoring.calibration import held_out, learn, observe, read_residuals
    from hsegap.scoring.evaluate import EvaluationError, read_rows

    try:
        validation = [row for path in rows for row in read_rows(path)]
        known = [row for path in train for row in read_rows(path)]
        tables = read_residuals(residuals)
        _check_overlap(tables, known, wanted=bool(residuals), like=like)
        sample = _sample(known, train_rows, first=set(tables))
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from hsegap.commands.predict import open_predictor

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with (
            open_predictor(artifact, jobs=len(sample)) as predictor,
            Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar,
        ):
            task = bar.add_task("validation", total=len(validation))
            seen = observe(validation, predictor, with_text=True, advance=lambda: bar.advance(task))
            task2 = bar.add_task("training crystals", total=len(sample))
            observed = observe(sample, predictor, with_text=like is not None, advance=lambda: bar.advance(task2))
            training = [item.without_text() for item in observed]
            described = [row for row in known if row.description is not None]
            texts = _text_vectors(predictor, [str(row.description) for row in _sample(described, train_rows, first=set())], cache_dir)
            fitted = list(held_out(training, tables, {row.id for row in described}))
            origin = "held out of training"
            if like is not None:
                fitted, origin = _alike([*observed, *training], sample, like)
            learned = learn(seen, training, texts, fitted, coverage=coverage, origin=origin)
            folder = predictor.artifact.folder
        written = write(folder, learned, out=out or folder)
    except (ArtifactError, EvaluationError) as error:
        output.note(f"hsegap: {error.message} {error.hint}")
        return 1
    for name, value in _facts(learned.settings):
        output.note(f"{name}: {value}")
    output.note(f"wrote {written}")
    return 0


def _alike(seen: list[Seen], sample: list[Row], like: Path) -> tuple[list[Seen], str]:
    """The crystals with the errors that another artifact expects, and that artifact's name.

    Raises:
        EvaluationError: If it has no model of its errors.
    """
    from hsegap.commands.predict import open_predictor
    from hsegap.scoring.calibration import expected_alike, observe
    from hsegap.scoring.evaluate import EvaluationError
    from hsegap.service.uncertainty import read_calibration

    with open_predictor(like, jobs=len(sample)) as predictor:
        manifest = predictor.artifact.manifest
        calibration = read_calibration(predictor.artifact)
        if calibration is None or calibration.model is None:
            raise EvaluationError(f"{like} has no model of its errors.", "Name an artifact whose intervals differ from crystal to crystal.")
        former = observe(sample, predictor, with_text=True)
    both = [*former, *(item.without_text() for item in former)]
    # A crystal without a description was seen twice in the same way.
    distinct = {(item.id, item.observation.text is not None): item for item in seen}
    return list(
        expected_alike(distinct.values(), both, calibration.model)
    ), f"with the errors that {manifest.name} {manifest.version} expects"


def _check_overlap(tables: dict[str, Residual], known: list[Row], *, wanted: bool, like: Path | None) -> None:
    """Refuse held-out predictions of rows that are not there, or beside another source of errors.

    Raises:
        EvaluationError: If none of the rows is there, or there are two sources.
    """
    from hsegap.scoring.evaluate import EvaluationError

    if wanted and like is not None:
        raise EvaluationError("--residuals and --like exclude each other.", "Held-out predictions, where there are any, are better.")
    if wanted and not any(row.id in tables for row in known):
        hint = "Give the training file they were made from."
        raise EvaluationError("No row of the held-out tables stands in the training file.", hint)


def _sample(rows: Sequence[Row], most: int, *, first: set[str]) -> list[Row]:
    """Rows drawn at random, the same on every run; those with a held-out prediction come first."""
    import numpy as np

    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[index] for index in sorted(order, key=lambda index: rows[index].id not in first)[:most]]


def _text_vectors(predictor: Predictor, texts: list[str], cache_dir: Path) -> np.ndarray:
    """Pooled vectors of texts; those that training has encoded are read from its folder."""
    import numpy as np

    from hsegap.text import VectorCache

    with VectorCache(cache_dir / "text") as cache:
        # The plain encoder: the predictor's memory for texts has no use for texts that come once.
        return np.array(predictor.encoder().encode_many(texts, pooled=True, cache=cache))


def _facts(settings: dict[str, Any]) -> list[tuple[str, str]]:
    scaled = settings["scaled"]
    return [
        *((name, str(value)) for name, value in settings["rows"].items()),
        *((name, f"{value:.4g}" if isinstance(value, float) else str(value)) for name, value in settings["chosen"].items()),
        ("factor with text, without", f"{scaled['quantile']:.3f}, {scaled['quantile_no_text']:.3f}"),
        ("a metal below, eV", f"{settings['metal_below_ev']:g}"),
    ]


def write(folder: Path, learned: Learned, *, out: Path) -> Path:
    """Write an artifact with its calibration; it appears whole or not at all.

    Args:
        folder: The artifact.
        learned: Its calibration.
        out: Folder to write, which may be the artifact itself.

    Raises:
        EvaluationError: If another thing than an artifact stands there.
    """
    from safetensors.numpy import save

    from hsegap.service.scale import TENSORS

    return rewrite(folder, out, files={TENSORS: save(learned.arrays)}, changes={"calibration": learned.settings})


def rewrite(folder: Path, out: Path, *, files: dict[str, bytes], changes: dict[str, Any]) -> Path:
    """Write an artifact with some files and manifest entries replaced; it appears whole or not at all.

    Raises:
        EvaluationError: If another thing than an artifact stands at ``out``.
    """
    import json

    from hsegap.export.manifest import MANIFEST_NAME, write_manifest
    from hsegap.scoring.evaluate import EvaluationError

    out = out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST_NAME).is_file():
        raise EvaluationError(f"{out} exists and is not an artifact.", "Name another folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((folder / MANIFEST_NAME).read_bytes())
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        fresh, old = Path(temporary) / "new", Path(temporary) / "old"
        shutil.copytree(folder, fresh)
        for name, content in files.items():
            (fresh / name).write_bytes(content)
            (fresh / name).chmod(0o644)
        fresh.chmod(0o755)
        write_manifest(fresh, manifest | changes)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    return out
