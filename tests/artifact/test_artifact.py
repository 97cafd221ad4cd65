"""The artifact reader trusts nothing: every kind of damage is found before a byte is used, and named."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.artifact.artifact import ARTIFACT_ENV, ARTIFACT_ERROR_CODES, Artifact, ArtifactError, default_artifact
from hsegap.artifact.manifest import write_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
MANIFEST: dict[str, Any] = {
    "schema_version": 1,
    "name": "test",
    "version": "1.0",
    "created": "2026-01-01T00:00:00Z",
    "config": {"hidden_features": 8},
    "graph": {"flavour": "symmetric", "cutoff": 8.0, "max_neighbors": 12},
    "text_encoder": {"name": "tiny", "width": 8, "max_tokens": 16},
    "units": {"gap": "eV"},
    "elements": ["Si"],
}

#: What a whole artifact holds beside its manifest.
FILES = (
    "network.onnx",
    "network.pt",
    "weights.safetensors",
    "text_encoder.onnx",
    "tokenizer.json",
    "golden.json",
    "MODEL_CARD.md",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole artifact whose files hold a few bytes each: the reader looks at fingerprints, not at contents."""
    made = tmp_path / "artifact"
    made.mkdir()
    for name in FILES:
        (made / name).write_bytes(f"content of {name}".encode())
    write_manifest(made, MANIFEST)
    return made


def refused(folder: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        Artifact.load(folder)
    error = caught.value
    assert error.code in ARTIFACT_ERROR_CODES
    assert error.message
    assert error.hint
    return error


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_whole_artifact_is_read(folder: Path) -> None:
    artifact = Artifact.load(folder)
    assert artifact.manifest.name == "test"
    assert artifact.path("network.onnx").read_bytes() == b"content of network.onnx"
    assert artifact.sha256 == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert artifact.manifest.files["network.pt"].sha256 == hashlib.sha256(b"content of network.pt").hexdigest()


def test_the_shipped_artifact_is_read(artifact_folder: Path) -> None:
    manifest = Artifact.load(artifact_folder).manifest
    assert manifest.units == {"gap": "eV"}
    assert {"network.onnx", "text_encoder.onnx", "tokenizer.json", "golden.json"} <= set(manifest.files)


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_any_file_is_found(folder: Path, name: str) -> None:
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    error = refused(folder)
    assert error.code == "artifact_file_changed"
    assert name in error.message


def test_a_longer_or_shorter_file_is_found(folder: Path) -> None:
    with (folder / "network.onnx").open("ab") as stream:
        stream.write(b"!")
    assert refused(folder).code == "artifact_file_size"
    (folder / "network.onnx").write_bytes(b"")
    assert refused(folder).code == "artifact_file_size"


@pytest.mark.parametrize("name", ["network.onnx", "network.pt", "MODEL_CARD.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    error = refused(folder)
    assert error.code == "artifact_file_missing"
    assert name in error.message


def test_a_renamed_file_is_missing(folder: Path) -> None:
    (folder / "network.onnx").rename(folder / "network2.onnx")
    error = refused(folder)
    assert error.code == "artifact_file_missing"
    assert "network.onnx" in error.message


def test_two_files_swapped_are_found(folder: Path) -> None:
    (folder / "network.onnx").rename(folder / "x")
    (folder / "text_encoder.onnx").rename(folder / "network.onnx")
    (folder / "x").rename(folder / "text_encoder.onnx")
    assert refused(folder).code in {"artifact_file_size", "artifact_file_changed"}


@pytest.mark.parametrize("name", ["extra.pt", ".hidden", "network.onnx.data"])
def test_an_extra_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"surprise")
    error = refused(folder)
    assert error.code == "artifact_file_extra"
    assert name in error.message


def test_an_extra_folder_is_refused(folder: Path) -> None:
    (folder / "more").mkdir()
    assert refused(folder).code == "artifact_file_extra"


@pytest.mark.parametrize("inside", [True, False])
def test_a_symbolic_link_is_refused_wherever_it_leads(folder: Path, tmp_path: Path, inside: bool) -> None:
    target = tmp_path / "elsewhere.onnx" if not inside else folder / "MODEL_CARD.md"
    shutil.copy(folder / "network.onnx", target)
    write_manifest(folder, MANIFEST)
    (folder / "network.onnx").unlink()
    (folder / "network.onnx").symlink_to(target)
    error = refused(folder)
    assert error.code == "artifact_file_kind"
    assert "network.onnx" in error.message


def test_a_linked_manifest_and_a_pipe_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "network.pt").unlink()
    os.mkfifo(folder / "network.pt")
    assert refused(folder).code == "artifact_file_kind"
    (folder / "manifest.json").rename(tmp_path / "manifest.json")
    (folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    error = refused(folder)
    assert error.code == "artifact_file_kind"
    assert "manifest.json" in error.message, "the pipe that is still there would be refused by the same code"


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder)
    assert Artifact.load(tmp_path / "current").folder == folder.resolve()


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/b", "..", ".", "", ".hidden", "a\\b", "a\nb", "x" * 101, "manifest.json", "naïve"],
)
def test_names_that_lead_elsewhere_are_refused(folder: Path, name: str) -> None:
    edit(folder, lambda manifest: manifest["files"].update({name: {"sha256": "0" * 64, "bytes": 0}}))
    assert refused(folder).code == "artifact_manifest"


