"""A real server from its first moment to its last: early answers, swaps of the artifact, draining,
few open files, a user without a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hsegap.artifact.manifest import write_manifest
from hsegap.prediction.errors import Failure
from hsegap.service.early import NOT_READY
from hsegap.service.launch import server_command, server_environment
from support.loops import in_own_loop
from support.processes import PATIENCE_S, running, until
from support.service_samples import SILICON, supercell
from support.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import RunningServer


def started(
    artifact: Path, cwd: Path, *, page: bool = False, before: Any = None, prefix: Any = (), **more: Any
) -> tuple[subprocess.Popen[str], str]:
    """A server process that nobody waits for."""
    port = free_port()
    base = {key: value for key, value in os.environ.items() if not key.startswith("HSEGAP_")}
    environment = server_environment(artifact=artifact, page=page, base=base | more.pop("settings", {}))
    for name in more.pop("without", ()):
        environment.pop(name, None)
    command = [*prefix, *server_command(host="127.0.0.1", port=port)]
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=before,  # noqa: PLW1509 - it only lowers a limit
        **more,
    )
    return process, f"http://127.0.0.1:{port}"


def wait_ready(url: str, process: subprocess.Popen[str], seconds: float = 240) -> list[tuple[str, int]]:
    """Poll until ready; every answer on the way."""
    seen: list[tuple[str, int]] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        for route in ("/livez", "/readyz"):
            try:
                response = httpx.get(url + route, timeout=60)
            except httpx.TransportError:
                seen.append((route, 0))
                continue
            seen.append((route, response.status_code))
            if response.status_code == 503:
                assert Failure.model_validate_json(response.text).error.code == "not_ready"
                assert response.headers["retry-after"]
        if seen[-1] == ("/readyz", 200):
            return seen
        time.sleep(0.05)
    pytest.fail(f"not ready: {seen[-4:]}")


def test_early_answers_are_the_failure_that_the_service_gives() -> None:
    assert Failure.make("not_ready", "The service is starting.").model_dump() == NOT_READY


def test_it_listens_early_and_a_page_under_no_name_works(artifact_folder: Path, tmp_path: Path) -> None:
    """From the first answered second /readyz says 503 and nothing is refused;
    all of it as a user without passwd entry and HOME.
    """
    # Reading stays allowed, for the interpreter may lie where only its owner may look.
    caps = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    nobody = (
        ("setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", *caps)
        if os.getuid() == 0 and shutil.which("setpriv")
        else ()
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    temporary.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    process, url = started(
        artifact_folder,
        tmp_path,
        page=True,
        without=("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"),
        settings={"TMPDIR": str(temporary)},
        prefix=nobody,
    )
    try:
        seen = wait_ready(url, process)
        answered = seen[next(place for place, (_, code) in enumerate(seen) if code) :]
        assert ("/readyz", 503) in answered
        assert not [entry for entry in answered if entry[1] == 0]  # once it listens it never stops
        assert {code for route, code in answered if route == "/livez"} == {200}
        assert httpx.post(url + "/predict", json={"structure": SILICON}, timeout=120).status_code == 200
        page = httpx.get(url + "/ui/", timeout=120)
        assert page.status_code == 200
        assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    finally:
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0
    assert not list(temporary.glob("hsegap-page-*"))


def test_sigterm_answers_what_runs_turns_new_ones_away_and_ends_with_0(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server(HSEGAP_DRAIN_S=str(PATIENCE_S))
    workers = server.children()
    items = [{"structure": supercell(2), "atoms": False}] * 20
    # A connection each: one that is kept may be closed by the stopping server just as it is used again.
    once = httpx.Limits(max_keepalive_connections=0)

    async def go() -> list[httpx.Response]:
        async with (
            httpx.AsyncClient(base_url=server.url, timeout=120) as client,
            httpx.AsyncClient(base_url=server.url, timeout=120, limits=once) as fresh,
        ):
            await client.post("/predict", json={"structure": SILICON})
            working = asyncio.create_task(client.post("/predict_batch", json={"items": items}))
            while 'hsegap_running{kind="batch"} 1.0' not in (await client.get("/metrics")).text:
                assert not working.done(), "too small to be seen while it runs"
                await asyncio.sleep(0.02)
            server.process.terminate()
            while (ready := await fresh.get("/readyz")).is_success:  # noqa: ASYNC110 - until the signal has arrived
                await asyncio.sleep(0.02)
            new = await fresh.post("/predict", json={"structure": SILICON})
            assert not working.done(), "too small to be asked beside"
            return [new, ready, await working]

    new, ready, working = in_own_loop(go())
    assert working.status_code == 200
    assert len({item["gap_raw_ev"] for item in working.json()["items"]}) == 1
    for response in (new, ready):
        assert response.status_code == 503
        assert Failure.model_validate_json(response.text).error.code == "not_ready"
        assert (response.headers["connection"], response.headers["retry-after"]) == ("close", "2")
    assert server.process.wait(timeout=PATIENCE_S) == 0
    assert until(lambda: not any(map(running, workers)))


def test_sighup_swaps_a_good_artifact_and_refuses_a_bad_one(
    start_server: Callable[..., RunningServer], artifact_folder: Path, tmp_path: Path
) -> None:
    good, bad, link = tmp_path / "good", tmp_path / "bad", tmp_path / "current"
    for folder in (good, bad):
        shutil.copytree(artifact_folder, folder)
    manifest = json.loads((good / "manifest.json").read_text())
    write_manifest(good, manifest | {"version": "9.9.9"})
    golden = json.loads((bad / "golden.json").read_text())
    golden[0]["expected"]["gap_raw_ev"] += 0.1
    (bad / "golden.json").write_text(json.dumps(golden))
    write_manifest(bad, manifest | {"version": "6.6.6"})
    link.symlink_to(artifact_folder)
    server = start_server(artifact=link)

    async def go() -> tuple[list[list[tuple[int, str]]], list[str]]:
        answers: list[list[tuple[int, str]]] = [[], []]  # of each client, one after the other
        versions: list[str] = []
        stop = asyncio.Event()

        async def ask(client: httpx.AsyncClient, own: list[tuple[int, str]]) -> None:
            while not stop.is_set():
                response = await client.post("/predict", json={"structure": SILICON, "atoms": False})
                own.append((response.status_code, response.json().get("model", {}).get("version", response.text)))
                await asyncio.sleep(0.02)  # the processor is needed for loading

        async def swap(client: httpx.AsyncClient, folder: Path, until: Callable[[str, str], bool]) -> None:
            link.unlink()
            link.symlink_to(folder)
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + PATIENCE_S
            version = ""
            while not until(version, server.output):
                assert time.monotonic() < deadline, server.output
                await asyncio.sleep(0.1)
                version = (await client.get("/model")).json()["version"]
            versions.append(version)

        async with httpx.AsyncClient(base_url=server.url, timeout=120) as client:
            asking = [asyncio.create_task(ask(client, own)) for own in answers]
            await swap(client, good, lambda version, _: version == "9.9.9")
            await swap(client, bad, lambda _, output: "was not swapped" in output)
            await swap(client, tmp_path / "none", lambda _, output: output.count("was not swapped") == 2)
            stop.set()
            await asyncio.gather(*asking)
        return answers, versions

    answers, versions = in_own_loop(go())
    assert versions == ["9.9.9", "9.9.9", "9.9.9"]
    assert {code for own in answers for code, _ in own} == {200}, answers
    for own in answers:  # between two clients an old answer may arrive after a new one
        told = [version for _, version in own]
        assert told == sorted(told, key=lambda version: version == "9.9.9")
        assert set(told) == {manifest["version"], "9.9.9"}
    assert server.stop() == 0


def test_few_open_files_slow_heads_and_many_connections(artifact_folder: Path, tmp_path: Path) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    process, url = started(artifact_folder, tmp_path, before=few_files, settings={"HSEGAP_HEADER_TIMEOUT_S": "2"})
    host, port = "127.0.0.1", int(url.rsplit(":", 1)[1])
    try:
        wait_ready(url, process)
        assert httpx.post(url + "/predict", json={"structure": SILICON}, timeout=120).status_code == 200
        idle = [socket.create_connection((host, port)) for _ in range(60)]
        for connection in idle:
            connection.sendall(b"GET /model HT")  # and never the rest
        time.sleep(0.5)
        used = sum(os.times()[:2]), Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        time.sleep(2)
        now = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        busy_s = (int(now[11]) + int(now[12]) - int(used[1][11]) - int(used[1][12])) / os.sysconf("SC_CLK_TCK")
        assert busy_s < 1.5  # no loop that tries to accept again and again
        assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 64
        refused = b""
        for connection in idle:
            connection.settimeout(30)
            try:
                refused += connection.recv(65536)
            except OSError:
                continue
            finally:
                connection.close()
        assert b"503 Service Unavailable" in refused
        assert b"408 Request Timeout" in refused

        def answered() -> bool:
            with contextlib.suppress(httpx.TransportError):  # refused while the closed ones still count
                return httpx.post(url + "/predict", json={"structure": SILICON}, timeout=120).is_success
            return False

        assert until(answered)
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert len(output) < 20_000, output[:2000]


def test_an_idle_page_costs_next_to_no_processor_time(server: RunningServer) -> None:
    """Gradio's queue woke up a thousand times a second."""

    def switches() -> int:
        lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("voluntary_ctxt_switches")).split()[1])

    httpx.get(server.url + "/ui/", timeout=120).raise_for_status()
    counts: list[float] = []
    while len(counts) < 6 and min(counts, default=300) >= 300:  # something may still be running at first
        before = switches()
        time.sleep(2)
        counts.append((switches() - before) / 2)
    assert min(counts) < 300, counts  # 0.02 s and 0.04 s are 75 a second; a millisecond gave 1100


def test_folders_of_dead_servers_are_removed_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hsegap.ui import upload_folder

    monkeypatch.setattr(upload_folder.tempfile, "tempdir", str(tmp_path))
    code = (
        "import sys, tempfile, time; tempfile.tempdir = sys.argv[1]\n"
        "from hsegap.ui import upload_folder\n"
        "print(upload_folder.make().base, flush=True); time.sleep(600)"
    )
    living, dying = (
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    )
    try:
        assert living.stdout is not None
        assert dying.stdout is not None
        stays, goes = (Path(process.stdout.readline().strip()) for process in (living, dying) if process.stdout)
        (goes / "files" / "left.cif").write_text(SILICON)
        victim = tmp_path / "victim"
        victim.mkdir()
        (goes / "files" / "link").symlink_to(victim)
        (tmp_path / (upload_folder.PREFIX + "link")).symlink_to(victim)
        assert upload_folder.remove_abandoned() == 0
        dying.kill()
        dying.wait()
        assert upload_folder.remove_abandoned() == 1
        assert (stays.is_dir(), goes.exists(), victim.is_dir()) == (True, False, True)
    finally:
        living.kill()
        dying.kill()
