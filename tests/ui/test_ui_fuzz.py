"""Random values through every function of the page, while the system reports each file that the server touches.

Only the upload folder and the server's own caches may be written; nothing may be deleted outside the former; and of
what the values name, nothing may be as much as looked at. All of it was made for this test, and every host is this one.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support import watched
from support.processes import until
from support.ui_samples import ROCK_SALT, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.serving import RunningServer

API = "/ui/gradio_api"
META = {"_type": "gradio.FileData"}
#: Events by the queue and direct calls.
EVENTS, CALLS = 600, 200
NAMING = re.compile(r"victim|stolen|nowhere")


def names(folder: Path, mine: str, port: int) -> list[str]:
    """What a value may name."""
    victim = folder / "victim.cif"
    return [
        str(victim),
        f"{Path(mine).parent}/../../../{folder.name}/victim.cif",
        os.path.relpath(victim, Path(mine).parent),
        f"file://{victim}",
        f"http://127.0.0.1:{port}/stolen.cif",
        f"//127.0.0.1:{port}/stolen.cif",
        f"data:text/plain,{victim}",
        f"{victim}\0",
        str(folder / "nowhere" / "x"),
        str(folder / "victims"),
        "victim.cif",
    ]


class Values:
    """Makes values that a stranger may send."""

    def __init__(self, chooser: random.Random, paths: list[str], mine: str) -> None:
        self._chooser, self._paths, self._mine = chooser, paths, mine

    def file(self) -> dict[str, Any]:
        """An object that Gradio takes for a file, or nearly."""
        choose = self._chooser
        more = {
            "is_stream": True,
            "url": choose.choice(self._paths),
            "orig_name": choose.choice(["../victim.cif", "a.cif", 7]),
            "size": choose.choice([-1, 1 << 70, "big"]),
            "mime_type": "text/plain",
            "b64": "AAAA",
            "is_file": True,
            "name": choose.choice(self._paths),
            "data": choose.choice(self._paths),
        }
        made: dict[str, Any] = {"path": choose.choice([*self._paths, self._mine, None, 3, ["x"]]), "meta": META}
        made |= {key: value for key, value in more.items() if choose.random() < 0.3}
        if choose.random() < 0.2:
            made["meta"] = choose.choice([None, {}, {"_type": "gradio.Other"}, [META]])
        return made

    def value(self, depth: int = 0) -> Any:
        """Anything."""
        choose = self._chooser
        if depth < 5 and choose.random() < 0.35:
            inner = [self.value(depth + 1) for _ in range(choose.randint(0, 3))]
            keys = ["path", "value", "data", "headers", "files", "__type__", "props", "root", "meta"]
            return inner if choose.random() < 0.5 else dict(zip(choose.sample(keys, 3), inner, strict=False))
        plain = [None, True, False, -1, 0, 1 << 60, 1e308, "", "x" * 3000, "NaN", SILICON, ROCK_SALT, *self._paths]
        return self.file() if choose.random() < 0.5 else choose.choice(plain)

    def event(self, inputs: int) -> list[Any]:
        """The values of one event; sometimes more or fewer than it has."""
        return [self.value() for _ in range(max(0, inputs + self._chooser.choice([0] * 8 + [1, -1])))]


def fuzzed(server: RunningServer, folder: Path, chooser: random.Random) -> set[int]:
    """Send random events and calls; the statuses of their answers."""
    codes: set[int] = set()
    with httpx.Client(base_url=server.url, timeout=120) as client:
        client.get("/ui/").raise_for_status()
        sent = client.post(f"{API}/upload", files={"files": ("mine.cif", SILICON.encode())})
        values = Values(chooser, names(folder, sent.json()[0], int(server.url.rsplit(":", 1)[1])), sent.json()[0])
        functions = [entry for entry in client.get("/ui/config").json()["dependencies"] if entry["backend_fn"]]
        named = [entry for entry in functions if entry["api_name"]]
        for number in range(EVENTS):
            function = functions[number % len(functions)]
            body = {
                "data": values.event(len(function["inputs"])),
                "fn_index": function["id"],
                "session_hash": f"s{number % 7}",
                "event_data": chooser.choice([None, {"index": 0}, values.value()]),
                "trigger_id": chooser.choice([None, 1, -1]),
            }
            codes.add(client.post(f"{API}/queue/join", json=body).status_code)
        for number in range(CALLS):
            function = named[number % len(named)]
            kind = chooser.choice(("run", "api", "call"))
            body = {"data": values.event(len(function["inputs"])), "session_hash": "direct"}
            codes.add(client.post(f"{API}/{kind}/{function['api_name']}", json=body).status_code)
        for session in range(7):  # somebody listens, so that all of it is worked on
            with client.stream("GET", f"{API}/queue/data", params={"session_hash": f"s{session}"}) as stream:
                for line in stream.iter_lines():
                    if '"close_stream"' in line:
                        break
        assert client.get("/readyz").status_code == 200
        assert client.post("/predict", json={"structure": SILICON}).json()["formula"] == "Si"
    return codes


@pytest.mark.slow
def test_random_values_touch_no_file_outside_the_upload_folder(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    temporary, cache, folder = (tmp_path / name for name in ("temporary", "cache", "made"))
    for made in (temporary, cache, folder, folder / "victims"):
        made.mkdir()
    shutil.copy(__file__, folder / "victims" / "victim.py")
    (folder / "victim.cif").write_text(ROCK_SALT)
    report = tmp_path / "report"
    server = start_server(
        page=True,
        runner=partial(watched.command, report, calls="%file,connect", own_pid=True),
        TMPDIR=str(temporary),
        XDG_CACHE_HOME=str(cache),
        HOME=str(tmp_path),
        HSEGAP_MAX_CONCURRENCY="16",
    )
    [uploads] = temporary.glob("hsegap-page-*")
    started = report.stat().st_size  # from now on
    codes = fuzzed(server, folder, random.Random(24))
    assert not {code for code in codes if code >= 500}, codes
    assert until(lambda: "mine.cif" in report.read_text(errors="replace"))  # the watch sees what is allowed, too
    seen = [
        touch
        for touch in watched.touches(report, tmp_path, after=started)
        if not watched.HARMLESS.fullmatch(touch.path)
    ]
    touched = {touch.path for touch in seen}
    assert not {path for path in touched if NAMING.search(path)}
    changed = {touch.path for touch in seen if touch.changes}
    assert not {path for path in changed if not path.startswith((str(uploads), str(cache)))}
    deleted = {touch.path for touch in seen if touch.changes and touch.call.startswith(("unlink", "rmdir"))}
    assert not {path for path in deleted if not path.startswith(str(uploads)) and not path.endswith("-lock")}
    assert (folder / "victim.cif").read_text() == ROCK_SALT
    assert server.stop() == 0
