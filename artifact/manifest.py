"""The manifest of an artifact: what it holds, what it was trained on, and the SHA-256 of every file."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

#: Version of the manifest's layout. A reader refuses a newer one: it cannot know what it would be ignoring.
SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
#: A plain file name: no folder, no leading dot, nothing a shell or another system would read differently.
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
#: Files without which an artifact cannot predict or cannot be checked.
REQUIRED_FILES = ("network.onnx", "text_encoder.onnx", "tokenizer.json", "golden.json")
#: Bounds that keep a hostile folder from filling memory before its hashes are known.
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_FILE_BYTES = 2 * 2**30
MAX_TOTAL_BYTES = 4 * 2**30
MAX_FILES = 64


class _Section(BaseModel):
    """Further keys are kept: the writer may tell more than the reader needs."""

    model_config = ConfigDict(extra="allow", frozen=True)


class FileEntry(BaseModel):
    """Fingerprint of one file of the artifact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0, le=MAX_FILE_BYTES)


class GraphSettings(_Section):
    """How a crystal becomes the graph the network was trained on."""

    flavour: str = Field(pattern=r"^(symmetric|jarvis)$")
    cutoff: float = Field(gt=0, le=20)
    max_neighbors: int = Field(ge=1, le=64)


class TextEncoderSettings(_Section):
    """Which encoder the artifact carries.

    Further keys (pooling, lowercase, licence, …) go to ``text.TextEncoder`` as they are.
    """

    name: str
    width: int = Field(ge=1, le=8192)
    max_tokens: int = Field(ge=1, le=8192)


class Limits(_Section):
    """Largest input the artifact answers."""

    max_atoms: int = Field(default=1000, ge=1, le=100_000)
    max_edges: int = Field(default=200_000, ge=1, le=10_000_000)
    max_text_chars: int = Field(default=20_000, ge=1, le=1_000_000)


class Manifest(_Section):
    """Everything known about an artifact.

    Attributes:
        schema_version: Layout of this file.
        name: Name of the artifact (``hsegap-hse``).
        version: Its version, as users quote it.
        created: Moment of the export, ISO 8601.
        config: ``FusionConfig`` as JSON.
        graph: How graphs were built.
        text_encoder: Which text encoder it carries, with its licence.
        units: ``{"gap": "eV"}``.
        training: Facts about the training set (``max_atoms``, ``n_rows``, …).
        elements: Symbols of the elements seen in training.
        metrics: Errors with their data and split.
        calibration: What ``hsegap.prediction.uncertainty.Calibration`` reads; None before calibration.
        limits: Largest input it answers.
        files: Fingerprint of every file but the manifest itself.
    """

    schema_version: int = Field(ge=1, le=SCHEMA_VERSION, strict=True)
    name: str = Field(min_length=1, max_length=200)
    version: str = Field(min_length=1, max_length=100)
    created: str = Field(max_length=100)
    config: dict[str, Any]
    graph: GraphSettings
    text_encoder: TextEncoderSettings
    units: dict[str, str] = Field(default_factory=lambda: {"gap": "eV"})
    training: dict[str, Any] = Field(default_factory=dict)
    elements: list[str] = Field(max_length=118)
    metrics: dict[str, Any] = Field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    limits: Limits = Field(default_factory=Limits)
    files: dict[str, FileEntry] = Field(min_length=1, max_length=MAX_FILES)

    @field_validator("files")
    @classmethod
    def _plain_names(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in files:
            if not FILE_NAME.fullmatch(name) or name == MANIFEST_NAME:
                raise ValueError(f"{name!r} is not a plain file name")
        if sum(entry.bytes for entry in files.values()) > MAX_TOTAL_BYTES:
            raise ValueError(f"the files are larger than {MAX_TOTAL_BYTES} bytes together")
        return files

    @field_validator("units")
    @classmethod
    def _gap_in_ev(cls, units: dict[str, str]) -> dict[str, str]:
        if units.get("gap") != "eV":
            raise ValueError("the gap must be in eV")
        return units


class GoldenValues(_Section):
    """What a golden crystal must give.

    Attributes:
        gap_raw_ev: The network's own number, eV.
        gate: Per fusion layer (``layer_2``) one number per atom; likewise the next two. Empty: not compared.
        importance: As above.
        text_share: As above.
        tolerance: Largest difference of any number. Holds room for other processors, which round int8 products
            otherwise.
    """

    gap_raw_ev: float
    gate: dict[str, list[float]] = Field(default_factory=dict)
    importance: dict[str, list[float]] = Field(default_factory=dict)
    text_share: dict[str, list[float] | None] = Field(default_factory=dict)
    tolerance: float = Field(default=1e-3, gt=0, le=0.05)


class GoldenCase(_Section):
    """One entry of ``golden.json``, which is a list of them.

    Attributes:
        id: Name of the crystal.
        structure: Text of its structure file.
        description: Its description; None predicts without text.
        known: What is known beside, such as ``{"pbe_gap_ev": 1.17}``; None for nothing.
        expected: What comes out.
    """

    id: str
    structure: str
    format: str | None = None
    description: str | None = None
    known: dict[str, float] | None = None
    expected: GoldenValues


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, read in blocks, as 64 hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_manifest(folder: str | Path, manifest: Manifest | dict[str, Any]) -> Path:
    """Fingerprint the files of a folder and write its manifest in one step that either happens or does not.

    Args:
        folder: The artifact's folder; every other file must be in place.
        manifest: The manifest. Its ``files`` are measured here, whatever it says about them.

    Returns:
        Path of the manifest.

    Raises:
        ValueError: If the folder holds something that is no plain file, or the manifest does not validate.
    """
    folder = Path(folder)
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name == MANIFEST_NAME:
            continue
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{path.name!r} in {folder} is not a plain file; an artifact holds plain files only")
        files[path.name] = FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
    data = manifest.model_dump() if isinstance(manifest, Manifest) else dict(manifest)
    text = Manifest.model_validate({**data, "files": files}).model_dump_json(indent=2) + "\n"
    handle, temporary = tempfile.mkstemp(prefix=".manifest-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(folder / MANIFEST_NAME)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return folder / MANIFEST_NAME
