"""Serving needs no training library, starts from any folder and starts quickly: proved in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.service_samples import SILICON

ROOT = Path(__file__).resolve().parents[2]

#: Put in front of a program: any attempt to import a training library fails there and then,
#: and so in its worker processes.
WALL = """
import sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        if name.startswith('hsegap.'):
            name = name.removeprefix('hsegap.')
        if name.partition('.')[0] in {'torch', 'dgl', 'transformers', 'training', 'models', 'onnx', 'sklearn'}:
            raise ImportError(f'{name} must not be imported where hsegap serves')
sys.meta_path.insert(0, Wall())
"""

PREDICT = """
from hsegap.artifact.artifact import Artifact
from hsegap.prediction import Predictor, PredictRequest
with Predictor(Artifact.load()) as predictor:
    [answer] = predictor.predict([PredictRequest(structure={text!r}, description='Si is diamond structured.')])
print(answer.model_dump_json())
"""


@pytest.fixture
def walled(tmp_path: Path, artifact_folder: Path) -> dict[str, str]:
    """Environment in which every Python process has the wall: `sitecustomize` is imported before anything else."""
    (tmp_path / "wall").mkdir()
    (tmp_path / "wall" / "sitecustomize.py").write_text(WALL)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}
    paths = os.pathsep.join([str(tmp_path / "wall"), str(ROOT)])
    return environment | {
        "PYTHONPATH": paths,
        "HSEGAP_ARTIFACT": str(artifact_folder),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def test_the_wall_stands(walled: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import torch"], env=walled, cwd=tmp_path, capture_output=True, text=True
    )
    assert "must not be imported" in done.stderr


def test_silicon_is_predicted_end_to_end_without_torch(walled: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREDICT.format(text=SILICON)],
        env=walled,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["formula"] == "Si"
    assert answer["description"]["origin"] == "given"


def test_the_server_starts_without_torch(walled: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from hsegap.service.bento import HsegapService\n"
        "HsegapService.to_asgi()\n"
        "import hsegap.service.server, hsegap.service.launch, hsegap.prediction.golden, hsegap.ui\n"
        "print('started')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=walled, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip().endswith("started"), done.stderr


def test_importing_the_service_is_quick_and_silent(walled: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "import hsegap.service, hsegap.prediction.predictor, hsegap.prediction.schemas, "
        "hsegap.prediction.errors, hsegap.prediction.golden, hsegap.service.launch\n"
        "heavy = {'pymatgen', 'onnxruntime', 'bentoml', 'gradio', 'robocrys', 'pandas', 'scipy', 'torch', 'tokenizers'}"
        " & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=walled, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[]\n", done.stdout + done.stderr
    assert done.stderr == ""


def test_a_first_answer_loads_only_what_it_needs(walled: dict[str, str], tmp_path: Path) -> None:
    """What a cold start costs is measured in `benchmarks/run.py cold`; here, that nothing is loaded on top.

    pymatgen is loaded in the reading process alone, beside the network.
    """
    code = PREDICT.format(text=SILICON).replace(", description='Si is diamond structured.'", "")
    code += "import sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    done = subprocess.run(
        [sys.executable, "-c", code], env=walled, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"hsegap", "numpy", "onnxruntime"} <= loaded
    heavy = {"pymatgen", "gemmi", "spglib", "scipy", "pandas", "pyarrow", "matplotlib", "sympy", "tokenizers"}
    assert not loaded & (heavy | {"robocrys", "bentoml", "gradio", "rich", "typer", "ray", "httpx"})
