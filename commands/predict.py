"""`hsegap predict`: files in, one prediction or named error per file out, in order."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import inputs, output
from hsegap.commands.options import ArtifactOption, Files, FormatOption, JsonOption, check_stdin_once, format_name
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import PredictRequest, StructureFormat

#: Files answered together; small enough that a long list shows its first answers soon.
CHUNK = 64
logger = logging.getLogger("hsegap.cli")


def predict(
    files: Files,
    *,
    text: Annotated[
        str | None,
        typer.Option("--text", "-t", metavar="TEXT", help="Description of the crystal, used for every file.", show_default=False),
    ] = None,
    pbe_gap: Annotated[
        float | None,
        typer.Option(
            "--pbe-gap", metavar="EV", help="Known PBE (GGA) band gap in eV, 0 for a metal, used for every file.", show_default=False
        ),
    ] = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Let the description be generated from each structure (seconds per crystal).")
    ] = False,
    json: JsonOption = False,
    atoms: Annotated[bool, typer.Option("--atoms/--no-atoms", help="With or without the per-atom values.")] = True,
    artifact: ArtifactOption = None,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Predict the HSE06 band gap of each structure.

    Without --text, --describe and --pbe-gap the gap is predicted from the structure alone. A PBE gap that the text states counts as well.
    Exit status: 0 if every file was predicted, 1 if any failed, 2 for a command that cannot be understood.

    \b
    Examples:
      hsegap predict examples/*.cif
      hsegap predict POSCAR --text "GaAs is Zincblende structured."
      hsegap predict examples/GaAs.cif --pbe-gap 0.19
      hsegap predict examples/GaAs.cif --describe --json
      cat examples/GaAs.cif | hsegap predict - --json --no-atoms
    """
    from hsegap.text.facts import MAX_GAP_EV

    check_stdin_once(files)
    if text is not None and describe:
        raise typer.BadParameter("give --text or --describe, not both", param_hint="--text")
    if pbe_gap is not None and not 0 <= pbe_gap <= MAX_GAP_EV:  # not a number fails both
        raise typer.BadParameter(f"a gap lies between 0 and {MAX_GAP_EV:g} eV", param_hint="--pbe-gap")
    status = run(
        files,
        text=text,
        pbe_gap_ev=pbe_gap,
        describe=describe,
        as_json=json,
        atoms=atoms,
        artifact=artifact,
        file_format=format_name(format),
    )
    raise typer.Exit(status)


def run(
    names: Sequence[str],
    *,
    text: str | None,
    pbe_gap_ev: float | None,
    describe: bool,
    as_json: bool,
    atoms: bool,
    artifact: Path | None,
    file_format: StructureFormat | None,
) -> int:
    """Predict each file and print what came out.

    Args:
        names: Paths, or ``-`` for standard input.
        text: Description used for every file; None for none.
        pbe_gap_ev: PBE gap known of every file; None for none.
        describe: Generate descriptions.
        as_json: One JSON array instead of tables.
        atoms: With the per-atom values.
        artifact: Artifact folder; None takes the default one.
        file_format: Format of every file; None recognises it.

    Returns:
        Exit status: 0 if every file was predicted, else 1.
    """
    from hsegap.prediction.schemas import Known, PredictRequest

    known = None if pbe_gap_ev is None else Known(pbe_gap_ev=pbe_gap_ev)

    def request(structure: str) -> PredictRequest:
        return PredictRequest(structure=structure, format=file_format, description=text, describe=describe, known=known, atoms=atoms)

    entries: list[dict[str, Any]] = []
    with output.answers_only() as out:
        # A description takes seconds, so each file is then shown as soon as it is done.
        for entry in answers(names, request=request, artifact=artifact, chunk=1 if describe and not as_json else CHUNK):
            entries.append(entry)
            if not as_json:
                from hsegap.commands.tables import show_prediction

                show_prediction(entry, out=out)
        if as_json:
            output.write_json(entries, out)
    return int(any("error" in entry for entry in entries))


def answers(
    names: Sequence[str], *, request: Callable[[str], PredictRequest], artifact: Path | None, chunk: int = CHUNK
) -> Iterator[dict[str, Any]]:
    """One JSON-ready entry per file, in order; a bad file costs none of its neighbours.

    Args:
        names: Paths, or ``-``.
        request: Makes a request of a file's text.
        artifact: Artifact folder; None takes the default one.
        chunk: Files answered together.

    Yields:
        A prediction or an error object, each with the file's name as ``id``.
    """
    from hsegap.artifact.artifact import ArtifactError

    try:
        predictor = open_predictor(artifact, jobs=len(names))
    except ArtifactError as error:
        for index, name in enumerate(names):
            yield error.problem.entry(name=name, index=index)
        return
    with predictor:
        for start in range(0, len(names), chunk):
            yield from _chunk(names[start : start + chunk], start=start, request=request, predictor=predictor)


def open_predictor(artifact: Path | None, *, jobs: int) -> Predictor:
    """Check an artifact and make a predictor for it, with as many reading processes as the work and the machine have use for.

    Args:
        artifact: Artifact folder; None takes the default one.
        jobs: Number of crystals to come.

    Raises:
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
    """
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor
    from hsegap.processors import usable_processors

    return Predictor(Artifact.load(artifact), workers=max(1, min(jobs, usable_processors(), 4)), remember_descriptions=True)


def _chunk(names: Sequence[str], *, start: int, request: Callable[[str], PredictRequest], predictor: Predictor) -> Iterator[dict[str, Any]]:
    """Answer some files together."""
    from hsegap.prediction.errors import Failure

    items = [inputs.request_from(name, request) for name in names]
    asked = [item for item in items if not isinstance(item, Problem)]
    try:
        answered = iter(predictor.predict(asked))
    except Exception:  # the edge of the command: whatever went wrong, each file still gets its entry
        logger.exception("prediction failed")
        failure = Failure.make("internal", "The prediction failed unexpectedly; the reason stands on standard error.")
        answered = iter([failure] * len(asked))
    for index, (name, item) in enumerate(zip(names, items, strict=True), start):
        if isinstance(item, Problem):
            yield item.entry(name=name, index=index)
            continue
        answer = next(answered)
        if isinstance(answer, Failure):
            yield {"id": name, **answer.at(index).model_dump(mode="json")}
        else:
            yield answer.model_copy(update={"id": name, "index": index}).model_dump(mode="json")
