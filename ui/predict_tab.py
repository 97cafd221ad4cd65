"""The Predict tab: a crystal and its description on the left, the answer on the right, the maps below."""

from __future__ import annotations

import asyncio
import contextlib
import time
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.prediction.errors import Failure
from hsegap.ui import actions, skeletons, texts
from hsegap.ui.answer import answer_html, empty_html, error_html
from hsegap.ui.components import part
from hsegap.ui.examples import load_examples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import gradio as gr

    from hsegap.ui.backend import Backend

#: Seconds between two signs of life while a description is being made.
TICK_S = 0.5


class _Inputs(NamedTuple):
    """The left column's parts."""

    source: Any
    structure: gr.Textbox
    error: gr.HTML
    format_: gr.Dropdown
    description: gr.Textbox
    describe: gr.Button
    cancel: gr.Button
    status: gr.HTML
    go: gr.Button
    bare: gr.Button


def _inputs() -> _Inputs:
    """Lay out the crystal, its description and the buttons inside the current column."""
    import gradio as gr

    source = part("source", skeletons.SOURCE, elem_id="hs-source", events=("pick",), examples=load_examples())
    structure = gr.Textbox(
        label=texts.STRUCTURE_LABEL,
        placeholder=texts.STRUCTURE_PLACEHOLDER,
        lines=7,
        max_lines=12,
        elem_id="hs-structure",
        elem_classes="hs-mono",
    )
    error = gr.HTML(elem_id="hs-error", apply_default_css=False)
    format_ = gr.Dropdown(texts.FORMATS, value="auto", label="Format", elem_id="hs-format", filterable=False)
    description = gr.Textbox(
        label=texts.DESCRIPTION_LABEL,
        info=texts.DESCRIPTION_INFO,
        placeholder=texts.DESCRIPTION_PLACEHOLDER,
        lines=4,
        max_lines=9,
        elem_id="hs-description",
    )
    with gr.Row(elem_classes="hs-describe-row"):
        describe = gr.Button(texts.DESCRIBE, size="sm", elem_id="hs-describe")
        cancel = gr.Button(texts.CANCEL, size="sm", elem_id="hs-cancel", visible=False)
    status = gr.HTML(elem_id="hs-status", apply_default_css=False)
    with gr.Row(elem_classes="hs-go"):
        go = gr.Button(texts.PREDICT, variant="primary", elem_id="hs-predict")
        bare = gr.Button(texts.PREDICT_WITHOUT, elem_id="hs-predict-bare")
    return _Inputs(source, structure, error, format_, description, describe, cancel, status, go, bare)


def build(core: Backend, *, answers_at_once: int) -> None:
    """Lay out the tab inside the current ``gr.Blocks`` and wire it to the core."""
    import gradio as gr

    with gr.Row(elem_classes="hs-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="hs-card hs-input"):
            source, structure, error, format_, description, describe, cancel, status, go, bare = _inputs()
        with gr.Column(scale=7, min_width=320, elem_classes="hs-output"):
            with gr.Column(elem_classes="hs-card"):
                answer = gr.HTML(empty_html(), elem_id="hs-answer", apply_default_css=False)
            with gr.Column(elem_classes="hs-card"):
                maps = part("crystal", skeletons.CRYSTAL, elem_id="hs-maps")
            with gr.Column(elem_classes="hs-card"):
                strain = part("strain", skeletons.STRAIN, elem_id="hs-strain", events=("ask",))

    async def run(structure_text: str, format_name: str, text: str) -> tuple[str, Any, str, Any]:
        request = actions.make_request(structure_text, format_name, text)
        result = await actions.predict(core, request)
        if isinstance(result, Failure):
            return empty_html(), None, error_html(result), None
        return answer_html(result.prediction, result.alone, result.read), result.payload, "", None

    async def run_bare(structure_text: str, format_name: str) -> tuple[str, Any, str, Any]:
        return await run(structure_text, format_name, "")

    async def describe_it(structure_text: str, format_name: str) -> AsyncIterator[tuple[Any, str, str, Any, Any]]:
        """Describe the crystal; a sign of life every half second, the text at the end."""
        request = actions.make_request(structure_text, format_name)
        if isinstance(request, Failure) or not structure_text.strip():
            failure = (
                request
                if isinstance(request, Failure)
                else Failure.make("unreadable_structure", texts.DESCRIBE_NEEDS_STRUCTURE)
            )
            yield gr.skip(), error_html(failure), "", gr.update(interactive=True), gr.update(visible=False)
            return
        started = time.monotonic()
        task = asyncio.create_task(actions.describe(core, request))
        try:
            while True:
                seconds = time.monotonic() - started
                yield gr.skip(), "", progress_html(seconds), gr.update(interactive=False), gr.update(visible=True)
                with contextlib.suppress(TimeoutError):
                    result = await asyncio.wait_for(asyncio.shield(task), TICK_S)
                    break
        finally:
            # Pressed Cancel, or left the page: nobody waits for the text any more.
            task.cancel()
        text, failed = (gr.skip(), error_html(result)) if isinstance(result, Failure) else (result.description.text, "")
        done = (
            ""
            if isinstance(result, Failure)
            else f'<p class="hs-done" role="status">Described in {time.monotonic() - started:.1f} s.</p>'
        )
        yield text, failed, done, gr.update(interactive=True), gr.update(visible=False)

    def cancelled() -> tuple[str, Any, Any]:
        note = f'<p class="hs-done" role="status">{escape(texts.DESCRIBE_CANCELLED)}</p>'
        return note, gr.update(interactive=True), gr.update(visible=False)

    async def strain_it(structure_text: str, format_name: str, text: str) -> dict[str, Any]:
        result = await actions.strain_curve(core, actions.make_request(structure_text, format_name, text))
        return {"error": result.model_dump(mode="json")["error"]} if isinstance(result, Failure) else result

    inputs = [structure, format_, description]
    outputs = [answer, maps, error, strain]
    quiet: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress": "hidden",
        "concurrency_limit": answers_at_once,
    }
    seen = {**quiet, "show_progress": "minimal", "show_progress_on": [answer]}
    source.pick(
        fn=None,
        inputs=[source],
        outputs=[structure, format_, description, error, status],
        js="(v) => [v.structure, v.format, v.description, '', '']",
    ).then(run, inputs, outputs, **seen)
    go.click(run, inputs, outputs, **seen)
    description.submit(run, inputs, outputs, **seen)
    bare.click(run_bare, inputs[:2], outputs, **seen)
    described = describe.click(
        describe_it,
        inputs[:2],
        [description, error, status, describe, cancel],
        **{**quiet, "concurrency_limit": 4, "concurrency_id": "describe"},
    )
    # First stop, then say so: the other way round a last sign of life would overwrite the words.
    stopped = cancel.click(None, cancels=[described], queue=False, api_visibility="private")
    stopped.then(
        cancelled, None, [status, describe, cancel], queue=False, api_visibility="private", show_progress="hidden"
    )
    strain.ask(strain_it, inputs, strain, **quiet)


def progress_html(seconds: float) -> str:
    """What is shown while a description is being made."""
    slow = f" ({texts.DESCRIBE_SLOW})" if seconds > 2 else ""
    return (
        '<p class="hs-busy" role="status"><span class="hs-spin" aria-hidden="true">'
        f"</span>Describing… {seconds:.0f} s{escape(slow)}</p>"
    )
