"""The page after another artifact was loaded: it says what answers now, and visitors keep what they had uploaded."""

from __future__ import annotations

import json
import shutil
import signal
from typing import TYPE_CHECKING

import httpx

from hsegap.artifact.manifest import write_manifest
from support.processes import until
from support.ui_samples import SILICON

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.serving import RunningServer

API = "/ui/gradio_api"


def test_the_model_tab_shows_the_artifact_that_answers(
    start_server: Callable[..., RunningServer], artifact_folder: Path, tmp_path: Path
) -> None:
    other, link = tmp_path / "other", tmp_path / "current"
    shutil.copytree(artifact_folder, other)
    (other / "MODEL_CARD.md").write_text("# A card of its own\n\n![parity](parity.svg)\n")
    (other / "parity.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><title>its own</title></svg>')
    write_manifest(other, json.loads((other / "manifest.json").read_text()) | {"version": "9.9.9"})
    link.symlink_to(artifact_folder)
    server = start_server(page=True, artifact=link)
    with httpx.Client(base_url=server.url, timeout=120) as visitor:
        before = visitor.get("/ui/").text
        assert "9.9.9" not in before
        sent = visitor.post(f"{API}/upload", files={"files": ("mine.cif", SILICON.encode())}).json()
        waiting = visitor.post(f"{API}/call/predict", json={"data": [SILICON, "", "cif", False, False]}).json()
        with visitor.stream("GET", f"{API}/call/predict/{waiting['event_id']}") as stream:
            link.unlink()
            link.symlink_to(other)
            server.process.send_signal(signal.SIGHUP)
            assert '"formula": "Si"' in "".join(stream.iter_text())
        assert until(lambda: "9.9.9" in visitor.get("/ui/").text), server.output
        page = visitor.get("/ui/").text
        assert "A card of its own" in page
        sha256 = visitor.get("/model").json()["sha256"]
        picture = visitor.get(f"/ui/hsegap/card/{sha256[:12]}/parity.svg")
        assert "its own" in picture.text
        assert visitor.get(f"{API}/file={sent[0]}").text == SILICON  # an upload outlives the swap
        asked = visitor.post(f"{API}/call/predict", json={"data": [SILICON, "", "cif", False, False]}).json()
        with visitor.stream("GET", f"{API}/call/predict/{asked['event_id']}") as stream:
            assert "9.9.9" in "".join(stream.iter_text())
    assert server.stop() == 0
    assert "Traceback" not in server.output
