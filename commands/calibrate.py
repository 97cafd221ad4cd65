"""`hsegap calibrate`: intervals, warning limits and the metal threshold of an artifact, from validation rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hsegap.commands import output
from hsegap.commands.options import RewrittenOption, split_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from rich.progress import Progress

    from hsegap.evaluation.calibration import Learned
    from hsegap.evaluation.residuals import Residual
    from hsegap.evaluation.rows import Row
    from hsegap.evaluation.seen import Seen
    from hsegap.prediction.nearest import Known
    from hsegap.prediction.predictor import Predictor


ArtifactArgument = Annotated[
    Path, typer.Argument(metavar="ARTIFACT", help="Artifact to calibrate.", show_default=False)
]
RowsOption = Annotated[
    list[str],
    typer.Option(
        metavar="FILES", help="Validation rows with and without a gap; commas between, repeatable.", show_default=False
    ),
]
TrainOption = Annotated[
    list[str], typer.Option(metavar="FILES", help="The rows that the network was trained on.", show_default=False)
]
ResidualsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CSV",
        help="Held-out predictions of training rows: id, target, prediction, prediction_without_text.",
        show_default=False,
    ),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        metavar="ARTIFACT",
        help="Without held-out predictions: assume the errors that this artifact, trained on the same rows, assumes.",
        show_default=False,
    ),
]
CoverageOption = Annotated[float, typer.Option(min=0.5, max=0.99, help="Share of gaps inside the intervals.")]
TrainRowsOption = Annotated[int, typer.Option(metavar="N", min=100, help="Use at most N training rows.")]
CacheOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Encoded texts, shared with training.")]


def calibrate(
    artifact: ArtifactArgument,
    *,
    rows: RowsOption,
    train: TrainOption,
    residuals: ResidualsOption = None,
    like: LikeOption = None,
    out: RewrittenOption = None,
    coverage: CoverageOption = 0.9,
    train_rows: TrainRowsOption = 3000,
    cache_dir: CacheOption = Path(".cache"),
) -> None:
    """Give an artifact its intervals, warning limits, metal threshold, reference and table of training crystals.

    The reference is what the atoms' contributions are counted from.

    Intervals are split-conformal. Validation rows of one half choose, those of the other calibrate; test rows have no
    place here. docs/uncertainty.md says how.

    \b
    Examples:
      hsegap calibrate artifacts/mine --rows val.jsonl.gz,val_metals.jsonl.gz --train train.jsonl.gz
      hsegap calibrate artifacts/mine --rows val.jsonl.gz --train train.jsonl.gz --residuals holdout.csv
      hsegap calibrate artifacts/mine --rows val.jsonl.gz --train train.jsonl.gz --like artifacts/hsegap-hse
    """
    status = run(
        artifact,
        rows=split_paths(rows),
        train=split_paths(train),
        residuals=split_paths(residuals),
        like=like,
        train_rows=train_rows,
        coverage=coverage,
        out=out,
        cache_dir=cache_dir,
    )
    raise typer.Exit(status)


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
        like: Another artifact, whose expected errors the model of the error is fitted to instead of held-out
            predictions.
        train_rows: Most training crystals, and most descriptions, that are looked at; drawn at random, the same on
            every run.
        coverage: Share of gaps that shall lie inside the intervals.
        out: Folder to write; None replaces the artifact.
        cache_dir: Folder of encoded texts, shared with training.

    Returns:
        Exit status: 0 if the artifact was written, else 1.
    """
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.commands.predict import open_predictor
    from hsegap.evaluation.residuals import read_residuals
    from hsegap.evaluation.rows import EvaluationError, read_rows

    try:
        validation = [row for path in rows for row in read_rows(path)]
        training = [row for path in train for row in read_rows(path)]
        tables = read_residuals(residuals)
        _check_overlap(tables, training, wanted=bool(residuals), like=like)
        given = Given(validation, training, _sample(training, train_rows, first=set(tables)), tables, like)
        with open_predictor(artifact, jobs=len(given.sample)) as predictor, output.progress() as bar:
            described = [str(row.description) for row in _sample(given.described, train_rows, first=set())]
            texts = _text_vectors(predictor, described, cache_dir)
            learned, table = _learned(given, predictor, texts, bar, coverage=coverage)
            folder = predictor.artifact.folder
        written = write(folder, learned, table, out=out or folder)
    except (ArtifactError, EvaluationError) as error:
        output.note(f"hsegap: {error}")
        return 1
    for name, value in _facts(learned.settings):
        output.note(f"{name}: {value}")
    output.note(f"wrote {written}")
    return 0


