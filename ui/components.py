"""The page's own parts: a fixed piece of HTML that a module of ``static/`` brings to life, as a Gradio component."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gradio as gr

#: Where the files of ``static/`` are served, below the page's own address.
STATIC_ROUTE = "/hsegap"
STATIC_FOLDER = Path(__file__).resolve().parent / "static"


def part(module: str, skeleton: str, *, elem_id: str, events: tuple[str, ...] = (), **props: Any) -> gr.HTML:
    """Make a part of the page inside the current ``gr.Blocks``.

    A function, not a subclass: Gradio writes a ``.pyi`` file beside the source of every class derived from its
    components.

    Args:
        module: Name under which ``static/page.js`` knows what brings it to life.
        skeleton: Its HTML; constant, so that updates of the value leave in place what the module made.
        elem_id: Its id in the page.
        events: Names of the events that the module may raise; each is then a method of the component, as ``click`` is
            of a button.
        props: Constants for the module.
    """
    import gradio as gr

    # Gradio offers listeners for the names that stand quoted in the script.
    script = (
        f"const events = {list(events)!r};"
        f'const start = () => window.hsegap.mount("{module}", element, props, trigger, watch, events);'
        'if (window.hsegap) { start(); } else { window.addEventListener("hsegap-ready", start, { once: true }); }'
    )
    return gr.HTML(None, html_template=skeleton, js_on_load=script, apply_default_css=False, elem_id=elem_id, **props)


@lru_cache(maxsize=64)
def static_text(name: str) -> str:
    """Content of a text file of ``static/``, read once: a running page keeps to the files it started with."""
    return (STATIC_FOLDER / name).read_text(encoding="utf-8")
