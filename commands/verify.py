"""`hsegap verify`: is this the artifact that was exported, and does it give here what it gave there?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hsegap.commands import output
from hsegap.commands.options import JsonOption

if TYPE_CHECKING:
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.golden import VerifyReport


def verify(
    artifact: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            envvar="HSEGAP_ARTIFACT",
            help="Artifact to check; the shipped one if left out.",
            show_default=False,
        ),
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Check an artifact: hashes and golden predictions.

    Every file must have the SHA-256 of the manifest, and the stored crystals must give here what they gave at export.

    \b
    Examples:
      hsegap verify
      hsegap verify artifacts/hsegap-hse
    """
    raise typer.Exit(run(artifact, as_json=json))


def run(folder: Path | None, *, as_json: bool) -> int:
    """Check hashes and golden values and print what came out.

    Args:
        folder: Artifact folder; None takes the default one.
        as_json: One JSON object instead of a table.

    Returns:
        Exit status: 0 if everything is as it was exported, else 1.
    """
    from hsegap.artifact.artifact import Artifact, ArtifactError
    from hsegap.prediction.golden import verify

    with output.answers_only() as out:
        try:
            artifact = Artifact.load(folder)
            report = verify(artifact)
        except ArtifactError as error:
            entry = error.problem.entry(name=str(folder or "default artifact"))
            if as_json:
                output.write_json(entry, out)
            else:
                from hsegap.commands.tables import show_error

                show_error(entry, out=out)
            return 1
        if as_json:
            output.write_json(_as_json(artifact, report), out)
        else:
            from hsegap.commands.tables import show_verification

            show_verification(artifact, report, out=out)
        return 0 if report.passed else 1


def _as_json(artifact: Artifact, report: VerifyReport) -> dict[str, Any]:
    manifest = artifact.manifest
    return {
        "folder": str(artifact.folder),
        "name": manifest.name,
        "version": manifest.version,
        "sha256": artifact.sha256,
        "files": len(manifest.files),
        "passed": report.passed,
        "summary": report.summary(),
        "golden": [asdict(case) for case in report.cases],
    }