class Given(NamedTuple):
    """What a calibration learns from.

    Attributes:
        validation: Labelled crystals that the network was not trained on.
        training: Those that it was.
        sample: The training crystals that are looked at.
        tables: Held-out predictions of training rows, by the rows' names.
        like: Another artifact whose expected errors are taken instead; None for none.
    """

    validation: list[Row]
    training: list[Row]
    sample: list[Row]
    tables: dict[str, Residual]
    like: Path | None

    @property
    def described(self) -> list[Row]:
        """The training rows with a description."""
        return [row for row in self.training if row.description is not None]


def _learned(
    given: Given, predictor: Predictor, texts: np.ndarray, bar: Progress, *, coverage: float
) -> tuple[Learned, Known]:
    """See the crystals through the artifact, calibrate, and place the crystals that answers name as neighbours."""
    from hsegap.evaluation.calibration import embedding_of, learn, observe
    from hsegap.evaluation.nearest_table import table_of
    from hsegap.evaluation.residuals import held_out, held_out_known

    def watched(task: str, rows: list[Row], *, with_text: bool) -> list[Seen]:
        number = bar.add_task(task, total=len(rows))
        return observe(rows, predictor, with_text=with_text, advance=lambda: bar.advance(number))

    seen = watched("validation", given.validation, with_text=True)
    observed = watched("training crystals", given.sample, with_text=given.like is not None)
    bare = [item.without_text() for item in observed]
    if given.like is None:
        fitted, origin = list(held_out(bare, given.tables, {row.id for row in given.described})), "held out of training"
    else:
        fitted, origin = _alike([*observed, *bare], given.sample, given.like)
    pbe_gaps = {row.id: row.pbe_gap_ev for row in given.training if row.pbe_gap_ev is not None}
    learned = learn(
        seen,
        bare,
        texts,
        fitted,
        coverage=coverage,
        origin=origin,
        known=_stated(given.validation, predictor),
        known_residuals=list(held_out_known(bare, given.tables, pbe_gaps)),
    )
    number = bar.add_task("neighbours", total=len(given.training) - len(given.sample))
    embedding = embedding_of(learned)
    return learned, table_of(given.training, predictor, embedding, observed=bare, advance=lambda: bar.advance(number))


def _stated(validation: list[Row], predictor: Predictor) -> list[Seen]:
    """Validation rows with their PBE gaps stated, without and with their texts.

    None where the network takes no such fact.
    """
    from hsegap.evaluation.calibration import observe

    if "pbe_gap_ev" not in predictor.network().facts:
        return []
    return [
        seen
        for with_text in (False, True)
        for seen in observe(validation, predictor, with_text=with_text, with_facts=True)
    ]


def _alike(seen: list[Seen], sample: list[Row], like: Path) -> tuple[list[Seen], str]:
    """The crystals with the errors that another artifact expects, and that artifact's name.

    Raises:
        EvaluationError: If it has no model of its errors.
    """
    from hsegap.commands.predict import open_predictor
    from hsegap.evaluation.calibration import observe
    from hsegap.evaluation.residuals import expected_alike
    from hsegap.evaluation.rows import EvaluationError
    from hsegap.prediction.uncertainty import read_calibration

    with open_predictor(like, jobs=len(sample)) as predictor:
        manifest = predictor.artifact.manifest
        calibration = read_calibration(predictor.artifact)
        if calibration is None:
            raise EvaluationError(f"{like} has no model of its errors.", "Name an artifact that is calibrated.")
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
    from hsegap.evaluation.rows import EvaluationError

    if wanted and like is not None:
        raise EvaluationError(
            "--residuals and --like exclude each other.", "Held-out predictions, where there are any, are better."
        )
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
        *(
            (name, f"{value:.4g}" if isinstance(value, float) else str(value))
            for name, value in settings["chosen"].items()
        ),
        ("factor with text, without", f"{scaled['quantile']:.3f}, {scaled['quantile_no_text']:.3f}"),
        ("a metal below, eV", f"{settings['metal_below_ev']:g}"),
    ]


def write(folder: Path, learned: Learned, table: Known, *, out: Path) -> Path:
    """Write an artifact with its calibration; it appears whole or not at all.

    Args:
        folder: The artifact.
        learned: Its calibration.
        table: Training crystals to name neighbours from.
        out: Folder to write, which may be the artifact itself.

    Raises:
        ArtifactError: If another thing than an artifact stands there.
    """
    from safetensors.numpy import save

    from hsegap.artifact.rewrite import rewrite
    from hsegap.prediction.nearest import NEIGHBOURS_FILE
    from hsegap.prediction.scale import TENSORS

    files = {TENSORS: save(learned.arrays), NEIGHBOURS_FILE: save(table.arrays())}
    return rewrite(folder, out, files=files, changes={"calibration": learned.settings})
