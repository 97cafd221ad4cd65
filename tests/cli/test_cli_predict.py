"""`hsegap predict`: one entry per file, in order, whatever is in the files."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hsegap.prediction.schemas import Prediction

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GAAS = EXAMPLES / "GaAs.cif"


@pytest.fixture
def bad_files(tmp_path: Path) -> dict[str, Path]:
    """Files that cannot be predicted, by the error each must give."""
    text = GAAS.read_text()
    files = {
        "truncated": text[: text.index("_atom_site_fract_z")],
        "empty": "",
        "partial": text.replace("1.0\n", "0.5\n").replace(" 1\n", " 0.5\n"),
    }
    for name, content in files.items():
        (tmp_path / f"{name}.cif").write_text(content)
    assert files["partial"] != text
    (tmp_path / "binary.cif").write_bytes(bytes(range(256)) * 64)
    (tmp_path / "folder.cif").mkdir()
    return {name: tmp_path / f"{name}.cif" for name in ("truncated", "empty", "partial", "binary", "folder", "missing")}


def test_all_examples_from_another_folder(hsegap: Callable[..., Outcome]) -> None:
    files = sorted(EXAMPLES.glob("*.cif"))
    assert len(files) >= 12
    outcome = hsegap("predict", *files, "--json")
    assert outcome.status == 0, outcome.stderr
    entries = outcome.json
    assert [entry["id"] for entry in entries] == [str(file) for file in files]
    assert [entry["index"] for entry in entries] == list(range(len(files)))
    for entry in entries:
        prediction = Prediction.model_validate(entry)
        assert prediction.description.origin == "none"
        assert len(prediction.atoms or ()) == prediction.n_atoms


def test_bad_files_are_named_and_cost_no_neighbour(here: Callable[..., Outcome], bad_files: dict[str, Path]) -> None:
    codes = {
        "truncated": "unreadable_structure",
        "empty": "unreadable_structure",
        "partial": "disordered_structure",
        "binary": "unreadable_structure",
        "folder": "unreadable_structure",
        "missing": "unreadable_structure",
    }
    outcome = here("predict", GAAS, *bad_files.values(), GAAS, "--json", "--no-atoms")
    assert outcome.status == 1
    first, *failed, last = outcome.json
    assert [entry["id"] for entry in failed] == [str(path) for path in bad_files.values()]
    assert {name: entry["error"]["code"] for name, entry in zip(bad_files, failed, strict=True)} == codes
    assert [entry["error"]["index"] for entry in failed] == list(range(1, len(failed) + 1))
    assert all(entry["error"]["message"] and entry["error"]["hint"] for entry in failed)
    assert (first["index"], last["index"]) == (0, len(failed) + 1)
    assert first["gap_raw_ev"] == last["gap_raw_ev"]
    assert first["atoms"] is None
    assert "Traceback" not in outcome.stderr


def test_one_answer_stands_at_length_and_errors_below(here: Callable[..., Outcome], bad_files: dict[str, Path]) -> None:
    outcome = here("predict", GAAS, bad_files["empty"], "--verbose")
    assert outcome.status == 1
    answer, error = outcome.stdout.split("empty.cif")
    assert "HSE06 gap" in answer
    assert " eV" in answer
    assert "fractional coordinates" in answer
    assert "Ga 0" in answer, "numbered as in the JSON"
    assert "unreadable_structure" in error


def test_standard_input_and_a_given_text(here: Callable[..., Outcome]) -> None:
    poscar = b"silicon\n5.43\n0 .5 .5\n.5 0 .5\n.5 .5 0\nSi\n2\nDirect\n0 0 0\n.25 .25 .25\n"
    outcome = here("predict", "-", "--json", "--format", "poscar", "--text", "Si is diamond structured.", stdin=poscar)
    assert outcome.status == 0, outcome.stderr
    [entry] = outcome.json
    assert (entry["id"], entry["formula"], entry["n_atoms"]) == ("-", "Si", 2)
    assert entry["description"] == {"text": "Si is diamond structured.", "origin": "given"}
    shares = [share for atom in entry["atoms"] for share in atom["text_share"].values()]
    assert shares
    assert None not in shares


def test_a_text_that_is_too_long_fails_by_name(here: Callable[..., Outcome]) -> None:
    outcome = here("predict", GAAS, "--json", "--text", "long " * 25_000)
    assert outcome.status == 1
    assert outcome.json[0]["error"]["code"] == "text_too_long"


def test_without_a_model_every_file_says_so(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = cli("predict", GAAS, GAAS, "--json", "--artifact", tmp_path / "nowhere")
    assert outcome.status == 1
    assert [entry["error"]["code"] for entry in outcome.json] == ["artifact_missing"] * 2


def test_a_path_that_cannot_be_opened_is_named(here: Callable[..., Outcome]) -> None:
    outcome = here("predict", GAAS / "inside.cif", "x" * 5000, "--json")
    assert outcome.status == 1
    assert [entry["error"]["code"] for entry in outcome.json] == ["unreadable_structure"] * 2
    assert "Not a directory" in outcome.json[0]["error"]["message"]


@pytest.mark.slow
def test_a_description_is_generated_and_used(hsegap: Callable[..., Outcome]) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:  # each imports robocrys for 15 s
        runs = [
            pool.submit(hsegap, "predict", GAAS, "--describe", "--json", "--no-atoms"),
            pool.submit(hsegap, "describe", GAAS),
        ]
        predicted, described = (run.result() for run in runs)
    assert predicted.status == described.status == 0, predicted.stderr + described.stderr
    [entry] = predicted.json
    assert entry["description"]["origin"] == "generated"
    assert "GaAs" in entry["description"]["text"]
    assert described.stdout.strip() == entry["description"]["text"], "the same words on every run"


def test_only_answers_reach_standard_output() -> None:
    # Whatever prints meanwhile: Python code, compiled code that writes to the descriptor, a child process.
    code = (
        "import os, subprocess, sys\nfrom hsegap.commands import output\n"
        "with output.answers_only() as out:\n"
        "    print('python'); os.write(1, b'compiled'); subprocess.run(['echo', 'child'], check=True)\n"
        "    output.write_json({'gap': 1.5, 'unit': 'Å'}, out)\n"
        "print('after')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=EXAMPLES.parent, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout.removesuffix("after\n")) == {"gap": 1.5, "unit": "Å"}
    assert all(word in done.stderr for word in ("python", "compiled", "child"))
