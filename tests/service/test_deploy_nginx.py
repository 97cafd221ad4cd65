"""The nginx sections of docs/deploy.md, run by nginx itself in front of real servers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.processes import until
from support.service_samples import SILICON
from support.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.serving import RunningServer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "deploy.md").read_text()
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="needs nginx (`apt-get install nginx-light`)")
PREFIX = "/tools/hse"


def section(title: str) -> str:
    """The nginx block of a section."""
    found = re.search(rf"## {title}\n.*?```nginx\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start nginx with locations: ``behind(text)``; gives the address below which the server shows itself."""
    started: list[subprocess.Popen[bytes]] = []

    def start(locations: str) -> str:
        port = free_port()
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {folders} server {{ listen 127.0.0.1:{port}; {locations} }} }}\n"
        )
        started.append(subprocess.Popen([str(NGINX), "-p", str(tmp_path), "-c", str(configuration)]))
        url = f"http://127.0.0.1:{port}"
        assert until(lambda: reachable(url))
        return url + PREFIX

    yield start
    for process in started:
        process.terminate()
        process.wait()


def reachable(url: str) -> bool:
    try:
        httpx.get(url, timeout=10)
    except httpx.TransportError:
        return False
    return True


def shows_everything(url: str) -> None:
    """Whether API, redirect, page, its files, an upload and an event with its stream go through."""
    with httpx.Client(base_url=url, timeout=120) as client:
        told = client.post("/predict", json={"structure": SILICON, "atoms": False})
        assert told.json()["formula"] == "Si", told.text
        assert client.get("/model").json()["version"]
        moved = client.get("/")
        assert (moved.status_code, moved.headers["location"]) == (307, f"{PREFIX}/ui/")
        page = client.get("/ui/")
        assert page.status_code == 200
        assert client.get("/ui/config").json()["root"].endswith(f"{PREFIX}/ui")
        script = re.search(r"'(/hsegap/\w+/page\.js)'", page.text)
        assert script
        assert client.get("/ui" + script[1]).status_code == 200
        sent = client.post("/ui/gradio_api/upload", files=[("files", ("Si.cif", SILICON.encode()))])
        assert sent.status_code == 200, sent.text
        asked = client.post("/ui/gradio_api/call/predict", json={"data": [SILICON, "", "cif", False, False]})
        with client.stream("GET", f"/ui/gradio_api/call/predict/{asked.json()['event_id']}") as stream:
            assert '"formula": "Si"' in "".join(stream.iter_text())


def test_one_process_below_a_path(start_server: Callable[..., RunningServer], behind: Callable[..., str]) -> None:
    server = start_server(page=True, HSEGAP_ROOT_PATH=PREFIX, HSEGAP_WORKERS="1")
    port = server.url.rsplit(":", 1)[1]
    shows_everything(behind(section("Behind nginx, below a path").replace(":3000", f":{port}")))
    assert server.stop() == 0


def test_several_processes_and_the_page_beside_them(
    start_server: Callable[..., RunningServer], behind: Callable[..., str]
) -> None:
    page = str(free_port())
    server = start_server(
        page=True, HSEGAP_ROOT_PATH=PREFIX, HSEGAP_PROCESSES="2", HSEGAP_PAGE_PORT=page, HSEGAP_WORKERS="1"
    )
    port = server.url.rsplit(":", 1)[1]
    text = section("More than one process").replace(":3000", f":{port}").replace(":3001", f":{page}")
    shows_everything(behind(text))
    assert server.stop() == 0
