"""No event makes the server read, fetch, copy or delete what it names:
every function of the page is offered every kind of file that is not its own.

Everything offered here was made for it; the functions are those that the running page itself lists.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.ui_samples import ROCK_SALT, SILICON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.serving import RunningServer


META = {"_type": "gradio.FileData"}
LONG_AGO = 1_000_000_000
API = "/ui/gradio_api"


@dataclass
class Attacked:
    """A server with a folder of its own for temporary files."""

    server: RunningServer
    uploads: Path

    @contextmanager
    def visitor(self) -> Iterator[httpx.Client]:
        """Somebody who has opened the page."""
        with httpx.Client(base_url=self.server.url, timeout=60) as client:
            client.get("/ui/").raise_for_status()
            yield client


@pytest.fixture(scope="module")
def attacked(start_server: Callable[..., RunningServer], tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    folder = tmp_path_factory.mktemp("temporary")
    server = start_server(page=True, TMPDIR=str(folder))
    [uploads] = folder.glob("hsegap-page-*")
    return Attacked(server, uploads)


@dataclass
class Victim:
    """A file nobody may touch, and how it looked before."""

    path: Path
    content: str = ROCK_SALT

    def __post_init__(self) -> None:
        self.path.write_text(self.content)
        os.utime(self.path, (LONG_AGO, LONG_AGO))

    def untouched(self) -> bool:
        """Whether it is as it was. Its access time is looked at first, before the test itself reads it."""
        found = self.path.stat()
        return (found.st_atime, found.st_mtime) == (LONG_AGO, LONG_AGO) and self.path.read_text() == self.content


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    control = tmp_path / "control"
    control.write_text("x")
    os.utime(control, (LONG_AGO, LONG_AGO))
    control.read_text()
    if control.stat().st_atime == LONG_AGO:
        pytest.skip("this file system keeps no access times (mounted with noatime)")
    made = Victim(tmp_path / "victim.cif")
    yield made
    assert made.untouched()


@contextmanager
def listener() -> Iterator[tuple[int, list[Any]]]:
    """A port on loopback and who came."""
    came: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def wait() -> None:
            while True:
                try:
                    connection, address = door.accept()
                except OSError:
                    return
                came.append(address)
                connection.close()

        threading.Thread(target=wait, daemon=True).start()
        yield door.getsockname()[1], came


def upload(client: httpx.Client, name: str = "mine.cif", content: str = SILICON) -> str:
    answer = client.post(f"{API}/upload", files={"files": (name, content.encode())})
    answer.raise_for_status()
    [path] = answer.json()
    return path


def functions(client: httpx.Client) -> list[dict[str, Any]]:
    """The functions of the page that run on the server, with the kinds of their inputs."""
    config = client.get("/ui/config").json()
    kinds = {component["id"]: component["type"] for component in config["components"]}
    return [
        {"id": entry["id"], "name": entry["api_name"], "kinds": [kinds[place] for place in entry["inputs"]]}
        for entry in config["dependencies"]
        if entry["backend_fn"]
    ]


def outcomes(client: httpx.Client, number: int, events: list[list[Any]], *, session: str) -> list[dict[str, Any]]:
    """Send events of one function through the queue, as the page does, and wait for all of them."""
    sent = {}
    for place, data in enumerate(events):
        body = {"data": data, "fn_index": number, "session_hash": session, "event_data": None}
        answer = client.post(f"{API}/queue/join", json=body)
        answer.raise_for_status()
        sent[answer.json()["event_id"]] = place
    found: dict[int, dict[str, Any]] = {}
    with client.stream("GET", f"{API}/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:") and '"process_completed"' in line:
                message = json.loads(line[5:])
                found[sent[message["event_id"]]] = message
                if len(found) == len(sent):
                    break
    return [found[place] for place in range(len(events))]


def offers(victim: Victim, uploads: Path, theirs: str, port: int) -> dict[str, str]:
    """Paths that are not one's own upload, by kind."""
    link, linked_folder = uploads / "link.cif", uploads / "linked"
    for made, target in ((link, victim.path), (linked_folder, victim.path.parent)):
        made.unlink(missing_ok=True)
        made.symlink_to(target)
    planted = uploads / "planted.cif"
    planted.write_text(ROCK_SALT)
    up = os.path.relpath(victim.path, uploads)
    return {
        "outside": str(victim.path),
        "a link in the folder": str(link),
        "a folder that is a link": str(linked_folder / victim.path.name),
        "nested, upwards": f"{uploads}/{up}",
        "nested, in a folder of another's upload": (
            f"{Path(theirs).parent}/../{Path(theirs).parent.name}/{Path(theirs).name}"
        ),
        "in the folder, but nobody's": str(planted),
        "the folder itself": str(uploads),
        "someone else's upload": theirs,
        "a URL": f"http://127.0.0.1:{port}/stolen.cif",
        "a URL of a file": f"file://{victim.path}",
        "a URL with a name": f"http://localhost:{port}/stolen.cif",
        "relative": os.path.relpath(victim.path),
        "another case": str(victim.path).upper(),
        "an empty name": "",
        "a zero in the name": f"{victim.path}\0.cif",
    }


def everything_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def forms(path: str) -> list[Any]:
    """What a stranger may put in a field to name a file."""
    plain = {"path": path, "meta": META}
    return [
        plain,
        {**plain, "is_stream": True},
        [plain],
        {"value": [plain]},
        {**plain, "url": path, "orig_name": "a.cif", "size": 1},
    ]


