"""`hsegap predict`: structures in, one prediction or named error per structure out."""

from __future__ import annotations

import itertools
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from hsegap.commands import inputs, output
from hsegap.commands.options import (
    ArtifactOption,
    ExplainOption,
    Files,
    FormatOption,
    JsonOption,
    SensitivityOption,
    check_gap,
    check_stdin_once,
)
from hsegap.commands.overview import Sort
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hsegap.formats import StructureFormat
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import PredictRequest
    from hsegap.prediction.worker_start import Begun

#: Files answered together; small enough that a long list shows its first answers soon.
CHUNK = 64
logger = logging.getLogger("hsegap.cli")


@dataclass(frozen=True)
class Shown:
    """What is printed of the answers, and how.

    Attributes:
        as_json: One JSON array.
        as_csv: The columns of `hsegap score`.
        verbose: Each answer at length, however many there are.
        sort: By what; None leaves the order of the inputs.
        descending: The largest first.
        min_gap: Smallest gap shown, eV.
        max_gap: Largest gap shown, eV.
    """

    as_json: bool = False
    as_csv: bool = False
    verbose: bool = False
    sort: Sort | None = None
    descending: bool = False
    min_gap: float | None = None
    max_gap: float | None = None

    @property
    def at_once(self) -> bool:
        """Whether each answer is printed as soon as it is there."""
        return self.verbose and self.sort is None and not (self.as_json or self.as_csv)


TextOption = Annotated[
    str | None,
    typer.Option(
        "--text", "-t", metavar="TEXT", help="Description of the crystal, used for every file.", show_default=False
    ),
]
PbeGapOption = Annotated[
    float | None,
    typer.Option(
        "--pbe-gap",
        metavar="EV",
        help="Known PBE (GGA) band gap in eV, 0 for a metal, used for every file.",
        show_default=False,
    ),
]
DescribeOption = Annotated[
    bool, typer.Option("--describe", help="Generate the description from each structure (seconds per crystal).")
]
SortOption = Annotated[Sort | None, typer.Option("--sort", help="Sort by this; errors come last.", show_default=False)]
DescendingOption = Annotated[bool, typer.Option("--descending", help="With --sort: the largest first.")]
MinGapOption = Annotated[
    float | None, typer.Option("--min-gap", metavar="EV", help="Leave out gaps below this.", show_default=False)
]
MaxGapOption = Annotated[
    float | None, typer.Option("--max-gap", metavar="EV", help="Leave out gaps above this.", show_default=False)
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show each answer at length, however many there are.")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV with the columns of `hsegap score`.")]
AtomsOption = Annotated[bool, typer.Option("--atoms/--no-atoms", help="With or without the per-atom values.")]


