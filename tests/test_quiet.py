"""Nothing is reported home and nothing is written but in the program's own folders, whichever way it is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from hsegap.quiet import QUIET
from support.serving import free_port
from support.watched import TELLING, bare_environment, command, seen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).parent / "hsegap"
SILICON = ROOT / "examples" / "Si.cif"
#: Long enough for a thread that reports from the background.
LINGER_S = 3

PREDICT = "import hsegap; print(hsegap.predict({path!r}, 'Si is diamond structured.').formula)"
#: A user's own session, made after the package was imported.
OWN_SESSION = """
import hsegap, onnxruntime, time
from pathlib import Path
onnxruntime.InferenceSession(str(Path({root!r}) / "artifacts" / "hsegap-hse" / "network.onnx"), providers=["CPUExecutionProvider"])
time.sleep({linger})
print("Si")
"""  # noqa: E501 - the program as Python gets it

WAYS = {
    "command": [COMMAND, "predict", SILICON, "--text", "Si is diamond structured.", "--json", "--no-atoms"],
    "batch": [COMMAND, "score", SILICON, "-o", "rows.csv", "--workers", "1", "--quiet"],
    "python": [sys.executable, "-c", PREDICT.format(path=str(SILICON))],
    "python, own session": [sys.executable, "-c", OWN_SESSION.format(root=str(ROOT), linger=LINGER_S)],
    "verify": [COMMAND, "verify"],
}


def own_folders(home: Path) -> tuple[Path, ...]:
    return home / "home" / ".cache" / "hsegap", home / "tmp", home / "work"


def folders_on_the_way(home: Path) -> set[str]:
    """Folders that have to be there for the program's cache to be."""
    return {str(home / "home" / ".cache")}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_reported_and_nothing_written_elsewhere(tmp_path: Path, way: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        command(tmp_path / "trace", *WAYS[way]),
        cwd=work,
        env=bare_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = seen(tmp_path / "trace", work)
    assert found.asked == []
    assert set(found.outside(*own_folders(tmp_path))) <= folders_on_the_way(tmp_path)


def test_a_program_that_does_both_is_seen(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    sins = f"""
import os, socket, subprocess, sys
try: socket.getaddrinfo("telemetry.invalid", 443)
except OSError: pass
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); probe.setblocking(False)
try: probe.connect(("192.0.2.1", 443))
except OSError: pass
open({str(tmp_path / "absolute")!r}, "w").close()
os.chdir(".."); open("relative", "w").close()
at = os.open({str(tmp_path)!r}, os.O_RDONLY); os.mkdir("made", dir_fd=at)
subprocess.run([sys.executable, "-c", "open({str(tmp_path / "child")!r}, 'w')"])
"""
    subprocess.run(
        command(tmp_path / "trace", sys.executable, "-c", sins),
        cwd=work,
        env=bare_environment(tmp_path),
        check=True,
        timeout=120,
    )
    found = seen(tmp_path / "trace", work)
    assert any("192.0.2.1" in asked for asked in found.asked)
    assert any("resolv.conf" in asked or ":53" in asked or "htons(53)" in asked for asked in found.asked)
    outside = found.outside(*own_folders(tmp_path))
    assert {str(tmp_path / name) for name in ("absolute", "relative", "made", "child")} <= set(outside)


@pytest.fixture
def watched_server(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    work = tmp_path / "work"
    work.mkdir()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command(tmp_path / "trace", COMMAND, "serve", "--port", port),
            cwd=work,
            env=bare_environment(tmp_path),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None and "ready" not in (tmp_path / "log").read_text():
        time.sleep(0.2)
    yield url, process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


@pytest.mark.slow
def test_a_server_reports_nothing_and_resolves_no_name_that_an_event_gives(
    tmp_path: Path, watched_server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, process = watched_server
    far = "http://telemetry.invalid/a.cif"
    file = {"path": far, "url": far, "orig_name": "a.cif", "meta": {"_type": "gradio.FileData"}}
    with httpx.Client(base_url=url, timeout=200) as client:
        assert (
            client.post(
                "/predict", json={"structure": SILICON.read_text(), "description": "Si is diamond structured."}
            ).status_code
            == 200
        )
        config = client.get("/ui/config").json()
        taken = 0
        for number, function in enumerate(entry for entry in config["dependencies"] if entry["backend_fn"]):
            for place in range(len(function["inputs"])):
                for form in (file, [file]):
                    data = [None] * len(function["inputs"])
                    data[place] = form
                    body = {"data": data, "fn_index": function["id"], "session_hash": f"s{number}", "event_data": None}
                    taken += client.post("/ui/gradio_api/queue/join", json=body).is_success
                    client.post(
                        f"/ui/gradio_api/run/{function['api_name'] or 'none'}",
                        json={"data": data, "fn_index": function["id"]},
                    )
        assert taken > 20, "events with an address in them reach the functions of the page"
        for route in ("file", "proxy"):
            assert client.get(f"/ui/gradio_api/{route}={far}").is_client_error
        assert client.post("/predict", json={"structure": far}).is_client_error
        assert client.post("/predict", json={"structure": SILICON.read_text(), "description": far}).is_success
    time.sleep(LINGER_S)
    # strace hands the signal on to nobody: the server itself is asked to end.
    [server] = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(server, signal.SIGTERM)
    process.wait(timeout=120)
    found = seen(tmp_path / "trace", tmp_path / "work")
    assert found.asked == []
    assert set(found.outside(*own_folders(tmp_path))) <= folders_on_the_way(tmp_path)
    assert not list((tmp_path / "tmp").glob("hsegap-page-*"))


def test_a_bento_is_as_quiet_from_its_first_process_on() -> None:
    told = {entry["name"]: entry["value"] for entry in yaml.safe_load((ROOT / "bentofile.yaml").read_text())["envs"]}
    assert told == {**QUIET, "HF_HUB_OFFLINE": "1"}
    assert set(TELLING) == set(told)


def test_what_the_user_has_set_stays() -> None:
    code = "import os, hsegap; print(os.environ['ORT_DISABLE_TELEMETRY'], os.environ['BENTOML_DO_NOT_TRACK'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ORT_DISABLE_TELEMETRY": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0] == "0"
