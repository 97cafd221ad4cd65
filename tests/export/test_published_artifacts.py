"""Every artifact and network that was ever published still loads and gives what it gave when it was exported.

The artifacts stand in the repository's history; beside these tests lie their manifests, by which they are found.
"""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
import torch

from hsegap.artifact import Artifact
from hsegap.models import read_checkpoint
from hsegap.prediction.golden import verify

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((Path(__file__).parent / "published").glob("manifest-*.json"))
PLACE = "artifacts/hsegap-hse"

pytestmark = pytest.mark.usefixtures("one_thread")


def git(*arguments: str) -> bytes:
    """What git answers about this repository; skips the test where git or the history is not there."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs git")
    if done.returncode or not done.stdout:
        pytest.skip("needs the repository's whole history")
    return done.stdout


@pytest.fixture(scope="module", params=MANIFESTS, ids=lambda path: path.stem.removeprefix("manifest-"))
def published_artifact(request, tmp_path_factory) -> Path:
    """Folder of an artifact as it was published."""
    blob = git("hash-object", str(request.param)).decode().strip()
    commits = git("log", f"--find-object={blob}", "--format=%H", "--", f"{PLACE}/manifest.json").decode().split()
    folder = tmp_path_factory.mktemp("published")
    with tarfile.open(fileobj=BytesIO(git("archive", commits[-1], PLACE))) as archive:
        archive.extractall(folder, filter="data")
    return folder / PLACE


def test_it_gives_what_it_gave(published_artifact):
    report = verify(Artifact.load(published_artifact))
    assert report.passed, report.summary()
    assert len(report.cases) >= 20


def test_its_weights_are_a_checkpoint(published_artifact):
    """What a user fine-tunes from, or exports again."""
    from safetensors.torch import load_file

    loaded = read_checkpoint(published_artifact / "weights.safetensors")
    assert loaded.assumed == []
    state = loaded.network.state_dict()
    stored = load_file(published_artifact / "weights.safetensors")
    assert stored.keys() == state.keys()
    assert all(torch.equal(state[name], value) for name, value in stored.items())


def test_all_published_versions_but_the_present_one_are_here():
    versions = {path.stem.removeprefix("manifest-") for path in MANIFESTS}
    present = Artifact.load(ROOT / PLACE).manifest.version
    assert {"0.1.0", "0.1.1", "0.2.0", "0.3.0", "0.3.1"} - {present} <= versions
