"""`hsegap card`: the model card of an artifact, from what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import output
from hsegap.commands.options import RewrittenOption, split_paths

if TYPE_CHECKING:
    from collections.abc import Sequence


def card(
    artifact: Annotated[
        Path, typer.Argument(metavar="ARTIFACT", help="Artifact whose card is written.", show_default=False)
    ],
    *,
    evaluation: Annotated[
        list[str],
        typer.Option(
            metavar="FOLDER",
            help="What `hsegap evaluate --out` wrote, the main rows first; repeatable.",
            show_default=False,
        ),
    ],
    maps: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What `python benchmarks/maps.py --card` wrote: how faithful the maps are.",
            show_default=False,
        ),
    ] = None,
    docs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the card here as well, for the docs.", show_default=False)
    ] = None,
    out: RewrittenOption = None,
) -> None:
    """Write an artifact's model card from what was measured.

    Card, plots and the manifest's metrics all come from the JSON of `hsegap evaluate --out`; figures of another network
    or another calibration are refused.

    \b
    Examples:
      hsegap card artifacts/mine --evaluation runs/evaluation
      hsegap card artifacts/hsegap-hse --evaluation runs/evaluation --maps maps.md --docs docs/model_card.md
    """
    raise typer.Exit(run(artifact, evaluations=split_paths(evaluation), maps=maps, docs=docs, out=out))


def run(
    artifact: Path, *, evaluations: Sequence[Path], maps: Path | None = None, docs: Path | None, out: Path | None
) -> int:
    """Write the card, its plots and the manifest's metrics.

    Args:
        artifact: Artifact folder.
        evaluations: Folders that ``hsegap evaluate --out`` wrote; the first is the main one.
        maps: What the benchmark of the maps wrote; None leaves its tables out.
        docs: Markdown file to write the card to as well, its plots beside it in ``images/``; None writes none.
        out: Artifact folder to write; None replaces the artifact.

    Returns:
        Exit status: 0 if the card was written, else 1.
    """
    from hsegap.artifact.artifact import CARD_NAME, Artifact, ArtifactError
    from hsegap.artifact.rewrite import rewrite
    from hsegap.evaluation.card import model_card
    from hsegap.evaluation.card_figures import measured, metrics
    from hsegap.evaluation.evaluation_report import BARS, PARITY
    from hsegap.evaluation.rows import EvaluationError

    try:
        opened = Artifact.load(artifact)
        reports = [_read(folder, opened) for folder in evaluations]
        manifest: dict[str, Any] = opened.manifest.model_dump(mode="json") | {"metrics": metrics(reports)}
        extra = _maps(maps, opened) if maps is not None else ""
        card = model_card(manifest, extra, measured=measured(reports, parity=PARITY, bars=BARS))
        plots = {name: (evaluations[0] / name).read_bytes() for name in (PARITY, BARS)}
        written = rewrite(
            opened.folder,
            out or opened.folder,
            files={CARD_NAME: card.encode(), **plots},
            changes={"metrics": manifest["metrics"]},
        )
        if docs is not None:
            images = docs.parent / "images"
            images.mkdir(parents=True, exist_ok=True)
            for name, content in plots.items():
                (images / f"model_card_{name}").write_bytes(content)
            places = {name: f"images/model_card_{name}" for name in plots}
            text = model_card(manifest, extra, measured=measured(reports, parity=places[PARITY], bars=places[BARS]))
            docs.write_text(text, encoding="utf-8")
            output.note(f"wrote {docs}")
    except (ArtifactError, EvaluationError) as error:
        output.note(f"hsegap: {error}")
        return 1
    except OSError as error:
        output.note(f"hsegap: {error}")
        return 1
    output.note(f"wrote {written}")
    return 0


def _maps(file: Path, artifact: Any) -> str:
    """The tables of the maps, refused if they were measured on another network.

    Raises:
        EvaluationError: If so, or if the file is another one.
    """
    from hsegap.evaluation.rows import EvaluationError

    again = "Measure again: python benchmarks/maps.py --artifact FOLDER --card FILE."
    head, _, text = file.read_text(encoding="utf-8").partition("\n")
    name, _, measured_on = head.removeprefix("<!-- ").removesuffix(" -->").partition(" ")
    if name != "measured_on":
        raise EvaluationError(f"{file} is not what `benchmarks/maps.py --card` writes.", again)
    if measured_on != artifact.prediction_sha256():
        raise EvaluationError(f"{file} was measured on another network than {artifact.folder} holds.", again)
    return text


def _read(folder: Path, artifact: Any) -> dict[str, Any]:
    """What was measured, refused if it was measured on another network or before another calibration.

    Raises:
        EvaluationError: If so, or if the folder holds no evaluation.
    """
    from hsegap.evaluation.evaluation_report import REPORT
    from hsegap.evaluation.rows import EvaluationError

    again = "Evaluate the artifact as it is: hsegap evaluate FILES --artifact FOLDER -o RESULTS."
    try:
        report: dict[str, Any] = json.loads((folder / REPORT).read_bytes())
        measured_on = report["measured_on"]
    except FileNotFoundError:
        raise EvaluationError(f"{folder} holds no {REPORT}.", again) from None
    except (ValueError, KeyError, TypeError):
        raise EvaluationError(f"{folder / REPORT} is not what `hsegap evaluate --out` writes.", again) from None
    if measured_on != artifact.prediction_sha256():
        raise EvaluationError(
            f"{folder / REPORT} was measured on another network or calibration than {artifact.folder} holds.", again
        )
    return report
