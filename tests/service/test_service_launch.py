"""Starting a server: what can be checked at once is, in words; the environment is quiet;
the process ends when asked.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.service.launch import LaunchError, check_port, server_command, server_environment
from hsegap.service.settings import Settings
from support.processes import PATIENCE_S, running, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import RunningServer

ROOT = Path(__file__).resolve().parents[2]
SERVE = "import sys\nfrom hsegap.service.launch import serve\nserve(port=int(sys.argv[1]), page=False)\n"


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"Port {port} on 127.0.0.1 cannot be used") as caught:
            check_port("127.0.0.1", port)
    assert str(port + 1) in caught.value.hint
    check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["256.1.1.1", "no.such.host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(LaunchError) as caught:
        check_port(host, 3000)
    assert host in caught.value.message


def test_the_environment_reports_nothing_home_and_spins_no_threads() -> None:
    environment = server_environment(
        base={"HOME": "/nowhere", "HF_HUB_OFFLINE": "0"}, workers=3, page=False, artifact="/somewhere"
    )
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert environment["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["HF_HUB_OFFLINE"] == "0"  # what the operator has set stays
    assert (environment["HSEGAP_WORKERS"], environment["HSEGAP_PAGE"], environment["HSEGAP_ARTIFACT"]) == (
        "3",
        "0",
        "/somewhere",
    )


def test_the_working_directory_cannot_stand_in_for_a_module() -> None:
    assert server_command(host="127.0.0.1", port=1)[:3] == [sys.executable, "-P", "-m"]


def test_settings_come_from_the_environment_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HSEGAP_")]:
        monkeypatch.delenv(name)
    assert Settings.from_env() == Settings()
    monkeypatch.setenv("HSEGAP_TOKEN", " secret ")
    monkeypatch.setenv("HSEGAP_MAX_CONCURRENCY", "7")
    monkeypatch.setenv("HSEGAP_PAGE", "no")
    settings = Settings.from_env()
    assert (settings.token, settings.max_concurrency, settings.page) == ("secret", 7, False)
    for name, value in (("HSEGAP_WORKERS", "many"), ("HSEGAP_WORKERS", "0"), ("HSEGAP_REQUEST_TIMEOUT_S", "nan")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(ValueError, match=name):
                Settings.from_env()


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SERVE, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_is_wrong_is_said_before_anything_starts(tmp_path: Path, artifact_folder: Path) -> None:
    assert "ArtifactError: There is no artifact folder" in run(["0"], HSEGAP_ARTIFACT=str(tmp_path / "none")).stderr
    assert "HSEGAP_WORKERS" in run(["0"], HSEGAP_WORKERS="x", HSEGAP_ARTIFACT=str(artifact_folder)).stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot be used" in run([str(taken.getsockname()[1])], HSEGAP_ARTIFACT=str(artifact_folder)).stderr


def ends_and_leaves_nobody_behind(server: RunningServer, number: signal.Signals) -> None:
    workers = server.children()
    assert workers
    server.process.send_signal(number)
    assert server.process.wait(timeout=PATIENCE_S) in {0, -number}
    assert until(lambda: not any(map(running, workers)))
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + "/livez")


def test_an_idle_server_ends_when_asked_and_leaves_nobody_behind(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    assert server.lines == [f"hsegap is ready: API {server.url}/predict · reference {server.url}/docs.json\n"]
    ends_and_leaves_nobody_behind(server, signal.SIGTERM)


def test_it_listens_on_the_loopback_address_only(server_url: str) -> None:
    port = int(server_url.rsplit(":", 1)[1])
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def kept_mb(pid: int) -> float:
    """Memory of a process that belongs to it alone and to no file, MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) / 1024


def test_nothing_of_an_answered_request_is_kept_and_control_c_ends(start_server: Callable[..., RunningServer]) -> None:
    """BentoML's timer kept 9 kB of each for an hour: 3 000 requests were 27 MB."""
    server = start_server()
    with httpx.Client(base_url=server.url, timeout=60) as client:

        def ask(times: int) -> float:
            for _ in range(times):
                client.get("/healthz").raise_for_status()
            return kept_mb(server.process.pid)

        warm = ask(1000)  # caches and allocators fill first
        assert ask(3000) - warm < 9
    ends_and_leaves_nobody_behind(server, signal.SIGINT)
