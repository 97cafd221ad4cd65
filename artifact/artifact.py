"""Read an artifact and trust nothing: version, paths, sizes and hashes are checked before a byte of it is used.

Serving imports this file, so it needs neither torch nor anything that unpickles. ``network.pt`` is hashed like any
other file and never opened: a TorchScript archive contains a pickle.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hsegap.artifact.manifest import (
    FILE_NAME,
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    REQUIRED_FILES,
    SCHEMA_VERSION,
    Manifest,
    file_sha256,
)
from hsegap.errors import HsegapError

if TYPE_CHECKING:
    from pydantic import ValidationError

#: Environment variable that names another default artifact; read when an artifact is asked for, never at import.
ARTIFACT_ENV = "HSEGAP_ARTIFACT"
DEFAULT_NAME = "hsegap-hse"
CARD_NAME = "MODEL_CARD.md"

#: Codes of :class:`ArtifactError`, documented in docs/errors.md.
ARTIFACT_ERROR_CODES = (
    "artifact_missing",
    "artifact_manifest",
    "artifact_version",
    "artifact_file_missing",
    "artifact_file_extra",
    "artifact_file_kind",
    "artifact_file_size",
    "artifact_file_changed",
)


class ArtifactError(HsegapError, ValueError):
    """An artifact that must not be used, with what is wrong and what to do next.

    Attributes:
        code: One of :data:`ARTIFACT_ERROR_CODES`.
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(
            code, message, hint or "Copy the artifact again from where it was exported, whole and unchanged."
        )


def default_artifact() -> Path:
    """Folder of the artifact used when none is named.

    Returns:
        What the environment variable ``HSEGAP_ARTIFACT`` names, else ``artifacts/hsegap-hse`` beside the installed
        packages, whatever the working directory.
    """
    named = os.environ.get(ARTIFACT_ENV, "").strip()
    if named:
        return Path(named).expanduser()
    return Path(__file__).resolve().parents[1] / "artifacts" / DEFAULT_NAME


@dataclass(frozen=True)
class Artifact:
    """A checked artifact.

    Attributes:
        folder: Its folder, resolved.
        manifest: What it says about itself.
        sha256: SHA-256 of the manifest, which fingerprints every file and so identifies the artifact.
    """

    folder: Path
    manifest: Manifest
    sha256: str

    @classmethod
    def load(cls, folder: str | Path | None = None) -> Artifact:
        """Check a folder and open it.

        Args:
            folder: The artifact's folder; None takes :func:`default_artifact`.

        Returns:
            The artifact, every file of which has the size and the SHA-256 its manifest names.

        Raises:
            ArtifactError: If anything is missing, extra, renamed, changed, a link, too large or from a newer version.
        """
        given = Path(folder) if folder is not None else default_artifact()
        if not given.is_dir():
            hint = f"Name an artifact folder with --artifact or {ARTIFACT_ENV}, or make one with `hsegap export`."
            raise ArtifactError("artifact_missing", f"There is no artifact folder at {given}.", hint)
        root = given.resolve()
        manifest, digest = _read_manifest(root)
        _check_listing(root, manifest)
        for name, entry in manifest.files.items():
            path = root / name
            size = path.stat().st_size
            if size != entry.bytes:
                raise ArtifactError("artifact_file_size", f"{name} has {size} bytes; the manifest says {entry.bytes}.")
            if file_sha256(path) != entry.sha256:
                raise ArtifactError(
                    "artifact_file_changed", f"{name} is not the file the artifact was made with: its SHA-256 differs."
                )
        return cls(folder=root, manifest=manifest, sha256=digest)

    def path(self, name: str) -> Path:
        """Path of a checked file.

        Args:
            name: Its plain name, as the manifest lists it.

        Raises:
            ArtifactError: If the manifest does not list it (``artifact_file_missing``).
        """
        if name not in self.manifest.files:
            raise ArtifactError("artifact_file_missing", f"The artifact {self.manifest.name} has no file {name!r}.")
        return self.folder / name

    def prediction_sha256(self) -> str:
        """Fingerprint of all that decides what is predicted.

        The card and the metrics may change, figures still belong to it.
        """
        import json

        names = sorted(
            name for name in self.manifest.files if name.endswith((".onnx", ".safetensors", "tokenizer.json"))
        )
        parts = [
            [self.manifest.files[name].sha256 for name in names],
            self.manifest.calibration,
            self.manifest.elements,
        ]
        return hashlib.sha256(
            json.dumps([parts, self.manifest.training.get("max_atoms")], sort_keys=True).encode()
        ).hexdigest()

    def model_card(self) -> str:
        """The model card, Markdown; empty where the artifact carries none."""
        return self.path(CARD_NAME).read_text(encoding="utf-8") if CARD_NAME in self.manifest.files else ""


