"""Several server processes behind one port: same answers, summed metrics, the page beside them,
deaths, SIGHUP and SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.artifact.manifest import write_manifest
from support.commands import environment, run_command
from support.loops import in_own_loop
from support.processes import PATIENCE_S, running, until, words_of
from support.service_samples import NACL, SILICON
from support.serving import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import RunningServer


def server_processes(server: RunningServer) -> list[int]:
    """Those that answer: the children that uvicorn's supervisor has spawned."""
    return [pid for pid in server.children() if any(b"spawn_main" in word for word in words_of(pid))]


def counted(metrics: str) -> float:
    """Requests of /predict that were answered, as /metrics tells it."""
    lines = re.findall(
        r'^bentoml_service_request_total\{endpoint="/predict",http_response_code="200".*\} (.+)$', metrics, re.MULTILINE
    )
    return sum(map(float, lines))


@pytest.fixture(scope="module")
def together(start_server: Callable[..., RunningServer], tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    temporary = tmp_path_factory.mktemp("together")
    return start_server(
        page=True, HSEGAP_PROCESSES="2", HSEGAP_PAGE_PORT=str(free_port()), HSEGAP_WORKERS="1", TMPDIR=str(temporary)
    )


def page_of(server: RunningServer) -> str:
    found = re.search(r"page (http://\S+)/ui", server.output)
    assert found, server.output
    return found[1]


async def predicted(url: str, clients: int, each: int) -> list[tuple[int, float]]:
    """Status and gap of many questions; every client keeps one connection."""

    async def ask() -> list[tuple[int, float]]:
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            answers = [await client.post("/predict", json={"structure": NACL, "atoms": False}) for _ in range(each)]
            return [(answer.status_code, answer.json()["gap_raw_ev"]) for answer in answers]

    return [answer for answers in await asyncio.gather(*(ask() for _ in range(clients))) for answer in answers]


def test_all_answer_alike_and_their_metrics_are_summed_on_either_port(together: RunningServer) -> None:
    page = page_of(together)
    before = counted(httpx.get(together.url + "/metrics", timeout=60).text)
    answers = in_own_loop(predicted(together.url, 8, 5)) + in_own_loop(predicted(page, 1, 2))
    assert len(set(answers)) == 1
    assert answers[0][0] == 200
    for url in (together.url, page, together.url):
        metrics = httpx.get(url + "/metrics", timeout=60).text
        assert counted(metrics) - before == 42
        assert len(re.findall(r'^hsegap_running\{kind="single"\}', metrics, re.MULTILINE)) == 1
    assert until(lambda: 'state="alive"} 3.0' in httpx.get(page + "/metrics", timeout=60).text)


def test_the_page_has_a_process_and_a_port_of_its_own(together: RunningServer) -> None:
    page = page_of(together)
    assert len(server_processes(together)) == 3
    assert httpx.get(page + "/ui/", timeout=60).status_code == 200
    refused = httpx.get(together.url + "/ui/", timeout=60)
    assert refused.status_code == 404
    assert "no page" in refused.json()["error"]["message"]
    session = {"data": [SILICON, "", "cif", False, False]}
    asked = httpx.post(page + "/ui/gradio_api/call/predict", json=session, timeout=60)
    answer = httpx.get(f"{page}/ui/gradio_api/call/predict/{asked.json()['event_id']}", timeout=120)
    assert '"formula": "Si"' in answer.text


def test_a_killed_process_is_replaced_and_the_others_go_on(together: RunningServer) -> None:
    victim, *others = server_processes(together)

    async def go() -> Counter[str]:
        seen: Counter[str] = Counter()
        stop = asyncio.Event()

        async def ask() -> None:
            while not stop.is_set():
                async with httpx.AsyncClient(base_url=together.url, timeout=120) as client:
                    try:
                        answer = await client.post("/predict", json={"structure": SILICON, "atoms": False})
                        seen[str(answer.status_code)] += 1
                    except httpx.TransportError:
                        seen["cut off"] += 1

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        assert await asyncio.to_thread(until, lambda: seen["200"] > 20)
        os.kill(victim, signal.SIGKILL)
        # The killed one may still be there for a moment, and would count.
        assert await asyncio.to_thread(until, lambda: len(now := server_processes(together)) == 3 and victim not in now)
        before = dict(seen)
        assert await asyncio.to_thread(until, lambda: seen["200"] > before.get("200", 0) + 20)
        stop.set()
        await asyncio.gather(*asking)
        return seen

    seen = in_own_loop(go())
    assert set(seen) <= {"200", "cut off"}, seen
    assert seen["cut off"] <= 4  # what the killed process was working on, and nothing that came later
    assert set(others) <= set(server_processes(together))
    assert until(lambda: f"server process {victim} ended" in together.output)


def test_sighup_swaps_the_artifact_in_all_and_sigterm_answers_what_runs_and_leaves_nothing_behind(
    start_server: Callable[..., RunningServer], artifact_folder: Path, tmp_path: Path
) -> None:
    good, link = tmp_path / "good", tmp_path / "current"
    shutil.copytree(artifact_folder, good)
    manifest = json.loads((artifact_folder / "manifest.json").read_text())
    write_manifest(good, manifest | {"version": "9.9.9"})
    link.symlink_to(artifact_folder)
    server = start_server(artifact=link, HSEGAP_PROCESSES="2", HSEGAP_WORKERS="1", HSEGAP_DRAIN_S=str(PATIENCE_S))
    link.unlink()
    link.symlink_to(good)
    server.process.send_signal(signal.SIGHUP)
    assert until(lambda: server.output.count("9.9.9 answers") == 2), server.output
    versions = {httpx.get(server.url + "/model", timeout=60).json()["version"] for _ in range(12)}
    assert versions == {"9.9.9"}
    ended_by_sigterm(server)


def ended_by_sigterm(together: RunningServer) -> None:
    """Asked to end while batches run, all processes answer them, end with 0 and leave no folder."""
    processes = server_processes(together)
    folders = [Path(entry) for pid in processes for entry in metrics_folders(pid)]
    assert folders

    async def go() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=together.url, timeout=2 * PATIENCE_S) as client:
            items = [{"structure": NACL, "atoms": False}] * 100
            working = [asyncio.create_task(client.post("/predict_batch", json={"items": items})) for _ in range(4)]
            while 'hsegap_running{kind="batch"} 4.0' not in (await client.get("/metrics")).text:
                assert not any(task.done() for task in working), "too small to be seen while they run"
                await asyncio.sleep(0.05)
            for pid in (together.process.pid, *processes):  # as systemd does
                os.kill(pid, signal.SIGTERM)
            return await asyncio.gather(*working)

    answers = in_own_loop(go())
    assert {answer.status_code for answer in answers} == {200}
    assert together.process.wait(timeout=PATIENCE_S) == 0
    assert not any(map(running, processes))
    assert not any(folder.exists() for folder in folders)
    assert "Traceback" not in together.output


