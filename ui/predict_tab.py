"""The Predict tab: a crystal and its description on the left, the answer on the right, the maps below."""

from __future__ import annotations

import asyncio
import contextlib
import time
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.formats import FORMATS
from hsegap.prediction.errors import Failure
from hsegap.ui import actions, skeletons
from hsegap.ui.answer import answer_html, empty_html, error_html
from hsegap.ui.components import part
from hsegap.ui.examples import load_examples
from hsegap.ui.swapped import swaps_html
from hsegap.ui.weighed import weighed_html
from hsegap.ui.words import Marks, Words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import gradio as gr

    from hsegap.ui.backend import Backend

#: Seconds between two signs of life while a description is being made.
TICK_S = 0.5
#: Formats offered; the first leaves it to the reader.
CHOICES = ("auto", *FORMATS)
#: What a script answers for a button that may be pressed again, and for one that is not needed.
READY, HIDDEN = '{__type__: "update", interactive: true}', '{__type__: "update", visible: false}'


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
    known: gr.Textbox
    go: gr.Button
    bare: gr.Button


def _inputs(words: Marks, *, takes_gap: bool) -> _Inputs:
    """Lay out the crystal, its description and the buttons inside the current column."""
    import gradio as gr

    source = part(
        "source",
        skeletons.SOURCE,
        elem_id="hs-source",
        events=("pick", "fill"),
        examples=load_examples(),
        gap=takes_gap,
    )
    structure = gr.Textbox(
        label=words("structure.label"),
        placeholder=words("structure.placeholder"),
        lines=7,
        max_lines=12,
        elem_id="hs-structure",
        elem_classes="hs-mono",
    )
    error = gr.HTML(elem_id="hs-error", apply_default_css=False)
    choices = [(words(f"format.{name}"), name) for name in CHOICES]
    format_ = gr.Dropdown(choices, value=CHOICES[0], label=words("format.label"), elem_id="hs-format", filterable=False)
    description = gr.Textbox(
        label=words("description.label"),
        info=words("description.info"),
        placeholder=words("description.placeholder"),
        lines=4,
        max_lines=9,
        elem_id="hs-description",
    )
    with gr.Row(elem_classes="hs-describe-row"):
        describe = gr.Button(words("describe.button"), size="sm", elem_id="hs-describe")
        cancel = gr.Button(words("cancel"), size="sm", elem_id="hs-cancel", visible=False)
    status = gr.HTML(elem_id="hs-status", apply_default_css=False)
    # A network without an input for it would list the gap and not use it: then nobody is asked for one. Gradio's field
    # for numbers sends 0, a metal's gap, where nothing was entered; what is no number is refused by the request's name.
    known = gr.Textbox(
        label=words("known.label"),
        info=words("known.info"),
        lines=1,
        max_lines=1,
        visible=takes_gap,
        elem_id="hs-known",
    )
    with gr.Row(elem_classes="hs-go"):
        go = gr.Button(words("predict.button"), variant="primary", elem_id="hs-predict")
        bare = gr.Button(words("predict.alone"), elem_id="hs-predict-bare")
    return _Inputs(source, structure, error, format_, description, describe, cancel, status, known, go, bare)


