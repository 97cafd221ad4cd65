"""The Batch tab: many files or a zip in, a table, two plots, the failures with their reasons, and downloads out."""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any

from hsegap.prediction.errors import Failure
from hsegap.ui import batch, skeletons, texts
from hsegap.ui.answer import error_html
from hsegap.ui.components import part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hsegap.ui.backend import Backend
    from hsegap.ui.uploads import Uploads


def build(core: Backend, uploads: Uploads) -> None:
    """Lay out the tab inside the current ``gr.Blocks`` and wire it to the core."""
    import gradio as gr

    with gr.Column(elem_classes="hs-card"):
        gr.HTML(
            f'<h2>Many crystals at once</h2><p class="hs-meaning">{escape(texts.BATCH_INTRO)}</p>',
            apply_default_css=False,
        )
        files = gr.File(
            label="Structure files or zips of them",
            file_count="multiple",
            type="filepath",
            height=150,
            elem_id="hs-batch-files",
        )
        with gr.Row(elem_classes="hs-go"):
            go = gr.Button("Predict all", variant="primary", elem_id="hs-batch-go")
            cancel = gr.Button(texts.CANCEL, visible=False, elem_id="hs-batch-cancel")
            describe = gr.Checkbox(
                label="Generate descriptions (seconds each)", container=False, elem_id="hs-batch-describe"
            )
        status = gr.HTML(elem_id="hs-batch-status", apply_default_css=False)
    with gr.Column(elem_classes="hs-card hs-batch-card"):
        results = part("batch", skeletons.BATCH, elem_id="hs-batch")

    async def run(paths: list[str] | None, describing: bool) -> AsyncIterator[tuple[Any, ...]]:
        on, off = gr.update(visible=True), gr.update(visible=False)
        try:
            items = await asyncio.to_thread(batch.collect, paths or [], uploads, describe=describing)
        except batch.BatchError as error:
            yield None, error_html(Failure.of(error)), off, gr.skip()
            return
        rows: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        yield None, progress_html(0, len(items)), on, None
        async for chunk in batch.run(core, items, chunk=1 if describing else batch.CHUNK):
            for name, answer in chunk:
                rows.append(batch.row_of(name, answer))
                answers.append(answer.model_dump(mode="json"))
            yield {"rows": rows, "total": len(items)}, progress_html(len(rows), len(items)), on, gr.skip()
        done = {"rows": rows, "total": len(items), "csv": batch.rows_csv(rows), "answers": answers}
        yield done, summary_html(rows), off, gr.skip()

    def cancelled() -> tuple[str, Any]:
        return '<p class="hs-done" role="status">Cancelled. What was predicted stays below.</p>', gr.update(
            visible=False
        )

    started = go.click(
        run,
        [files, describe],
        [results, status, cancel, files],
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=4,
        concurrency_id="batch",
    )
    stopped = cancel.click(None, cancels=[started], queue=False, api_visibility="private")
    stopped.then(cancelled, None, [status, cancel], queue=False, api_visibility="private", show_progress="hidden")


def progress_html(done: int, total: int) -> str:
    """A progress bar that screen readers know."""
    return (
        f'<div class="hs-progress"><progress max="{total}" value="{done}" aria-label="Predicted structures"></progress>'
        f'<span role="status">{done} of {total}</span></div>'
    )


def summary_html(rows: list[dict[str, Any]]) -> str:
    """One sentence on how it went."""
    failed = sum("error" in row for row in rows)
    words = f"{len(rows) - failed} predicted" + (f", {failed} failed: the reasons stand below" if failed else "")
    return f'<p class="hs-done" role="status">{words}.</p>'
