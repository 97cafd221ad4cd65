"""Measured errors as tables: named by what was measured, never by the file it was measured on."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.ui.words import Words

#: Ways in which a set was measured, as `hsegap evaluate` names them, and the key of their words; the first that there
#: is stands in the sentence above the fold.
WAYS = {
    "with the descriptions of the file": "model.way_given",
    "with generated descriptions": "model.way_generated",
    "without text": "model.way_none",
    "with another crystal's description": "model.way_other",
}
#: Decimals of figures.
DIGITS = 3


def _sets(metrics: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures by what was measured (a file's name, which is not shown) and by the way."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, figures in metrics.items():
        if isinstance(figures, dict):
            head, _, way = name.partition(", ")
            found.setdefault(head, {})[way] = figures
    return found


def _only_metals(ways: dict[str, dict[str, Any]]) -> bool:
    """Whether a set holds metals alone, which have no gap to be wrong about in proportion."""
    return any(set(figures.get("chemistry") or ()) == {"metals"} for figures in ways.values())


def main_figures(metrics: dict[str, Any]) -> dict[str, Any]:
    """For one sentence: ``n``, ``mae``, ``median_ae`` of test crystals, ``metals_n``, ``metals_mae`` of metals."""
    made: dict[str, Any] = {}
    for ways in _sets(metrics).values():
        figures = next((ways[way] for way in WAYS if way in ways), next(iter(ways.values())))
        if _only_metals(ways):
            made.setdefault("metals_n", figures.get("n"))
            made.setdefault("metals_mae", figures.get("mae"))
        elif "mae" in figures and "mae" not in made:
            made.update({name: figures[name] for name in ("n", "mae", "median_ae") if name in figures})
    return made


def figures_html(metrics: dict[str, Any], words: Words) -> str:
    """A table per set, a line per way; the errors by chemistry and by gap below it."""
    made = []
    for number, ways in enumerate(_sets(metrics).values(), start=1):
        some = next((figures.get("n") for figures in ways.values()), None)
        title = words("model.set_metals" if _only_metals(ways) else "model.set", number=number, n=some or "?")
        lines = {
            _way(way, words): {key: value for key, value in figures.items() if not isinstance(value, dict | list)}
            for way, figures in ways.items()
        }
        made.append(f"<h3>{escape(title)}</h3>{_figures_table(title, lines, words)}")
        best = next((ways[way] for way in WAYS if way in ways), next(iter(ways.values())))
        for key, section in best.items():
            nested = isinstance(section, dict) and any(isinstance(part, dict) for part in section.values())
            if nested:
                heading = words.find(f"model.by_{key.removeprefix('by_')}") or key.replace("_", " ")
                made.append(f"<h4>{escape(heading)}</h4>{_figures_table(heading, section, words)}")
    rest = list(flat({key: value for key, value in metrics.items() if not isinstance(value, dict)}, words))
    return "".join(made) + table(rest)


def _way(way: str, words: Words) -> str:
    return words(WAYS[way]) if way in WAYS else way or words("model.way_plain")


def _figures_table(title: str, lines: dict[str, dict[str, Any]], words: Words) -> str:
    """Lines by name, columns by figure."""
    lines = {name: figures for name, figures in lines.items() if isinstance(figures, dict)}
    columns = list(dict.fromkeys(key for figures in lines.values() for key in figures))
    names = [words.find(f"figure.{key}") or key.replace("_", " ") for key in columns]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        + "".join(f"<td>{escape(_figure(figures.get(key)))}</td>" for key in columns)
        + "</tr>"
        for name, figures in lines.items()
    )
    made = f'<table class="hs-measured"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="hs-scroll-x" tabindex="0" role="region" aria-label="{escape(title)}">{made}</div>'


def _figure(value: Any) -> str:
    return f"{value:.{DIGITS}f}" if isinstance(value, float) else "–" if value is None else str(value)


def flat(values: dict[str, Any], words: Words, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested facts as pairs of words."""
    for key, value in values.items():
        name = prefix + (words.find(f"figure.{key}") or str(key).replace("_", " "))
        if isinstance(value, dict):
            yield from flat(value, words, f"{name}: ")
        elif isinstance(value, bool) or value is None:
            yield name, {True: "✓", False: "✗", None: "–"}[value]
        elif isinstance(value, float):
            yield name, f"{value:.4g}"
        elif isinstance(value, int):
            yield name, f"{value:,}".replace(",", "\u202f")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) or "–"
        else:
            yield name, str(value)


def table(pairs: list[tuple[str, str]]) -> str:
    """Names and values, one pair a line."""
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in pairs)
    return f'<table class="hs-facts"><tbody>{rows}</tbody></table>' if rows else ""
