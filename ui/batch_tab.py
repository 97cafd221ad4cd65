"""The Batch tab: files, archives or a table in; a table, two plots, failures with reasons, and downloads out."""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any

from hsegap.batch.progress import duration
from hsegap.prediction.errors import Failure
from hsegap.ui import batch, skeletons
from hsegap.ui.answer import error_html
from hsegap.ui.components import part
from hsegap.ui.words import Marks, Words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hsegap.ui.backend import Backend
    from hsegap.ui.uploads import Uploads


def build(core: Backend, uploads: Uploads, language: Any) -> None:
    """Lay out the tab inside the current ``gr.Blocks`` and wire it to the core.

    Args:
        core: What answers.
        uploads: Where the visitors' files lie.
        language: The part that holds the visitor's language.
    """
    import gradio as gr

    words = Marks()
    with gr.Column(elem_classes="hs-card"):
        intro = f'<h2>{words("batch.title")}</h2><p class="hs-meaning">{words("batch.intro")}</p>'
        gr.HTML(intro, apply_default_css=False)
        files = gr.File(
            label=words("batch.files"), file_count="multiple", type="filepath", height=150, elem_id="hs-batch-files"
        )
        with gr.Row(elem_classes="hs-go"):
            go = gr.Button(words("batch.go"), variant="primary", elem_id="hs-batch-go")
            cancel = gr.Button(words("cancel"), visible=False, elem_id="hs-batch-cancel")
            describe = gr.Checkbox(label=words("batch.describe"), container=False, elem_id="hs-batch-describe")
        status = gr.HTML(elem_id="hs-batch-status", apply_default_css=False)
    with gr.Column(elem_classes="hs-card hs-batch-card"):
        results = part("batch", skeletons.BATCH, elem_id="hs-batch")

    async def run(paths: list[str] | None, describing: bool, language: str) -> AsyncIterator[tuple[Any, ...]]:
        said = Words(language)
        on, off = gr.update(visible=True), gr.update(visible=False)
        try:
            items, passed = await asyncio.to_thread(batch.collect, paths or [], uploads)
        except batch.BatchError as error:
            yield None, error_html(Failure.of(error), said), off
            return
        found = batch.Results(len(items))
        yield None, progress_html(found, said), on
        async for chunk in batch.run(core, items, describe=describing, chunk=1 if describing else batch.CHUNK):
            for answered in chunk:
                found.add(answered)
            yield found.value(), progress_html(found, said), on
        yield found.value(), summary_html(found, passed, said), off

    def cancelled(language: str) -> tuple[str, Any]:
        done = escape(Words(language)("batch.cancelled"))
        return f'<p class="hs-done" role="status">{done}</p>', gr.update(visible=False)

    started = go.click(
        run,
        [files, describe, language],
        [results, status, cancel],
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=4,
        concurrency_id="batch",
    )
    stopped = cancel.click(None, cancels=[started], queue=False, api_visibility="private")
    stopped.then(cancelled, language, [status, cancel], queue=False, api_visibility="private", show_progress="hidden")


def progress_html(found: batch.Results, words: Words) -> str:
    """A progress bar that screen readers know, with the time left."""
    done, left = len(found.rows), found.left_s()
    said = words("batch.progress", done=done, total=found.total)
    if left is not None and done < found.total:
        said = words("batch.left", said=said, time=duration(max(1.0, left)))
    return (
        f'<div class="hs-progress"><progress max="{found.total}" value="{done}" '
        f'aria-label="{escape(words("batch.bar"))}"></progress><span role="status">{escape(said)}</span></div>'
    )


def summary_html(found: batch.Results, passed: dict[str, int], words: Words) -> str:
    """How it went, and what was passed over."""
    good = len(found.rows) - found.failed
    said = words("batch.done_some", n=good, failed=found.failed) if found.failed else words("batch.done", n=good)
    said += "".join(words("batch.passed", n=count, name=name) for name, count in passed.items())
    return f'<p class="hs-done" role="status">{escape(said)}</p>'
