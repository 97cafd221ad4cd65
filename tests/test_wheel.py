"""The wheel alone: built, installed into an empty environment elsewhere, and used from there without a network."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SILICON = ROOT / "examples" / "Si.cif"
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the repository as it is; built from a copy, so that nothing is left in the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    for folder in SETUPTOOLS["package-dir"].values():
        shutil.copytree(ROOT / folder, place / "source" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, place / "source")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        place,
        ".",
    ]
    done = subprocess.run(command, cwd=place / "source", capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(place / "source")
    [built] = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and nothing else.

    The libraries come from this environment by a path at the end: they cannot be installed without a network. Its own
    `.pth` files are not read there, so the checkout stays out of reach.
    """
    place = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        place / "bin" / "python",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        wheel,
    ]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture(scope="module")
def packages(environment: Path) -> Path:
    [folder] = environment.glob("lib/python*/site-packages")
    held = sorted(path.name for path in folder.iterdir())
    assert held[0] == "hsegap"
    assert all(name.startswith("hsegap") for name in held), held
    libraries = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (folder / "libraries.pth").write_text("\n".join(dict.fromkeys(libraries)))
    return folder


@pytest.fixture
def alone(packages: Path, tmp_path: Path) -> dict[str, str]:
    """Environment variables of a user who has the wheel only, and whose network leads nowhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HSEGAP_", "PYTHON"))}
    nowhere = "http://127.0.0.1:9"
    return kept | {
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "http_proxy": nowhere,
        "https_proxy": nowhere,
        "no_proxy": "127.0.0.1,localhost",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def run(
    environment: Path, alone: dict[str, str], place: Path, name: str, *words: object
) -> subprocess.CompletedProcess[str]:
    command = [environment / "bin" / name, *map(str, words)]
    return subprocess.run(command, cwd=place, env=alone, capture_output=True, text=True, timeout=300, check=False)


def test_the_wheel_holds_the_package_its_model_and_its_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"hsegap"}
    assert not [name for name in names if "tests" in name or "benchmarks" in name]
    for folder, kinds in (
        ("artifacts/hsegap-hse", "*"),
        ("examples", "*.cif"),
        ("examples", "*.ipynb"),
        ("ui/static", "*"),
        ("training/recipes", "*"),
    ):
        paths = list((ROOT / folder).glob(kinds))
        assert paths
        for path in paths:
            assert f"hsegap/{folder}/{path.name}" in names
    for package, folder in SETUPTOOLS["package-dir"].items():
        for path in (ROOT / folder).glob("*.py"):
            assert f"{package.replace('.', '/')}/{path.name}" in names


def test_python_predicts_from_it(environment: Path, alone: dict[str, str], packages: Path, tmp_path: Path) -> None:
    code = (
        "import hsegap, sys\n"
        "assert {name for name in sys.modules if name.startswith(('numpy', 'hsegap'))} <= {'hsegap', 'hsegap.quiet'}, "
        "'quick'\n"
        "print(hsegap.__file__)\n"
        "answer = hsegap.predict(sys.argv[1], 'Si is diamond structured.')\n"
        "print(answer.formula, answer.gap_ev)\n"
        "print(len(hsegap.load().predict([]))); print(hsegap.predict(open(sys.argv[1]).read()).description.origin)\n"
        "try: hsegap.predict('no.cif')\n"
        "except hsegap.HsegapError as error: print(error.code, '|', error.message, '|', error.hint)\n"
        "import hsegap.models, hsegap.training, hsegap.export\n"
        "print([name for name in ('text', 'models', 'service', 'ui') if name in sys.modules])\n"
    )
    done = run(environment, alone, tmp_path, "python", "-c", code, SILICON)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == str(packages / "hsegap" / "__init__.py")
    assert lines[1].startswith("Si ")
    assert 0.3 < float(lines[1].split()[1]) < 2.5, "silicon is a semiconductor of 1.2 eV"
    assert lines[2:4] == ["0", "none"]
    assert lines[4].startswith("unreadable_structure | no.cif could not be read: No such file")
    assert lines[5] == "[]"


def test_objects_tables_streams_and_results_from_it(
    environment: Path, alone: dict[str, str], packages: Path, tmp_path: Path
) -> None:
    code = (
        "import hsegap, pickle, sys\n"
        "from ase.build import bulk\n"
        "from importlib.resources import files\n"
        "from jarvis.core.atoms import Atoms\n"
        "examples = files('hsegap.examples')\n"
        "result = hsegap.predict(examples / 'GaAs.cif')\n"
        "structure = result.to_structure()\n"
        "jarvis = Atoms(lattice_mat=structure.lattice.matrix, coords=structure.frac_coords, "
        "elements=[str(s) for s in structure.species])\n"
        "frame = hsegap.predict([structure, jarvis, bulk('Si'), 'gone.cif'])\n"
        "print(*frame['formula'][:3], frame['error_code'][3], frame['gap_ev'].nunique())\n"
        "print([one.formula for one in hsegap.predict(iter([bulk('Si')]))])\n"
        "print(pickle.loads(pickle.dumps(result)) == result, result._repr_html_().count('<svg'), "
        "sorted(structure.site_properties)[0])\n"
        "with hsegap.load(files('hsegap') / 'artifacts' / 'hsegap-hse') as own: "
        "print(own.predict(structure).gap_ev == result.gap_ev)\n"
        "print((examples / 'python.ipynb').is_file(), 'torch' in sys.modules)\n"
    )
    done = run(environment, alone, tmp_path, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    frame, stream, result, own, rest = done.stdout.splitlines()
    assert frame == "GaAs GaAs Si unreadable_structure 2"
    assert stream == "['Si']"
    assert result.startswith("True 2 gate_layer_")
    assert own == "True"
    assert rest == "True False"


def test_the_command_predicts_and_scores(environment: Path, alone: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, alone, tmp_path, "hsegap", "predict", SILICON, "--json")
    assert done.returncode == 0, done.stderr
    [answer] = json.loads(done.stdout)
    assert answer["formula"] == "Si"
    done = run(environment, alone, tmp_path, "hsegap", "score", ROOT / "examples", "-o", "gaps.csv", "--workers", 1)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "gaps.csv").open() as stream:
        rows = {row["formula"]: row for row in csv.DictReader(stream)}
    assert float(rows["Si"]["gap_ev"]) == pytest.approx(answer["gap_ev"], abs=1e-6)
    assert len(rows) >= len(list((ROOT / "examples").glob("*.cif"))) - 1


@pytest.fixture
def served(environment: Path, alone: dict[str, str], tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [environment / "bin" / "hsegap", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=tmp_path, env=alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url + "/readyz", timeout=5, trust_env=False).status_code == 200:
                break
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    yield url
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


def test_the_server_answers_and_shows_its_page(served: str) -> None:
    response = httpx.post(served + "/predict", json={"structure": SILICON.read_text()}, timeout=60, trust_env=False)
    assert response.status_code == 200, response.text
    assert response.json()["formula"] == "Si"
    page = httpx.get(served + "/ui/", timeout=60, trust_env=False)
    assert page.status_code == 200
    assert "hsegap" in page.text