def test_one_width_for_all_crystals_is_refused_by_name(folder: Path) -> None:
    edit(folder, lambda manifest: manifest.update(calibration={"coverage": 0.9, "half_width_ev": 0.7}))
    error = refused(folder)
    assert error.code == "artifact_version"
    assert "one width for all crystals" in error.message
    assert "hsegap calibrate" in error.hint


def test_a_manifest_from_the_future_is_refused(folder: Path) -> None:
    edit(folder, lambda manifest: manifest.update(schema_version=2, files="moved elsewhere"))
    error = refused(folder)
    assert error.code == "artifact_version"
    assert "newer hsegap" in error.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("schema_version"),
        lambda manifest: manifest.update(schema_version=0),
        lambda manifest: manifest.update(schema_version="1"),
        lambda manifest: manifest.pop("config"),
        lambda manifest: manifest.update(units={"gap": "Ha"}),
        lambda manifest: manifest["graph"].update(flavour="other"),
        lambda manifest: manifest["graph"].update(cutoff=0),
        lambda manifest: manifest["text_encoder"].update(width=10**9),
        lambda manifest: manifest["files"]["network.onnx"].update(sha256="short"),
        lambda manifest: manifest["files"]["network.onnx"].update(bytes=-1),
        lambda manifest: manifest["files"]["network.onnx"].update(bytes=2**40),
        lambda manifest: manifest.update(files={f"f{i}": {"sha256": "0" * 64, "bytes": 0} for i in range(65)}),
        lambda manifest: manifest.update(files={f"f{i}": {"sha256": "0" * 64, "bytes": 2**31} for i in range(3)}),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit(folder, change)
    assert refused(folder).code == "artifact_manifest"


@pytest.mark.parametrize("name", ["network.onnx", "text_encoder.onnx", "tokenizer.json", "golden.json"])
def test_a_file_that_prediction_needs_must_be_listed(folder: Path, name: str) -> None:
    edit(folder, lambda manifest: manifest["files"].pop(name))
    (folder / name).unlink()
    error = refused(folder)
    assert error.code == "artifact_file_missing"
    assert name in error.message


@pytest.mark.parametrize("content", [b"", b"not json", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    assert refused(folder).code == "artifact_manifest"


def test_a_huge_manifest_is_not_read(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b" " * (4 * 2**20 + 1))
    assert refused(folder).code == "artifact_file_size"


def test_no_artifact_at_all(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").code == "artifact_missing"
    assert refused(tmp_path).code == "artifact_missing"
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file").code == "artifact_missing"


def test_only_listed_files_have_a_path(folder: Path) -> None:
    artifact = Artifact.load(folder)
    for name in ("../artifact/network.onnx", "/etc/passwd", "manifest.json", "absent"):
        with pytest.raises(ArtifactError, match="no file"):
            artifact.path(name)


def test_nothing_is_ever_unpickled(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "exploded"),))

    (folder / "network.pt").write_bytes(pickle.dumps(Bomb()))
    write_manifest(folder, MANIFEST)
    Artifact.load(folder)
    assert not (tmp_path / "exploded").exists()


def test_the_manifest_is_replaced_in_one_step(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ValueError):
        write_manifest(folder, MANIFEST | {"elements": "not a list"})
    assert (folder / "manifest.json").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    (folder / "link").symlink_to(folder / "network.onnx")
    with pytest.raises(ValueError, match="plain file"):
        write_manifest(folder, MANIFEST)


def test_further_keys_survive_reading_and_writing(folder: Path) -> None:
    write_manifest(
        folder,
        MANIFEST
        | {"authors": ["A"], "text_encoder": MANIFEST["text_encoder"] | {"licence": "Apache-2.0", "pooling": "mean"}},
    )
    manifest = Artifact.load(folder).manifest
    write_manifest(folder, manifest)
    again = Artifact.load(folder).manifest
    assert again == manifest
    assert again.text_encoder.model_dump()["licence"] == "Apache-2.0"
    assert again.model_dump()["authors"] == ["A"]


def test_the_default_artifact_follows_the_environment_when_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ARTIFACT_ENV, raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_artifact() == ROOT / "artifacts" / "hsegap-hse"
    monkeypatch.setenv(ARTIFACT_ENV, str(tmp_path / "mine"))
    assert default_artifact() == tmp_path / "mine"


def test_errors_travel_between_processes() -> None:
    error = ArtifactError("artifact_missing", "message", "hint")
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.message, again.hint) == ("artifact_missing", "message", "hint")


def test_reading_an_artifact_needs_no_training_library(folder: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'transformers', 'safetensors', 'hsegap.training', 'hsegap.models'): "
        "sys.modules[name] = None\n"
        f"from hsegap.artifact.artifact import Artifact\nprint(Artifact.load({str(folder)!r}).manifest.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "test\n", done.stderr