def predict(
    files: Files,
    *,
    text: TextOption = None,
    pbe_gap: PbeGapOption = None,
    describe: DescribeOption = False,
    sort: SortOption = None,
    descending: DescendingOption = False,
    min_gap: MinGapOption = None,
    max_gap: MaxGapOption = None,
    verbose: VerboseOption = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    atoms: AtomsOption = True,
    explain: ExplainOption = False,
    sensitivity: SensitivityOption = False,
    artifact: ArtifactOption = None,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Predict the HSE06 band gap of each structure.

    One structure is answered at length, several as a table. Without --text, --describe and --pbe-gap the gap is
    predicted from the structure alone (or with the text and the PBE gap that a table has for it). A PBE gap that the
    text states counts as well. Exit status: 0 if every structure was predicted, 1 if any failed, 2 for a command that
    cannot be understood.

    \b
    Examples:
      hsegap predict examples/GaAs.cif
      hsegap predict examples/ --sort gap --min-gap 1 --max-gap 3
      hsegap predict 'runs/**/CONTCAR' --csv > gaps.csv
      hsegap predict POSCAR --text "GaAs is Zincblende structured."
      hsegap predict examples/GaAs.cif --pbe-gap 0.19
      hsegap predict examples/GaAs.cif --describe --json
      hsegap predict POSCAR --text "GaAs is Zincblende structured." --explain --sensitivity
      cat examples/GaAs.cif | hsegap predict - --json --no-atoms
    """
    check_stdin_once(files)
    shown = Shown(json, csv, verbose, sort, descending, min_gap, max_gap)
    _refuse_contradictions(shown, text=text, describe=describe, pbe_gap=pbe_gap)
    status = run(
        files,
        text=text,
        pbe_gap_ev=pbe_gap,
        describe=describe,
        shown=shown,
        report={"atoms": atoms, "explain": explain, "sensitivity": sensitivity},
        artifact=artifact,
        file_format=format,
    )
    raise typer.Exit(status)


def _refuse_contradictions(shown: Shown, *, text: str | None, describe: bool, pbe_gap: float | None) -> None:
    """Options that exclude each other, and a gap that none can be.

    Raises:
        typer.BadParameter: Naming the option.
    """
    if text is not None and describe:
        raise typer.BadParameter("give --text or --describe, not both", param_hint="--text")
    check_gap(pbe_gap)
    if shown.as_json and shown.as_csv:
        raise typer.BadParameter("give --json or --csv, not both", param_hint="--csv")
    if shown.min_gap is not None and shown.max_gap is not None and shown.min_gap > shown.max_gap:
        raise typer.BadParameter("no gap is above --min-gap and below --max-gap", param_hint="--min-gap")


def run(
    names: Sequence[str],
    *,
    text: str | None,
    pbe_gap_ev: float | None,
    describe: bool,
    shown: Shown,
    report: Mapping[str, bool],
    artifact: Path | None,
    file_format: StructureFormat | None,
) -> int:
    """Predict each structure and print what came out.

    Args:
        names: Paths, folders, patterns, or ``-`` for standard input.
        text: Description used for every structure; None for none.
        pbe_gap_ev: PBE gap known of every structure; None for none.
        describe: Generate descriptions.
        shown: What is printed, and how.
        report: ``atoms``, ``explain`` and ``sensitivity`` of a request.
        artifact: Artifact folder; None takes the default one.
        file_format: Format of every structure; None recognises it.

    Returns:
        Exit status: 0 if every structure was predicted, else 1.
    """
    from hsegap.commands import early

    # It starts while this process imports the rest.
    reader = early.reader()

    from hsegap.commands.overview import chosen

    # A table shows no atoms, so none are asked for where there will be one.
    atoms = report["atoms"] and (shown.as_json or shown.verbose or len(names) == 1)
    request = _request_maker(text, pbe_gap_ev, file_format, describe=describe, **{**report, "atoms": atoms})
    entries: list[dict[str, Any]] = []
    with output.answers_only() as out:
        # A description takes seconds, so each structure is then shown as soon as it is done.
        for entry in answers(
            names, request=request, artifact=artifact, chunk=1 if describe else CHUNK, reader=reader, atoms=atoms
        ):
            entries.append(entry)
            if shown.at_once:
                _show(chosen([entry], min_gap=shown.min_gap, max_gap=shown.max_gap), shown, out=out, at_length=True)
            elif describe:
                output.note(f"{len(entries)}: {entry['id']}")
        kept = chosen(
            entries, sort=shown.sort, descending=shown.descending, min_gap=shown.min_gap, max_gap=shown.max_gap
        )
        if not shown.at_once:
            _show(kept, shown, out=out, at_length=shown.verbose or len(entries) == 1)
        if len(kept) < len(entries):
            output.note(f"{len(entries) - len(kept)} of {len(entries)} have gaps outside the bounds")
    return int(any("error" in entry for entry in entries))


def _request_maker(
    text: str | None, pbe_gap_ev: float | None, file_format: StructureFormat | None, **fields: bool
) -> Callable[[inputs.Named, str], PredictRequest]:
    """What makes a request of a structure; text, gap and format of the command go before those of a table."""
    from hsegap.prediction.schemas import Known, PredictRequest

    def request(given: inputs.Named, structure: str) -> PredictRequest:
        gap = given.pbe_gap_ev if pbe_gap_ev is None else pbe_gap_ev
        return PredictRequest(
            structure=structure,
            format=file_format or given.format,
            description=given.description if text is None else text,
            known=None if gap is None else Known(pbe_gap_ev=gap),
            **fields,
        )

    return request


def _show(entries: list[dict[str, Any]], shown: Shown, *, out: TextIO, at_length: bool) -> None:
    """Print answers in the form asked for."""
    if shown.as_json:
        output.write_json(entries, out)
    elif shown.as_csv:
        from hsegap.commands.overview import write_csv

        write_csv(entries, out)
    elif at_length:
        from hsegap.commands.tables import show_prediction

        for entry in entries:
            show_prediction(entry, out=out)
    else:
        from hsegap.commands.overview import show_overview

        show_overview(entries, out=out)


def answers(
    names: Sequence[str],
    *,
    request: Callable[[inputs.Named, str], PredictRequest],
    artifact: Path | None,
    chunk: int = CHUNK,
    reader: Begun | None = None,
    atoms: bool = False,
) -> Iterator[dict[str, Any]]:
    """One JSON-ready entry per structure, in order; a bad file costs none of its neighbours.

    Args:
        names: Paths, folders, patterns, or ``-``.
        request: Makes a request of a structure and its text.
        artifact: Artifact folder; None takes the default one.
        chunk: Structures answered together.
        reader: A reading process that has begun already.
        atoms: Whether the requests ask for the atoms' values.

    Yields:
        A prediction or an error object, each with the structure's name as ``id``.
    """
    from hsegap.artifact.artifact import ArtifactError

    try:
        # One name may stand for any number of files; readers that are not needed are not started.
        jobs = len(names) if all(map(os.path.isfile, names)) else CHUNK
        predictor = open_predictor(artifact, jobs=jobs, reader=reader, atoms=atoms)
    except ArtifactError as error:
        if reader is not None:
            reader.process.kill()
            reader.process.wait()
        for index, name in enumerate(names):
            yield error.problem.entry(name=name, index=index)
        return
    with predictor:
        found = iter(inputs.named(names))
        start = 0
        while some := list(itertools.islice(found, chunk)):
            yield from _chunk(some, start=start, request=request, predictor=predictor)
            start += len(some)


def open_predictor(artifact: Path | None, *, jobs: int, reader: Begun | None = None, atoms: bool = False) -> Predictor:
    """Check an artifact and make a predictor for it.

    It has as many reading processes as the work and the machine have use for.

    Args:
        artifact: Artifact folder; None takes the default one.
        jobs: Number of crystals to come.
        reader: A reading process that has begun already.
        atoms: Whether the atoms' values will be asked for.

    Raises:
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
    """
    from hsegap.prediction.ahead import LoadedAhead
    from hsegap.processors import usable_processors

    processors = usable_processors()
    ahead = LoadedAhead(artifact, threads_alone=processors, head=atoms)

    # While it is checked and loaded.
    import hsegap.commands.tables  # noqa: F401 - the answer's form at a terminal
    from hsegap.prediction.predictor import Predictor

    loaded = ahead.checked()
    return Predictor(
        loaded.artifact,
        workers=max(1, min(jobs, processors, 4)),
        remember_descriptions=True,
        loaded=loaded,
        reader=reader,
    )


def _chunk(
    some: Sequence[inputs.Named],
    *,
    start: int,
    request: Callable[[inputs.Named, str], PredictRequest],
    predictor: Predictor,
) -> Iterator[dict[str, Any]]:
    """Answer some structures together."""
    from hsegap.prediction.errors import Failure

    items = [inputs.request_of(given, request) for given in some]
    asked = [item for item in items if not isinstance(item, Problem)]
    try:
        answered = iter(predictor.predict(asked))
    except Exception:  # the edge of the command: whatever went wrong, each file still gets its entry
        logger.exception("prediction failed")
        failure = Failure.make("internal", "The prediction failed unexpectedly; the reason stands on standard error.")
        answered = iter([failure] * len(asked))
    for index, (given, item) in enumerate(zip(some, items, strict=True), start):
        if isinstance(item, Problem):
            yield item.entry(name=given.name, index=index)
            continue
        answer = next(answered)
        if isinstance(answer, Failure):
            yield {"id": given.name, **answer.at(index).model_dump(mode="json")}
        else:
            yield answer.model_copy(update={"id": given.name, "index": index}).model_dump(mode="json")
