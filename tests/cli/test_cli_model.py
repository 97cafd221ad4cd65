"""`hsegap verify`, `evaluate`, `serve`, `export`: the commands around the model."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.artifact.artifact import default_artifact
from hsegap.artifact.manifest import MANIFEST_NAME, write_manifest
from support.processes import PATIENCE_S
from support.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.commands import Outcome

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the shipped artifact that may be damaged."""
    return shutil.copytree(default_artifact(), tmp_path / "copied")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two crystals with a gap, one of them unreadable."""
    rows = [
        {"id": "mgo", "cif": (EXAMPLES / "MgO.cif").read_text(), "hse_gap_ev": 6.5, "description": None},
        {"id": "bad", "cif": "data_x\n", "hse_gap_ev": 1.0, "description": None},
    ]
    path = tmp_path / "labelled.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return path


def test_the_shipped_artifact_is_what_was_exported(cli: Callable[..., Outcome]) -> None:
    outcome = cli("verify", "--json")
    assert outcome.status == 0, outcome.stdout
    report = outcome.json
    assert report["passed"]
    assert report["folder"] == str(ROOT / "artifacts" / "hsegap-hse")
    assert len(report["golden"]) >= 1
    assert all(case["passed"] for case in report["golden"])


def test_a_changed_file_is_named(cli: Callable[..., Outcome], copied: Path) -> None:
    path = copied / "network.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    outcome = cli("verify", copied, "--json")
    assert outcome.status == 1
    assert outcome.json["error"]["code"] == "artifact_file_changed"
    assert "network.onnx" in outcome.json["error"]["message"]
    assert (
        cli("predict", EXAMPLES / "Si.cif", "--json", "--artifact", copied).json[0]["error"]["code"]
        == "artifact_file_changed"
    )


def test_other_numbers_than_at_export_are_told(cli: Callable[..., Outcome], copied: Path) -> None:
    golden = json.loads((copied / "golden.json").read_text())
    golden[0]["expected"]["gap_raw_ev"] += 0.5
    (copied / "golden.json").write_text(json.dumps(golden))
    manifest = json.loads((copied / MANIFEST_NAME).read_text())
    write_manifest(copied, manifest)
    outcome = cli("verify", copied)
    assert outcome.status == 1
    assert golden[0]["id"] in outcome.stdout
    assert "1 of " in outcome.stdout


def test_evaluation_in_numbers_and_as_a_table(
    cli: Callable[..., Outcome], here: Callable[..., Outcome], labelled: Path
) -> None:
    outcome = cli("evaluate", labelled, "--json")
    assert outcome.status == 1, "a row that failed must not pass unseen"
    report = outcome.json
    predicted = here("predict", EXAMPLES / "MgO.cif", "--json").json[0]["gap_ev"]
    assert report["n"] == 1
    assert report["as_given"]["mae"] == pytest.approx(abs(predicted - 6.5), abs=1e-5)
    assert report["failures"][0]["id"] == "bad"

    outcome = cli("evaluate", labelled, "--limit", 1, "--without-text", columns=120)
    assert outcome.status == 0
    assert f"{abs(predicted - 6.5):.3f}" in outcome.stdout
    assert "predicting the mean" in outcome.stdout


def test_evaluation_says_why_it_cannot(cli: Callable[..., Outcome], labelled: Path) -> None:
    outcome = cli("evaluate", labelled, "--target", "pbe_gap_ev", "--json")
    assert outcome.status == 1
    assert "pbe_gap_ev" in outcome.json["error"]["message"]


def test_a_taken_port_is_said_before_anything_is_loaded(cli: Callable[..., Outcome]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = cli("serve", "--port", taken.getsockname()[1])
    assert outcome.status == 1
    assert "--port" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_serving_answers_what_the_command_answers_and_ends_when_told(
    here: Callable[..., Outcome], tmp_path: Path
) -> None:
    port = free_port()
    command = [Path(sys.executable).parent / "hsegap", "serve", "--port", str(port), "--no-page"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        watchdog = threading.Timer(2 * PATIENCE_S, server.kill)
        watchdog.start()
        try:
            assert server.stdout is not None
            lines = []
            for line in server.stdout:
                lines.append(line)
                if "ready" in line:
                    break
            assert "ready" in lines[-1], "".join(lines)
            request = {"structure": (EXAMPLES / "GaAs.cif").read_text()}
            answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=request, timeout=60).raise_for_status().json()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE_S)
            watchdog.cancel()
    [entry] = here("predict", EXAMPLES / "GaAs.cif", "--json").json
    assert answer["gap_raw_ev"] == entry["gap_raw_ev"]
    assert answer["atoms"] == entry["atoms"]


def test_export_says_what_is_missing(cli: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    outcome = cli("export", tmp_path / "bad.pt", "-o", tmp_path / "out", "--golden", tmp_path)
    assert outcome.status == 1
    assert "--golden" in outcome.stderr
    outcome = cli("export", tmp_path / "bad.pt", "-o", tmp_path / "out", "--golden", EXAMPLES, "--no-describe")
    assert outcome.status == 1
    assert re.search(r"bad\.pt", outcome.stderr)
    assert "Traceback" not in outcome.stderr
    assert not (tmp_path / "out").exists()