class _Tab:
    """What the tab's buttons do; the answers go to the gate, which drops those that come too late.

    Args:
        core: What answers.
    """

    def __init__(self, core: Backend) -> None:
        self._core = core

    async def run(self, structure: str, format_name: str, text: str, known: str, language: str) -> dict[str, Any]:
        """Predict what stands in the fields."""
        asked = [structure, format_name, text, known]
        request = actions.make_request(structure, format_name, text, known, sensitivity=True)
        return await self._answer(asked, request, Words(language))

    async def run_bare(self, structure: str, format_name: str, text: str, known: str, language: str) -> dict[str, Any]:
        """Predict from the structure alone, whatever else stands in the fields."""
        asked = [structure, format_name, text, known]
        request = actions.make_request(structure, format_name, sensitivity=True)
        return await self._answer(asked, request, Words(language))

    async def _answer(self, asked: list[Any], request: Any, words: Words) -> dict[str, Any]:
        result = await actions.predict(self._core, request, words)
        head = {"kind": "answer", "asked": asked, "moment": time.monotonic()}
        if isinstance(result, Failure):
            return {**head, "answer": empty_html(words), "payload": None, "error": error_html(result, words)}
        return {**head, "answer": answer_html(result.prediction, words), "payload": result.payload, "error": ""}

    async def describe_it(
        self, structure: str, format_name: str, language: str
    ) -> AsyncIterator[tuple[Any, str, str, Any, Any]]:
        """Describe the crystal; a sign of life every half second, the text at the end."""
        import gradio as gr

        words = Words(language)
        request = actions.make_request(structure, format_name)
        if isinstance(request, Failure) or not structure.strip():
            missing = Failure.make("unreadable_structure", "Give a structure first.")
            failure = request if isinstance(request, Failure) else missing
            yield gr.skip(), error_html(failure, words), "", gr.update(interactive=True), gr.update(visible=False)
            return
        started = time.monotonic()
        task = asyncio.create_task(actions.describe(self._core, request))
        try:
            while True:
                seconds = time.monotonic() - started
                busy = progress_html(seconds, words)
                yield gr.skip(), "", busy, gr.update(interactive=False), gr.update(visible=True)
                with contextlib.suppress(TimeoutError):
                    result = await asyncio.wait_for(asyncio.shield(task), TICK_S)
                    break
        finally:
            # Pressed Cancel, or left the page: nobody waits for the text any more.
            task.cancel()
        gate = {"kind": "described", "asked": [structure, format_name], "moment": time.monotonic()}
        if isinstance(result, Failure):
            gate |= {"text": None, "error": error_html(result, words), "status": ""}
        else:
            done = words("describe.done", seconds=f"{time.monotonic() - started:.1f}")
            gate |= {"text": result.description.text, "error": "", "status": _done(done)}
        yield gate, "", "", gr.update(interactive=True), gr.update(visible=False)

    async def explain_it(
        self, structure: str, format_name: str, text: str, known: str, language: str
    ) -> dict[str, Any]:
        """The text with the effect of each sentence."""
        request = actions.make_request(structure, format_name, text, known, explain=True)
        result = await actions.ask(self._core, request)
        return _error(result) if isinstance(result, Failure) else {"html": weighed_html(result, Words(language))}

    async def strain_it(
        self, structure: str, format_name: str, text: str, known: str, chosen: dict[str, Any]
    ) -> dict[str, Any]:
        """The gap along a strain."""
        request = actions.make_request(structure, format_name, text, known)
        result = await actions.strain_curve(self._core, request, str((chosen or {}).get("along", "all")))
        return _error(result) if isinstance(result, Failure) else result

    async def swap_it(self, structure: str, format_name: str, text: str, known: str, language: str) -> dict[str, Any]:
        """The gaps of the crystals with one element in another's place."""
        request = actions.make_request(structure, format_name, text, known)
        result = await actions.what_if(self._core, request, strain=None)
        shown = _error(result) if isinstance(result, Failure) else {"html": swaps_html(result, Words(language))}
        return {"kind": "swaps", **shown}

    @staticmethod
    def cancelled(language: str) -> tuple[str, Any, Any]:
        """Say that describing has ended."""
        import gradio as gr

        return _done(Words(language)("describe.cancelled")), gr.update(interactive=True), gr.update(visible=False)


