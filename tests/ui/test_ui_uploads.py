"""The upload folder: what is opened in it, what is swept out of it, and that no function of a page gives a file out."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from hsegap.ui.door import files_in, guard_events, visitor_of
from hsegap.ui.uploads import UploadError, Uploads
from support.loops import in_own_loop
from support.ui_samples import SILICON

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    folder = tmp_path / "uploads"
    (folder / "hash").mkdir(parents=True)
    (folder / "hash" / "a.cif").write_text(SILICON)
    return Uploads(folder)


def test_a_plain_file_of_the_folder_is_opened(uploads: Uploads) -> None:
    with uploads.open(uploads.folder / "hash" / "a.cif") as stream:
        assert stream.read().decode() == SILICON


@pytest.mark.parametrize(
    "kind",
    ["link", "folder link", "upwards", "outside", "folder", "gone", "pipe", "zero", "relative", "itself", "prefix"],
)
def test_nothing_else_is_opened(uploads: Uploads, tmp_path: Path, kind: str) -> None:
    folder = uploads.folder
    outside = tmp_path / "outside.cif"
    outside.write_text(SILICON)
    (folder / "link.cif").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    beside = tmp_path / "uploads-of-another"
    beside.mkdir()
    (beside / "a.cif").write_text(SILICON)
    path = {
        "link": folder / "link.cif",
        "folder link": folder / "linked" / "outside.cif",
        "upwards": f"{folder}/hash/../../outside.cif",
        "outside": outside,
        "folder": folder / "hash",
        "gone": folder / "hash" / "b.cif",
        "pipe": folder / "pipe",
        "zero": f"{folder}/hash/a.cif\0",
        "relative": "hash/a.cif",
        "itself": folder,
        "prefix": beside / "a.cif",
    }[kind]
    with pytest.raises(UploadError) as caught:
        uploads.open(path)
    assert caught.value.code == "invalid_request"


def test_an_upload_belongs_to_its_visitor_until_its_time_is_up(uploads: Uploads) -> None:
    short = Uploads(uploads.folder, age_s=0.05)
    for kept in (uploads, short):
        kept.record("one", ["/x/a.cif"])
    assert uploads.has("one", "/x/a.cif")
    assert not uploads.has("two", "/x/a.cif")
    assert not uploads.has(None, "/x/a.cif")
    assert not uploads.has("one", "/x/../x/a.cif")
    assert not uploads.has("one", ["/x/a.cif"])
    time.sleep(0.06)
    assert not short.has("one", "/x/a.cif")


def test_the_sweep_deletes_what_is_old_and_follows_no_link(uploads: Uploads, tmp_path: Path) -> None:
    folder = uploads.folder
    old, long_ago = folder / "old", time.time() - uploads.age_s - 1
    old.mkdir()
    victim = tmp_path / "victim.cif"
    victim.write_text(SILICON)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.cif").write_text(SILICON)
    (old / "a.cif").write_text(SILICON)
    (folder / "empty").write_text("")
    (folder / "link.cif").symlink_to(victim)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    for path in (
        victim,
        tmp_path / "elsewhere" / "b.cif",
        old / "a.cif",
        folder / "empty",
        folder / "link.cif",
        folder / "linked",
        old,
    ):
        os.utime(path, (long_ago, long_ago), follow_symlinks=False)
    uploads.sweep()
    assert victim.read_text() == SILICON
    assert (tmp_path / "elsewhere" / "b.cif").read_text() == SILICON
    assert (folder / "hash" / "a.cif").read_text() == SILICON  # young
    assert not (old / "a.cif").exists()
    assert not (folder / "empty").exists()
    assert not (folder / "link.cif").is_symlink()
    os.utime(old, (long_ago, long_ago))
    uploads.sweep()
    assert not old.exists()


@pytest.mark.parametrize(
    "where", ["working folder", "temporary folder", "upload folder", "by Gradio's mark", "deep inside"]
)
def test_no_function_of_a_page_can_give_a_file_out(
    uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    import gradio as gr
    from fastapi import FastAPI

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads.folder))
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret.cif"
    secret.write_text(SILICON)
    marked = {"path": str(secret), "meta": {"_type": "gradio.FileData"}}
    path = {"working folder": "secret.cif", "upload folder": str(uploads.folder / "hash" / "a.cif")}.get(
        where, str(secret)
    )
    with gr.Blocks() as blocks:
        shown = gr.JSON() if where in {"by Gradio's mark", "deep inside"} else gr.File()
        gr.Button().click(
            lambda: {"by Gradio's mark": marked, "deep inside": {"a": [marked]}}.get(where, path),
            None,
            shown,
            api_name="give",
        )
    guard_events(blocks, uploads)
    assert blocks.has_launched
    app = gr.mount_gradio_app(FastAPI(), blocks, path="/")
    before = set(uploads.folder.rglob("*"))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/gradio_api/run/give", json={"data": []})

    answer = in_own_loop(ask())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert set(uploads.folder.rglob("*")) == before


def test_files_are_found_however_deep(uploads: Uploads) -> None:
    marked = {"path": "x", "meta": {}}
    deep: object = marked
    for _ in range(5000):
        deep = [deep]
    assert list(files_in(deep)) == [marked]
    assert list(files_in({"path": "x"})) == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "hsegap_visitor=",
        "hsegap_visitor=../../x",
        "hsegap_visitor=short",
        "a=b; c",
        "\x00=\xff",
        f"hsegap_visitor={'a' * 44}",
    ],
)
def test_a_cookie_that_is_none_names_nobody(header: str) -> None:
    assert visitor_of(header) is None
    assert visitor_of(f"other=1; hsegap_visitor={'a' * 43}") == "a" * 43
