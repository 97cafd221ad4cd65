"""BentoML's own commands work on the service: `bentoml serve` answers,
`bentoml build` packs all that serving needs and no more.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from support.service_samples import SILICON
from support.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
BENTOFILE = yaml.safe_load((ROOT / "bentofile.yaml").read_text())


def environment(home: Path, artifact_folder: Path) -> dict[str, str]:
    found = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}
    path = f"{BIN}{os.pathsep}{found.get('PATH', '')}"
    return found | {
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "HSEGAP_ARTIFACT": str(artifact_folder),
        "HSEGAP_PAGE": "0",
        "PATH": path,
    }


def test_the_packages_are_those_of_the_project_at_the_tested_versions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        re.match(r"[\w.-]+", line)[0] for line in project["dependencies"] + project["optional-dependencies"]["describe"]
    ]  # type: ignore[index]  # every line has a name
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    )
    assert BENTOFILE["python"]["packages"] == [f"{name}=={pins[name]}" for name in wanted]
    assert BENTOFILE["python"]["lock_packages"] is False


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """Folder of a bento built from the repository as it is."""
    home = tmp_path_factory.mktemp("bentoml")
    done = subprocess.run(
        [BIN / "bentoml", "build", "--output", "tag"],
        cwd=ROOT,
        env=environment(home, artifact_folder),
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [folder] = [path.parent for path in home.glob("bentos/hsegap/*/bento.yaml")]
    return folder


@pytest.mark.slow
def test_a_bento_holds_what_serving_needs_and_no_more(bento: Path) -> None:
    source = bento / "src"
    packed = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    for name in (
        "service/bento.py",
        "structures/read.py",
        "text/encoder.py",
        "artifact/artifact.py",
        "hsegap/__init__.py",
        "ui/mount.py",
    ):
        assert name in packed
    assert "artifacts/hsegap-hse/manifest.json" in packed
    left_out = (
        "models/",
        "training/",
        "export/",
        "batch/",
        "evaluation/",
        "tests/",
        ".venv/",
        ".git/",
        "runs/",
        "benchmarks/",
    )
    assert not [name for name in packed if name.startswith(left_out)]


@pytest.mark.slow
def test_a_bento_predicts_with_its_own_artifact(bento: Path, tmp_path: Path) -> None:
    code = (
        "from hsegap.artifact.artifact import Artifact\n"
        "from hsegap.prediction import Predictor, PredictRequest\n"
        "artifact = Artifact.load()\n"
        "print(artifact.folder)\n"
        "with Predictor(artifact) as p:\n"
        f"    print(p.predict([PredictRequest(structure={SILICON!r})])[0].formula)\n"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")} | {
        "PYTHONPATH": str(bento / "src")
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.split() == [str((bento / "src" / "artifacts" / "hsegap-hse").resolve()), "Si"], done.stderr


@pytest.fixture
def served(tmp_path: Path, artifact_folder: Path) -> Iterator[str]:
    """Address of the service under `bentoml serve`."""
    port = free_port()
    command = [BIN / "bentoml", "serve", "service.bento:HsegapService", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(tmp_path, artifact_folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url + "/readyz", timeout=5).status_code == 200:
                break
        except httpx.HTTPError:
            time.sleep(0.2)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


@pytest.mark.slow
def test_bentoml_serve_runs_the_same_service(served: str) -> None:
    response = httpx.post(served + "/predict", json={"structure": SILICON}, timeout=60)
    assert response.status_code == 200
    assert response.json()["formula"] == "Si"
    assert (
        httpx.post(served + "/predict", json={"structure": ""}, timeout=60).json()["error"]["code"]
        == "unreadable_structure"
    )
    for place in range(3):
        httpx.get(f"{served}/stranger{place}", timeout=60)
    metrics = httpx.get(served + "/metrics", timeout=60)
    assert metrics.status_code == 200
    assert 'endpoint="unknown"' in metrics.text
    assert "stranger" not in metrics.text