def _read_manifest(root: Path) -> tuple[Manifest, str]:
    """Read, bound and validate ``manifest.json``; returns it with its SHA-256."""
    import json

    from pydantic import ValidationError

    path = root / MANIFEST_NAME
    try:
        info = path.lstat()
    except OSError:
        raise ArtifactError("artifact_missing", f"{root} has no {MANIFEST_NAME}, so it is not an artifact.") from None
    if not stat.S_ISREG(info.st_mode):
        raise ArtifactError("artifact_file_kind", f"{MANIFEST_NAME} is not a plain file.")
    if info.st_size > MAX_MANIFEST_BYTES:
        raise ArtifactError(
            "artifact_file_size", f"{MANIFEST_NAME} has {info.st_size} bytes; at most {MAX_MANIFEST_BYTES} are read."
        )
    raw = path.read_bytes()
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise ArtifactError("artifact_manifest", f"{MANIFEST_NAME} is not JSON.") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    # The version comes first: a newer manifest may differ in ways that would read as other mistakes.
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION:
        message = f"The artifact has schema version {version}; this hsegap reads up to {SCHEMA_VERSION}."
        raise ArtifactError(
            "artifact_version", message, "Install a newer hsegap, or export the artifact again with this one."
        )
    if isinstance(data, dict) and isinstance(data.get("calibration"), dict) and "scaled" not in data["calibration"]:
        message = "The artifact was calibrated by an hsegap before 0.1.1, with one width for all crystals."
        hint = f"Set `calibration` to null in {MANIFEST_NAME} and run `hsegap calibrate`, or predict without intervals."
        raise ArtifactError("artifact_version", message, hint)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        raise ArtifactError("artifact_manifest", f"{MANIFEST_NAME} is not valid: {_first_error(error)}.") from None
    return manifest, hashlib.sha256(raw).hexdigest()


def _first_error(error: ValidationError) -> str:
    """Place and reason of the first mistake, without the input itself."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'top level'}: {first['msg']}"


def _check_listing(root: Path, manifest: Manifest) -> None:
    """Compare the folder with the manifest's list: the same plain files, nothing missing, nothing extra, no links.

    Raises:
        ArtifactError: On the first difference.
    """
    for name in REQUIRED_FILES:
        if name not in manifest.files:
            raise ArtifactError(
                "artifact_file_missing", f"The manifest lists no {name}, without which nothing can be predicted."
            )
    found: dict[str, os.stat_result] = {entry.name: entry.stat(follow_symlinks=False) for entry in os.scandir(root)}
    for name in manifest.files:
        # Names were confined to plain ones by the manifest's own validation; this keeps the promise beside its use.
        if not FILE_NAME.fullmatch(name):
            raise ArtifactError("artifact_manifest", f"{name!r} is not a plain file name.")
        if name not in found:
            raise ArtifactError("artifact_file_missing", f"{name} is missing from {root}.")
        if not stat.S_ISREG(found[name].st_mode):
            raise ArtifactError(
                "artifact_file_kind", f"{name} is a link or no plain file; an artifact holds plain files only."
            )
    extra = sorted(set(found) - set(manifest.files) - {MANIFEST_NAME})
    if extra:
        hint = "Move what does not belong to the artifact out of its folder."
        raise ArtifactError(
            "artifact_file_extra", f"{', '.join(extra[:5])} in {root}: not listed in the manifest.", hint
        )