def build(core: Backend, language: Any, *, answers_at_once: int) -> None:
    """Lay out the tab inside the current ``gr.Blocks`` and wire it to the core.

    Args:
        core: What answers.
        language: The part that holds the visitor's language.
        answers_at_once: Most questions worked on at the same time.
    """
    import gradio as gr

    words = Marks()
    takes_gap = "pbe_gap_ev" in core.artifact.manifest.config.get("facts", ())
    with gr.Row(elem_classes="hs-columns"):
        with gr.Column(scale=5, min_width=320, elem_classes="hs-card hs-input"):
            put = _inputs(words, takes_gap=takes_gap)
        with gr.Column(scale=7, min_width=320, elem_classes="hs-output"):
            gate = part("gate", skeletons.GATE, elem_id="hs-gate", events=("answer", "described"))
            with gr.Column(elem_classes="hs-card"):
                answer = gr.HTML(empty_html(words), elem_id="hs-answer", apply_default_css=False)
            with gr.Column(elem_classes="hs-card"):
                maps = part("crystal", skeletons.CRYSTAL, elem_id="hs-maps")
            with gr.Column(elem_classes="hs-card"):
                weighed = part("weighed", skeletons.WEIGHED, elem_id="hs-weighed", events=("ask",))
            with gr.Column(elem_classes="hs-card"):
                strain = part("strain", skeletons.STRAIN, elem_id="hs-strain", events=("ask", "swap"))

    tab = _Tab(core)
    fields = [put.structure, put.format_, put.description, put.known]
    quiet: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress": "hidden",
        "concurrency_limit": answers_at_once,
        "trigger_mode": "multiple",
    }
    seen = {**quiet, "show_progress": "minimal", "show_progress_on": [answer]}
    asked = [*fields, language]
    for button in (put.go.click, put.description.submit, put.known.submit):
        button(tab.run, asked, gate, **seen)
    put.bare.click(tab.run_bare, asked, gate, **seen)
    waiting: dict[str, Any] = {**quiet, "concurrency_limit": 4, "concurrency_id": "describe", "trigger_mode": "once"}
    messages = [put.status, put.describe, put.cancel]
    described = put.describe.click(tab.describe_it, [*fields[:2], language], [gate, put.error, *messages], **waiting)
    # First stop, then say so: the other way round a last sign of life would overwrite the words.
    stopped = put.cancel.click(None, cancels=[described], queue=False, api_visibility="private")
    stopped.then(tab.cancelled, language, messages, queue=False, api_visibility="private", show_progress="hidden")
    weighed.ask(tab.explain_it, asked, weighed, **quiet)
    strain.ask(tab.strain_it, [*fields, strain], strain, **quiet)
    strain.swap(tab.swap_it, asked, strain, **quiet)
    _wire_scripts(put, gate, (answer, maps, put.error, weighed, strain), described)
    put.source.pick(None, put.source, [*fields, put.error, *messages], js=_FILL, cancels=[described]).then(
        tab.run, asked, gate, **seen
    )


#: A file or an example fills every field and clears every message of the one before.
_FILL = f"(v) => [v.structure, v.format, v.description, v.known, '', '', {READY}, {HIDDEN}]"


def _wire_scripts(put: _Inputs, gate: Any, shown: tuple[Any, ...], described: Any) -> None:
    """Events that never leave the browser: fields are watched, what passes the gate is shown.

    Args:
        put: The left column.
        gate: Where answers come in.
        shown: Answer, maps, error, sentences and strain.
        described: What ends when another crystal is picked.
    """
    import gradio as gr

    fields: list[Any] = [put.structure, put.format_, put.description, put.known]
    local: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    gr.on([field.change for field in fields], None, fields, js="(...now) => { window.hsegap?.fields(now); }", **local)
    put.source.fill(
        None, put.source, [*fields, put.error, put.status, put.describe, put.cancel], js=_FILL, cancels=[described]
    )
    gate.answer(None, gate, list(shown), js="(v) => [v.answer, v.payload, v.error, null, null]", **local)
    gate.described(
        None,
        [gate, put.description],
        [put.description, put.error, put.status],
        js="(v, text) => [v.text ?? text, v.error, v.status]",
        **local,
    )


def _error(failure: Failure) -> dict[str, Any]:
    """A failure as the page's parts show it."""
    return {"error": failure.model_dump(mode="json")["error"]}


def _done(said: str) -> str:
    return f'<p class="hs-done" role="status">{escape(said)}</p>'


def progress_html(seconds: float, words: Words) -> str:
    """What is shown while a description is being made."""
    busy = words("describe.busy", seconds=f"{seconds:.0f}") + (words("describe.slow") if seconds > 2 else "")
    return f'<p class="hs-busy" role="status"><span class="hs-spin" aria-hidden="true"></span>{escape(busy)}</p>'
