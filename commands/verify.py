"""`hsegap verify`: is this the artifact that was exported, and does it give here what it gave there?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hsegap.commands import output

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.export.artifact import Artifact
    from hsegap.service.golden import VerifyReport


def run(folder: Path | None, *, as_json: bool) -> int:
    """Check hashes and golden values and print what came out.

    Args:
        folder: Artifact folder; None takes the default one.
        as_json: One JSON object instead of a table.

    Returns:
        Exit status: 0 if everything is as it was exported, else 1.
    """
    from hsegap.export.artifact import Artifact, ArtifactError
    from hsegap.service.golden import verify

    with output.answers_only() as out:
        try:
            artifact = Artifact.load(folder)
            report = verify(artifact)
        except ArtifactError as error:
            entry = {"id": str(folder or "default artifact"), "error": {"code": error.code, "message": error.message, "hint": error.hint}}
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
