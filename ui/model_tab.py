"""The Model tab: five sentences a user needs and two pictures; everything else is folded."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from hsegap.ui.model_card import CARD_ROUTE, model_card, pictures_of
from hsegap.ui.model_figures import figures_html, flat, main_figures, table
from hsegap.ui.words import Marks

if TYPE_CHECKING:
    from hsegap.artifact import Artifact
    from hsegap.prediction.schemas import ModelInfo
    from hsegap.ui.backend import Backend
    from hsegap.ui.words import Words

#: A fact longer than this (a list of quantiles, say) is left to ``GET /model``.
LONGEST_FACT = 120
#: Pictures of the card shown above the fold, with the key of what they show, where the artifact has them.
SHOWN = {"parity.svg": "model.parity", "errors.svg": "model.errors"}
#: Artifacts of this name were trained on the data that NOTICE names.
OWN_NAME = "hsegap-hse"


def build(core: Backend) -> None:
    """Lay out the tab inside the current ``gr.Blocks``."""
    import gradio as gr

    words = Marks()
    info = core.model_info()
    with gr.Column(elem_classes="hs-card"):
        gr.HTML(summary_html(info, core.artifact, words), elem_id="hs-model", apply_default_css=False)
        gr.HTML(folds_html(info, words), elem_id="hs-model-folds", apply_default_css=False)
        with gr.Accordion(words("model.card"), open=False, elem_id="hs-card-fold", elem_classes="hs-card-text"):
            gr.Markdown(model_card(core.artifact), elem_id="hs-model-card", container=False)


def sentences(info: ModelInfo, words: Words) -> list[str]:
    """What the model predicts, how wrong it is on what, where not to trust it, what it learned from, its licence."""
    told = words("model.what_pbe" if "pbe_gap_ev" in info.config.get("facts", ()) else "model.what")
    figures = main_figures(info.metrics)
    if figures.get("mae") is None:
        wrong = words("model.wrong_unknown")
    else:
        wrong = words(
            "model.wrong",
            n=figures["n"],
            mae=f"{figures['mae']:.2f}",
            median=f"{figures.get('median_ae', figures['mae']):.2f}",
        )
        if figures.get("metals_mae") is not None:
            wrong += words("model.wrong_metals", n=figures["metals_n"], mae=f"{figures['metals_mae']:.2f}")
        else:
            wrong += words("sentence.end")
    rows = info.training.get("n_rows")
    if not isinstance(rows, int):
        data = words("model.data_unknown")
    else:
        data = words("model.data" if info.name == OWN_NAME else "model.data_other", n=rows, elements=len(info.elements))
    doubt = words("model.doubt", metal=f"{info.kinds['metal_below']:g}", atoms=info.training.get("max_atoms", "?"))
    return [told, wrong, doubt, data, words("model.licence" if info.name == OWN_NAME else "model.licence_other")]


def summary_html(info: ModelInfo, artifact: Artifact, words: Words) -> str:
    """The five sentences and the pictures."""
    names = ("what", "wrong", "doubt", "data", "licence")
    items = "".join(
        f"<div><dt>{escape(words(f'model.title_{name}'))}</dt><dd>{escape(said)}</dd></div>"
        for name, said in zip(names, sentences(info, words), strict=True)
    )
    served = pictures_of(artifact)
    pictures = "".join(
        f'<figure><img src=".{CARD_ROUTE}/{artifact.sha256[:12]}/{name}" alt="{escape(words(key))}" loading="lazy">'
        f"<figcaption>{escape(words(key))}</figcaption></figure>"
        for name, key in SHOWN.items()
        if name in served
    )
    shown = f'<div class="hs-model-pictures">{pictures}</div>' if pictures else ""
    return (
        f"<h2>{escape(info.name)} <small>{escape(info.version)}</small></h2>"
        f'<dl class="hs-sentences">{items}</dl>{shown}'
    )


def citation(info: ModelInfo) -> str:
    """A line for a paper: name, version and the fingerprint that makes it unambiguous."""
    return f"{info.name}, version {info.version}, SHA-256 {info.sha256[:16]}, created {info.created[:10]}, with hsegap."


def _fold(title: str, content: str) -> str:
    return f'<details class="hs-fold"><summary>{escape(title)}</summary>{content}</details>' if content else ""


def _network(info: ModelInfo, words: Words) -> str:
    config, encoder, graph = info.config, info.text_encoder, info.graph
    layers = config.get("middle_fusion_layers") if config.get("use_middle_fusion", True) else None
    pairs = [
        (words("model.layers"), f"{config.get('alignn_layers', '–')}, {config.get('gcn_layers', '–')}"),
        (words("model.width"), str(config.get("hidden_features", "–"))),
        (words("model.middle"), ", ".join(map(str, layers)) if layers else "–"),
        (words("model.late"), str(config.get("late_fusion_type", "–"))),
        (words("model.encoder"), f"{encoder.get('name', '–')}, {encoder.get('max_tokens', '–')} tokens"),
        (
            words("model.graph"),
            f"{graph.get('flavour')}, {graph.get('max_neighbors')} / {graph.get('cutoff'):g} Å",
        ),
    ]
    return table(pairs)


def folds_html(info: ModelInfo, words: Words) -> str:
    """Everything else that the service knows about its model, each part folded."""

    def facts(values: dict[str, Any]) -> str:
        return table([pair for pair in flat(values, words) if len(pair[1]) < LONGEST_FACT])

    plain = {key: value for key, value in info.training.items() if not isinstance(value, dict)}
    options = {key: value for key, value in info.training.items() if isinstance(value, dict)}
    cited = (
        f'<p class="hs-cite">{escape(citation(info))}</p>'
        f'<p class="hs-sha">SHA-256 <code>{escape(info.sha256)}</code></p>'
        f'<p><a href="../docs.json" data-hs-link="docs.json">{escape(words("header.api"))} (OpenAPI)</a></p>'
    )
    calibration = facts(info.calibration) if info.calibration else f"<p>{escape(words('answer.no_interval'))}</p>"
    return "".join(
        [
            _fold(words("model.figures"), figures_html(info.metrics, words)),
            _fold(words("model.interval"), calibration),
            _fold(words("model.network"), _network(info, words)),
            _fold(words("model.training"), facts(plain) + facts(options)),
            _fold(words("model.limits"), facts(info.limits)),
            _fold(
                words("model.elements", n=len(info.elements)),
                f'<p class="hs-elements">{escape(" ".join(info.elements))}</p>',
            ),
            _fold(words("model.cite"), cited),
        ]
    )
