"""An artifact written anew with some parts replaced."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hsegap.artifact.artifact import ArtifactError
from hsegap.artifact.manifest import MANIFEST_NAME, write_manifest


def rewrite(folder: Path, out: Path, *, files: dict[str, bytes], changes: dict[str, Any]) -> Path:
    """Write an artifact with some files and manifest entries replaced; it appears whole or not at all.

    Args:
        folder: The artifact.
        out: Folder to write, which may be the artifact itself.
        files: New content, by file name.
        changes: New entries of the manifest.

    Returns:
        The folder written.

    Raises:
        ArtifactError: ``artifact_missing`` if another thing than an artifact stands at ``out``.
    """
    out = out.resolve()
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST_NAME).is_file():
        raise ArtifactError("artifact_missing", f"{out} exists and is not an artifact.", "Name another folder.")
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
