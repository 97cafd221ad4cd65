"""The shipped artifact, a predictor on it, and a real server: each is made once, when the first test asks for it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.processes import PATIENCE_S, children_of, stop, until
from support.service_samples import SILICON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor


@pytest.fixture(scope="session")
def artifact_folder() -> Path:
    """Folder of the artifact under test: the shipped one, or what HSEGAP_ARTIFACT names."""
    from hsegap.artifact.artifact import default_artifact

    folder = default_artifact()
    if not (folder / "manifest.json").is_file():
        pytest.fail(f"there is no artifact at {folder}; `hsegap export` makes one")
    return folder


@pytest.fixture(scope="session")
def artifact(artifact_folder: Path) -> Artifact:
    """The artifact under test, checked."""
    from hsegap.artifact.artifact import Artifact

    return Artifact.load(artifact_folder)


@pytest.fixture(scope="session")
def predictor(artifact: Artifact) -> Iterator[Predictor]:
    """One predictor with two reading processes for the whole session."""
    from hsegap.prediction.predictor import Predictor

    with Predictor(artifact, workers=2) as made:
        yield made


def free_port() -> int:
    """A port that nobody uses, nor will soon.

    It lies below those that the system gives to clients' connections: one of those could be taken again before the
    server that it is meant for has started.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    chooser = random.SystemRandom()  # the common one starts alike in every process
    while True:
        port = chooser.randrange(11_000, max(first, 20_000))  # Chromium opens no page on 10080
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class RunningServer:
    """A real server process.

    Attributes:
        url: Where it answers.
        process: The process itself; its children read structures.
        lines: What it has printed so far; all of it once it was stopped by :meth:`stop`.
    """

    url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def children(self) -> list[int]:
        """Process ids of its workers; any of them may have ended meanwhile."""
        return sorted(children_of(self.process.pid))

    def hang_workers(self, **headers: str) -> list[int]:
        """Make its workers hang (:func:`support.processes.stop`).

        A prediction is answered first: the worker that has just worked gets the next job, and has no import under way,
        for which a deadline would wait.

        Args:
            headers: Of that prediction.

        Returns:
            The process ids of those that hang: one that was just being replaced may have ended meanwhile.
        """
        with httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S) as client:
            assert until(lambda: client.post("/predict", json={"structure": SILICON}).is_success), self.output
        return [pid for pid in self.children() if stop(pid)]

    def stop(self) -> int:
        """Ask it to end, and tell how it did."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self._collector.join(PATIENCE_S)
        return status


def as_it_is(*words: str) -> list[str]:
    return list(words)


@pytest.fixture(scope="session")
def start_server(
    artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., RunningServer]]:
    """Start servers as `hsegap serve` does: ``start_server(page=False, HSEGAP_TOKEN="secret")``.
    They end with the session at the latest. A ``runner`` makes the server's command line another one that runs it.
    """
    from hsegap.service.launch import server_command, server_environment

    started: list[RunningServer] = []
    elsewhere = tmp_path_factory.mktemp("server")

    def start(
        *,
        page: bool = False,
        wait: bool = True,
        artifact: Path | None = None,
        runner: Callable[..., list[str]] = as_it_is,
        **settings: str,
    ) -> RunningServer:
        port = free_port()
        base = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}
        environment = server_environment(artifact=artifact or artifact_folder, page=page, base=base)
        # Tests that stop or count describing processes want each description to be made.
        environment |= {"HSEGAP_REMEMBER_DESCRIPTIONS": "0"} | settings
        process = subprocess.Popen(
            runner(*server_command(host="127.0.0.1", port=port)),
            env=environment,
            cwd=elsewhere,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        server = RunningServer(f"http://127.0.0.1:{port}", process)
        started.append(server)
        deadline = time.monotonic() + 3 * PATIENCE_S
        while wait and "hsegap is ready" not in server.output:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"the server did not become ready:\n{server.output}")
            time.sleep(0.05)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def server(start_server: Callable[..., RunningServer]) -> RunningServer:
    """One server with the page, shared by every test that leaves it as it was."""
    return start_server(page=True)


@pytest.fixture(scope="session")
def server_url(server: RunningServer) -> str:
    """Address of the shared server, without a slash at its end."""
    return server.url


@pytest.fixture(scope="session")
def client(server_url: str) -> Iterator[httpx.Client]:
    """HTTP client of the shared server."""
    with httpx.Client(base_url=server_url, timeout=120) as made:
        yield made


@dataclass(frozen=True)
class KeyedServer:
    """A server that asks for a key, and a key that it takes."""

    server: RunningServer
    key: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="session")
def keyed(start_server: Callable[..., RunningServer]) -> KeyedServer:
    """A server with the page for holders of keys, shared by tests that leave it as it was."""
    from hsegap.service.access import hash_of, new_key

    key = new_key()
    return KeyedServer(start_server(page=True, HSEGAP_API_KEYS=f"shared:{hash_of(key)}"), key)
