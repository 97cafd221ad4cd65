"""docs/deploy.md does what it says: its client and its curl line are run against a server
with keys, its YAML is read.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from hsegap.service.settings import Settings
from support.commands import run_here

if TYPE_CHECKING:
    from support.serving import KeyedServer

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_client_and_the_curl_line_get_an_answer(keyed: KeyedServer) -> None:
    environment = os.environ | {
        "HSEGAP_KEY": keyed.key,
        "HSEGAP_URL": keyed.server.url,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    [client] = blocks("python")
    told = subprocess.run(
        [sys.executable, "-c", client], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert 0.2 < float(told.stdout) < 3, told.stderr
    curl = next(block for block in blocks("sh") if "curl" in block).replace("http://127.0.0.1:3000", keyed.server.url)
    told = subprocess.run(["bash", "-c", curl], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert '"formula":"GaAs"' in told.stdout.replace(" ", ""), told.stdout + told.stderr


def test_its_yaml_is_yaml_and_its_settings_exist() -> None:
    assert [yaml.safe_load(block) for block in blocks("yaml")]
    named = set(re.findall(r"HSEGAP_[A-Z_]+", PAGE)) - {"HSEGAP_KEY", "HSEGAP_URL"}
    assert named <= {f"HSEGAP_{name.upper()}" for name in Settings.model_fields}
    flags = set(re.findall(r"--[a-z][a-z-]+", " ".join(re.findall(r"hsegap serve ([^\n`]*)", PAGE))))
    assert flags
    shown = run_here("serve", "--help", cwd=ROOT).stdout
    assert flags <= set(re.findall(r"--[a-z][a-z-]+", shown))


@pytest.mark.parametrize(
    "words", [["USER", "10001"], ["HEALTHCHECK", "readyz"], ["ORT_DISABLE_TELEMETRY=1"], ["python:3.11-slim"]]
)
def test_the_container_file_keeps_its_promises(words: list[str]) -> None:
    text = (ROOT / "Containerfile").read_text()
    assert all(word in text for word in words)