def metrics_folders(pid: int) -> set[str]:
    """Folders of the files that Prometheus maps into a process's memory."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {str(Path(line.split()[-1]).parents[1]) for line in lines if "hsegap-metrics-" in line}


def test_the_processes_end_when_the_supervisor_is_killed(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(HSEGAP_PROCESSES="2", HSEGAP_WORKERS="1")
    processes = server_processes(server)
    server.process.kill()
    server.process.wait()
    assert until(lambda: not any(map(running, processes)))


def test_an_artifact_that_fails_its_check_ends_it_and_a_taken_port_of_the_page_is_named(
    start_server: Callable[..., RunningServer], artifact_folder: Path, tmp_path: Path, server: RunningServer
) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(artifact_folder, bad)
    golden = json.loads((bad / "golden.json").read_text())
    golden[0]["expected"]["gap_raw_ev"] += 0.1
    (bad / "golden.json").write_text(json.dumps(golden))
    write_manifest(bad, json.loads((bad / "manifest.json").read_text()))
    failing = start_server(wait=False, artifact=bad, HSEGAP_PROCESSES="2", HSEGAP_WORKERS="1")
    assert failing.process.wait(timeout=2 * PATIENCE_S) == 1
    assert until(lambda: "cannot serve" in failing.output)  # a thread collects it
    taken = server.url.rsplit(":", 1)[1]
    words = ("serve", "--port", free_port(), "--processes", "2", "--page-port", taken)
    told = run_command(*words, cwd=tmp_path, env=environment())
    assert told.status == 1
    assert f"Port {taken}" in told.stderr
