"""Settings: one table for environment, flags and docs; nobody is let in by accident;
a server that is told about itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.commands.setting_flags import ELSEWHERE
from hsegap.service import settings_page
from hsegap.service.launch import is_loopback
from hsegap.service.settings import Settings
from support.service_samples import SILICON

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import RunningServer

ROOT = Path(__file__).resolve().parents[2]


def hsegap(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}
    return subprocess.run(
        [sys.executable, "-m", "hsegap", *arguments],
        env=base | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_page_is_the_table() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page.page()


def test_every_setting_is_a_flag() -> None:
    shown = hsegap("serve", "--help").stdout
    for name in Settings.model_fields:
        assert (f"--{name.replace('_', '-')}" in shown) == (name != "token"), name
    assert set(Settings.model_fields) >= ELSEWHERE


def test_flags_are_checked_as_the_environment_is() -> None:
    for outcome in (hsegap("serve", "--max-batches", "0"), hsegap("serve", HSEGAP_MAX_BATCHES="0")):
        assert outcome.returncode == 1
        assert "HSEGAP_MAX_BATCHES" in outcome.stderr


def test_nobody_is_let_in_by_accident() -> None:
    for host in ("0.0.0.0", "::"):
        outcome = hsegap("serve", "--host", host, "--port", "3999")
        if host == "::" and "cannot be used" in outcome.stderr:  # no IPv6 here
            continue
        assert outcome.returncode == 1
        assert "--open" in outcome.stderr
        assert "hsegap key" in outcome.stderr
    assert is_loopback("localhost")
    assert is_loopback("127.0.0.2")
    assert not is_loopback("0.0.0.0")


def test_a_key_is_made_and_its_hash_let_in(start_server: Callable[..., RunningServer]) -> None:
    made = hsegap("key", "alice")
    key, entry = made.stdout.strip(), made.stderr.strip().rsplit(" ", 1)[1]
    assert key not in made.stderr
    server = start_server(HSEGAP_API_KEYS=entry, HSEGAP_REQUEST_LOG="1", HSEGAP_ROOT_PATH="/tools/hse", page=True)
    with httpx.Client(base_url=server.url, timeout=120) as client:
        assert client.post("/predict", json={"structure": SILICON}).status_code == 401
        client.headers["authorization"] = f"Bearer {key}"
        answer = client.post(
            "/tools/hse/predict", json={"structure": SILICON, "atoms": False}, headers={"x-request-id": "run-7"}
        )
        assert (answer.status_code, answer.headers["x-request-id"]) == (200, "run-7")
        assert client.get("/tools/hse/").headers["location"] == "/tools/hse/ui/"
        # A proxy may take the prefix off or leave it on.
        for path in ("/tools/hse/ui/config", "/ui/config"):
            assert client.get(path).json()["root"] == server.url + "/tools/hse/ui"
        page = client.get("/tools/hse/ui/")
        assert page.status_code == 200
        assert client.get("/tools/hse/ui/theme.css").status_code == 200
        metrics = client.get("/metrics").text
        refused = client.post("/ui/gradio_api/run/predict", json={"data": ["SECRET-CRYSTAL"]}, timeout=60)
        assert "SECRET" not in refused.text
    assert 'hsegap_stage_seconds_count{stage="network"} ' in metrics
    assert 'hsegap_workers{role="read",state="alive"} ' in metrics
    assert 'hsegap_queue_length{kind="batch"} 0.0' in metrics
    server.stop()
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    mine = next(line for line in lines if line["request_id"] == "run-7")
    assert (mine["route"], mine["status"], mine["outcome"], mine["key"], mine["items"], mine["atoms"]) == (
        "/predict",
        200,
        "ok",
        "alice",
        1,
        2,
    )
    assert mine["stages_ms"]["network"] > 0
    assert "SECRET" not in server.output
    assert SILICON[:40] not in server.output


@pytest.mark.parametrize("value", ["http://x", "/a/../b", "a", "/a b", "//x"])
def test_a_root_path_is_a_path(value: str) -> None:
    with pytest.raises(ValueError, match="HSEGAP_ROOT_PATH"):
        Settings.from_env(root_path=value)