def test_no_function_of_the_page_touches_a_file_that_is_not_the_visitors_own(
    attacked: Attacked, victim: Victim
) -> None:
    with attacked.visitor() as stranger, attacked.visitor() as owner, listener() as (port, came):
        theirs = upload(owner, "theirs.cif", ROCK_SALT + "# another's\n")
        os.utime(theirs, (LONG_AGO + 10**9, LONG_AGO + 10**9))
        paths = offers(victim, attacked.uploads, theirs, port)
        before = everything_below(attacked.uploads)
        listed = functions(stranger)
        assert any("file" in function["kinds"] for function in listed)
        asked = 0
        for function in listed:
            for place in range(len(function["kinds"])):
                is_file = function["kinds"][place] == "file"
                events = []
                for kind, path in paths.items():
                    for form in forms(path)[: None if is_file or kind == "outside" else 1]:
                        data: list[Any] = [None] * len(function["kinds"])
                        data[place] = form
                        events.append(data)
                for outcome, data in zip(
                    outcomes(stranger, function["id"], events, session=f"s{function['id']}-{place}"),
                    events,
                    strict=True,
                ):
                    assert outcome["success"] is False, (function, data, outcome["output"])
                    asked += 1
        assert asked >= 10 * len(paths)
        assert came == []
        # Gradio may leave empty files of its own here; nothing was copied, fetched or deleted.
        assert before <= everything_below(attacked.uploads)
        assert not [path for path in everything_below(attacked.uploads) - before if Path(path).stat().st_size]
        assert Path(theirs).read_text().endswith("# another's\n")


def test_functions_called_directly_are_checked_as_well(attacked: Attacked, victim: Victim) -> None:
    asked = 0
    with attacked.visitor() as stranger:
        for function in functions(stranger):
            if function["name"] and function["kinds"]:
                form = {"path": str(victim.path), "meta": META}
                data = [form, *[None] * (len(function["kinds"]) - 1)]
                answer = stranger.post(f"{API}/run/{function['name']}", json={"data": data, "fn_index": function["id"]})
                assert answer.status_code >= 400, function
                assert ROCK_SALT.split()[0] not in answer.text
                asked += 1
    assert asked >= 5, "predict, predict_batch, describe, strain and what_if"


def test_an_upload_serves_its_own_visitor_and_is_not_deleted_by_an_event(attacked: Attacked) -> None:
    with (
        attacked.visitor() as owner,
        attacked.visitor() as other,
        httpx.Client(base_url=attacked.server.url, timeout=60) as nobody,
    ):
        path = upload(owner)
        [batch] = [function for function in functions(owner) if "file" in function["kinds"]]
        event = [[{"path": path, "orig_name": "../../shown.cif", "meta": META}], False, "en"]
        [outcome] = outcomes(owner, batch["id"], [event], session="own")
        assert outcome["success"] is True
        assert outcome["output"]["data"][0]["rows"][0]["formula"] == "Si"
        assert Path(path).read_text() == SILICON
        stream = [[{"path": path, "is_stream": True, "meta": META}], False, "en"]
        assert outcomes(owner, batch["id"], [stream], session="own-stream")[0]["success"] is False
        assert Path(path).exists()
        for stranger in (other, nobody):
            assert outcomes(stranger, batch["id"], [event], session="not-own")[0]["success"] is False
            assert stranger.get(f"{API}/file={path}").status_code == 404
        assert owner.get(f"{API}/file={path}").text == SILICON


def test_two_visitors_may_upload_the_same_file(attacked: Attacked) -> None:
    with attacked.visitor() as one, attacked.visitor() as other:
        path = upload(one, "same.cif", ROCK_SALT)
        assert upload(other, "same.cif", ROCK_SALT) == path
        [batch] = [function for function in functions(one) if "file" in function["kinds"]]
        for visitor in (one, other):
            [outcome] = outcomes(visitor, batch["id"], [[[{"path": path, "meta": META}], False, "en"]], session="same")
            assert outcome["output"]["data"][0]["rows"][0]["formula"] == "NaCl"


def test_a_client_that_never_opened_the_page_gets_its_cookie_with_the_upload(attacked: Attacked) -> None:
    with httpx.Client(base_url=attacked.server.url, timeout=60) as client:
        answer = client.post(f"{API}/upload", files={"files": ("a.cif", SILICON.encode())})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert client.get(f"{API}/file={answer.json()[0]}").status_code == 200


@pytest.mark.parametrize(
    "route",
    [
        "GET /proxy={url}",
        "GET /file={url}",
        "GET /file={path}",
        "GET /file/{path}",
        "GET /stream/a/b/1/playlist-file",
        "POST /stream/a",
        "POST /component_server",
        "POST /process_recording",
        "GET /vibe-code",
        "POST /vibe-edit",
        "POST /run-history/connect",
        "GET /custom_component/1/client/component/index.js",
        "GET /deep_link",
        "GET /../monitoring",
        "GET /../manifest.json",
        "GET /../pwa_icon",
        "GET /../dev/reload",
        "PUT /upload",
        "DELETE /upload",
    ],
)
def test_routes_the_page_has_no_use_for_are_shut(attacked: Attacked, victim: Victim, route: str) -> None:
    method, path = route.split(" ", 1)
    with attacked.visitor() as stranger, listener() as (port, came):
        path = path.format(url=f"http://127.0.0.1:{port}/x", path=victim.path)
        address = f"/ui{path.removeprefix('/..')}" if path.startswith("/..") else f"{API}{path}"
        answer = stranger.request(method, address)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "invalid_request"
        assert came == []
