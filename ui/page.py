"""The page as a whole: theme, header and the three tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.ui import api, batch_tab, model_tab, predict_tab, skeletons
from hsegap.ui.words import Marks

if TYPE_CHECKING:
    import gradio as gr

    from hsegap.ui.backend import Backend
    from hsegap.ui.uploads import Uploads

#: Of the fonts that Gradio carries, the weights with all characters; its semibold files lack Å and the minus sign.
WEIGHTS = (400, 700)
#: The accent, in eleven steps from light to dark.
ACCENT = (
    "#eef5fc",
    "#d8e8f8",
    "#b4d3f1",
    "#84b6e6",
    "#5b9bdb",
    "#2f7cc6",
    "#1d66ad",
    "#18538d",
    "#154672",
    "#133b5e",
    "#0c2740",
)


#: How often the page's queue looks whether there is something to do, seconds.
IDLE_LOOK_S = 0.02


def theme() -> gr.themes.Base:
    """Colours and a font that this server carries itself: Gradio's usual themes ask a foreign host for theirs."""
    import gradio as gr

    system = ("system-ui", "sans-serif")
    made = gr.themes.Base(
        primary_hue=gr.themes.Color(*ACCENT),
        neutral_hue="slate",
        radius_size="md",
        text_size="md",
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=WEIGHTS), *system],
        font_mono=[gr.themes.LocalFont("IBM Plex Mono", weights=WEIGHTS), "ui-monospace", "monospace"],
    )
    both: dict[str, str] = {
        "body_background_fill": "var(--hs-page)",
        "body_text_color": "var(--hs-text)",
        "body_text_color_subdued": "var(--hs-muted)",
        "background_fill_primary": "var(--hs-card)",
        "background_fill_secondary": "var(--hs-soft)",
        "border_color_primary": "var(--hs-line)",
        "block_background_fill": "transparent",
        "block_border_width": "0px",
        "block_label_background_fill": "transparent",
        "block_label_border_width": "0px",
        "block_label_text_color": "var(--hs-text)",
        "block_title_text_color": "var(--hs-text)",
        "block_info_text_color": "var(--hs-muted)",
        "input_background_fill": "var(--hs-field)",
        "input_background_fill_focus": "var(--hs-field)",
        "input_border_color": "var(--hs-edge)",
        "input_border_color_focus": "var(--hs-accent)",
        "input_border_width": "1px",
        "input_placeholder_color": "var(--hs-muted)",
        "color_accent": "var(--hs-accent-text)",
        "link_text_color": "var(--hs-accent-text)",
        "link_text_color_hover": "var(--hs-accent-text)",
        "link_text_color_visited": "var(--hs-accent-text)",
        "link_text_color_active": "var(--hs-accent-text)",
        "button_primary_background_fill": "var(--hs-button)",
        "button_primary_background_fill_hover": "var(--hs-button-over)",
        "button_primary_text_color": "#ffffff",
        "button_secondary_background_fill": "var(--hs-soft)",
        "button_secondary_background_fill_hover": "var(--hs-line)",
        "button_secondary_border_color": "var(--hs-edge)",
        "button_secondary_text_color": "var(--hs-text)",
        "checkbox_background_color": "var(--hs-field)",
        "checkbox_border_color": "var(--hs-edge)",
    }
    return made.set(
        **both,
        **{f"{name}_dark": value for name, value in both.items() if name != "color_accent"},
        block_padding="0px",
        layout_gap="16px",
        block_label_padding="0px",
        block_title_text_weight="600",
        button_border_width="1px",
        button_large_padding="10px 18px",
        button_small_padding="6px 12px",
    )


def build(core: Backend, uploads: Uploads) -> gr.Blocks:
    """Make the page for one core.

    Args:
        core: Answers; may still be starting, then each question is answered with ``not_ready``.
        uploads: Where the files lie that visitors upload.
    """
    import gradio as gr

    words = Marks()
    at_once = core.settings.max_concurrency
    with gr.Blocks(title=words("page.title"), analytics_enabled=False, fill_width=True) as page:
        # The mark becomes the visitor's language, which every event of the page carries along.
        language = gr.Textbox(words("language.code"), visible=False)
        gr.HTML(skeletons.HEADER, elem_id="hs-header", apply_default_css=False)
        with gr.Tabs(elem_id="hs-tabs"):
            with gr.Tab(words("tab.predict"), id="predict"):
                predict_tab.build(core, language, answers_at_once=at_once)
            with gr.Tab(words("tab.batch"), id="batch"):
                batch_tab.build(core, uploads, language)
            with gr.Tab(words("tab.model"), id="model"):
                model_tab.build(core)
        api.add(core, answers_at_once=at_once)
    page.queue(max_size=4 * at_once, default_concurrency_limit=at_once)
    # Gradio looks a thousand times a second whether somebody asks, and a hundred times whether there is progress to
    # tell.
    page._queue.sleep_when_free = IDLE_LOOK_S  # noqa: SLF001 - there is no option for it
    page._queue.progress_update_sleep_when_free = 2 * IDLE_LOOK_S  # noqa: SLF001 - as above
    return page
