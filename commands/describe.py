"""`hsegap describe`: the text that `predict --describe` feeds to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from hsegap.commands import inputs, output
from hsegap.commands.options import Files, FormatOption, JsonOption, check_stdin_once
from hsegap.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hsegap.formats import StructureFormat


def describe(
    files: Files,
    *,
    json: JsonOption = False,
    format: FormatOption = None,  # noqa: A002 - the option is called so
) -> None:
    """Describe each structure in words.

    The text is the one that `predict --describe` feeds to the model, in robocrystallographer's wording. The first takes
    some 15 s more.

    \b
    Examples:
      hsegap describe examples/MgO.cif
      hsegap describe examples/*.cif --json
    """
    check_stdin_once(files)
    raise typer.Exit(run(files, as_json=json, file_format=format))


def run(names: Sequence[str], *, as_json: bool, file_format: StructureFormat | None) -> int:
    """Describe each file and print the texts.

    Args:
        names: Paths, or ``-`` for standard input.
        as_json: One JSON array instead of plain text.
        file_format: Format of every file; None recognises it.

    Returns:
        Exit status: 0 if every file was described, else 1.
    """
    entries: list[dict[str, Any]] = []
    with output.answers_only() as out:
        for entry in answers(names, file_format=file_format):
            entries.append(entry)
            if as_json:
                continue
            if "error" in entry:
                from hsegap.commands.tables import show_error

                show_error(entry, out=out)
            else:
                # One file: the bare text, ready for `hsegap predict --text "$(hsegap describe FILE)"`.
                text = entry["description"]["text"]
                out.write(f"{text}\n" if list(names) == [entry["id"]] else f"{entry['id']}: {text}\n")
                out.flush()
        if as_json:
            output.write_json(entries, out)
    return int(any("error" in entry for entry in entries))


def answers(names: Sequence[str], *, file_format: StructureFormat | None) -> Iterator[dict[str, Any]]:
    """One entry per file, in order: what ``POST /describe`` answers under the file's name, or an error object."""
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.commands.predict import open_predictor
    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import DescribeRequest

    def request(given: inputs.Named, structure: str) -> DescribeRequest:
        return DescribeRequest(structure=structure, format=file_format or given.format)

    try:
        # The same process with the same deadline as a server's, and so the same words.
        predictor = open_predictor(None, jobs=1)
    except ArtifactError as error:
        for index, name in enumerate(names):
            yield error.problem.entry(name=name, index=index)
        return
    with predictor:
        for index, given in enumerate(inputs.named(names)):
            item = inputs.request_of(given, request)
            if isinstance(item, Problem):
                yield item.entry(name=given.name, index=index)
                continue
            answer = item if isinstance(item, Failure) else predictor.describe(item)
            if isinstance(answer, Failure):
                yield {"id": given.name, **answer.at(index).model_dump(mode="json")}
            else:
                yield {"id": given.name, "index": index, **answer.model_dump(mode="json")}
