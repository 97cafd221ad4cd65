"""A report as one HTML page: no script, no font, no picture and no address beside what is in the file."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from hsegap.batch.progress import duration
from hsegap.batch.report import BIN_EV

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hsegap.batch.report import Report

#: The periodic table by rows; dots are empty places.
TABLE = """
H . . . . . . . . . . . . . . . . He
Li Be . . . . . . . . . . B C N O F Ne
Na Mg . . . . . . . . . . Al Si P S Cl Ar
K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe
Cs Ba La Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn
Fr Ra Ac . . . . . . . . . . . . . . .
. . . Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu .
. . . Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr .
"""
STYLE = """
:root{color-scheme:light dark;--ink:#16202a;--soft:#5b6b79;--line:#d9e0e6;--card:#fff;--ground:#f4f6f8;
 --accent:#1f6f8b;--bad:#b3261e;--warn:#8a5a00;--empty:#e9eef2}
@media(prefers-color-scheme:dark){:root{--ink:#e8eef3;--soft:#9fb0be;--line:#2f3b46;--card:#1b242c;--ground:#11181e;--accent:#5cb8d6;
 --bad:#ff8a80;--warn:#f0b955;--empty:#243039}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:0 0 10px}
p.lead,p.note{color:var(--soft);margin:0 0 14px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:18px;
 overflow-x:auto}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin-top:18px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.card b{display:block;font-size:24px;font-variant-numeric:tabular-nums}
.card span{color:var(--soft)}.bad b{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th{color:var(--soft);font-weight:500}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right}
td.id{word-break:break-all;max-width:420px}svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}.bar{fill:var(--accent)}.axis{stroke:var(--line)}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:0 24px}
h3{font-size:15px;margin:14px 0 6px}
code{font-size:13px}details summary{cursor:pointer;margin-top:8px}.code{color:var(--bad);font-weight:600}
.code.w{color:var(--warn)}
"""
#: Colours of the smallest and the largest mean gap of an element.
COLD, HOT = (222, 235, 241), (18, 84, 110)


def render(report: Report, *, title: str | None = None) -> str:
    """The whole page.

    Args:
        report: What to say.
        title: Heading; the file's name if left out.
    """
    name = escape(title or f"Band gaps: {report.name}")
    parts = [
        _cards(report),
        _distribution(report),
        _compositions(report),
        _extremes(report),
        _outliers(report),
        _problems(report),
        _run(report),
    ]
    body = "\n".join(part for part in parts if part)
    models = ", ".join(f"{escape(model)} {escape(version)}" for model, version, _ in report.models) or "no prediction"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # Whatever stands in a file's name, the page loads nothing and runs nothing.
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">\n"""
        f"<title>{name}</title><style>{STYLE}</style></head><body><main>\n"
        f'<h1>{name}</h1><p class="lead">HSE06 band gaps predicted by {models}, from {escape(report.name)}.</p>\n'
        f"{body}\n</main></body></html>\n"
    )


def _cards(report: Report) -> str:
    total = report.ok + report.failed
    cards = [("crystals", f"{total:,}", ""), ("predicted", f"{report.ok:,}", "")]
    cards.append(("errors", f"{report.failed:,}", "bad" if report.failed else ""))
    if report.ok:
        cards.append(("mean gap", f"{report.gap_sum / report.ok:.2f} eV", ""))
        cards += [(f"{kind}s", f"{100 * count / report.ok:.0f} %", "") for kind, count in report.kinds.most_common()]
    if report.interval_ev is not None:
        cards.append((f"mean width of the {report.coverage or 0:.0%} intervals", f"{report.interval_ev:.2f} eV", ""))
    return (
        '<div class="cards">'
        + "".join(f'<div class="card {css}"><b>{value}</b><span>{name}</span></div>' for name, value, css in cards)
        + "</div>"
    )


def _distribution(report: Report) -> str:
    if not report.ok:
        return ""
    last = max(index for index, count in enumerate(report.gaps) if count)
    counts = report.gaps[: max(last, 7) + 1]
    width, height, left, foot = 1000, 260, 52, 30
    most, step = max(counts), (width - left) / len(counts)
    marks = []
    for index, count in enumerate(counts):
        high = (height - 12) * count / most
        low_ev = index * BIN_EV
        reach = (
            f"{low_ev:.2f} eV and more" if index == len(report.gaps) - 1 else f"{low_ev:.2f}–{low_ev + BIN_EV:.2f} eV"
        )
        place = (
            f'x="{left + index * step + 1:.1f}" y="{height - high:.1f}" width="{max(1.0, step - 2):.1f}" '
            f'height="{high:.1f}"'
        )
        marks.append(f'<rect class="bar" rx="2" {place}><title>{reach}: {count:,}</title></rect>')
        if low_ev == int(low_ev):
            marks.append(
                f'<text x="{left + index * step:.1f}" y="{height + 18}" text-anchor="middle">{low_ev:.0f}</text>'
            )
    for share in (0.5, 1.0):
        y = height - (height - 12) * share
        marks.append(f'<line class="axis" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{most * share:,.0f}</text>')
    marks.append(f'<text x="{width}" y="{height + 18}" text-anchor="end">gap, eV</text>')
    drawing = (
        f'<svg viewBox="0 0 {width} {height + foot}" role="img" aria-label="Distribution of predicted '
        f'gaps">{"".join(marks)}</svg>'
    )
    texts = ", ".join(f"{name} {count:,}" for name, count in report.origins.most_common())
    return (
        f"<section><h2>Distribution</h2>{drawing}"
        f'<p class="note">Bins of {BIN_EV:g} eV. Descriptions: {texts}.</p></section>'
    )


def _compositions(report: Report) -> str:
    if not report.elements:
        return ""
    cell_w, cell_h = 55, 46
    means = {name: total / count for name, (count, total) in report.elements.items()}
    low, high = min(means.values()), max(means.values())
    marks = []
    for row, line in enumerate(TABLE.strip().splitlines()):
        for column, symbol in enumerate(line.split()):
            if symbol == ".":
                continue
            x, y = column * cell_w + 2, row * cell_h + (10 if row > 6 else 0)
            fill, ink, told = 'style="fill:var(--empty)"', "", f"{symbol}: no crystal"
            if symbol in means:
                share = (means[symbol] - low) / (high - low) if high > low else 0.5
                colour = tuple(round(a + (b - a) * share) for a, b in zip(COLD, HOT, strict=True))
                fill = f'fill="rgb{colour}"'
                ink = f' style="fill:{"#fff" if share > 0.45 else "#16202a"}"'
                told = f"{symbol}: {report.elements[symbol][0]:,.0f} crystals, mean gap {means[symbol]:.2f} eV"
            marks.append(
                f"<g><title>{told}</title>"
                f'<rect rx="4" x="{x}" y="{y}" width="{cell_w - 4}" height="{cell_h - 4}" {fill}/>'
            )
            marks.append(f'<text x="{x + 6}" y="{y + 17}"{ink} font-weight="600">{symbol}</text>')
            if symbol in means:
                marks.append(f'<text x="{x + 6}" y="{y + 34}"{ink}>{means[symbol]:.2f}</text>')
            marks.append("</g>")
    names = {1: "one element", 2: "binary", 3: "ternary", 4: "quaternary"}
    sizes = ", ".join(
        f"{names.get(size, f'{size} elements')} {count:,}" for size, count in sorted(report.sizes.items())
    )
    drawing = (
        f'<svg viewBox="0 0 {18 * cell_w} {9 * cell_h + 12}" role="img" aria-label="Mean gap by '
        f'element">{"".join(marks)}</svg>'
    )
    note = (
        f"Mean gap in eV of the crystals that contain an element, light {low:.2f} to dark {high:.2f}. By number "
        f"of elements: {sizes}."
    )
    return f'<section><h2>Compositions</h2>{drawing}<p class="note">{note}</p></section>'


def _extremes(report: Report) -> str:
    if not report.ok:
        return ""
    high = _table(("id", "formula", "atoms", "gap, eV", "interval"), map(_crystal, report.highest), numeric={2, 3})
    low = _table(("id", "formula", "atoms", "gap, eV", "interval"), map(_crystal, report.lowest), numeric={2, 3})
    return (
        f'<section><div class="two"><div><h2>Highest gaps</h2>{high}</div><div>'
        f"<h2>Lowest gaps above zero</h2>{low}</div></div></section>"
    )


def _crystal(row: dict[str, Any]) -> tuple[str, ...]:
    interval = (
        "–" if row["interval_ev_low"] is None else f"{row['interval_ev_low']:.2f} – {row['interval_ev_high']:.2f}"
    )
    return (row["id"], row["formula"] or "", str(row["n_atoms"]), f"{row['gap_ev']:.3f}", interval)


def _outliers(report: Report) -> str:
    parts = []
    if report.unusual:
        rows = [
            (row["id"], row["formula"], f"{row['gap_ev']:.2f}", f"{expected:.2f}") for row, expected in report.unusual
        ]
        head = ("id", "formula", "gap, eV", "by composition, eV")
        note = (
            "Furthest from what a linear fit of the gap over element fractions, made from this run's own rows, gives "
            f"(the fit is off by {report.fit_error_ev:.2f} eV root mean square). Worth a look, not necessarily wrong."
        )
        parts.append(
            f"<div><h2>Unusual for their composition</h2>{_table(head, rows, numeric={2, 3})}"
            f'<p class="note">{note}</p></div>'
        )
    if report.spreads:
        spread_rows = (
            (formula, f"{spread.n:,}", f"{spread.low[0]:.2f}", spread.low[1], f"{spread.high[0]:.2f}", spread.high[1])
            for formula, spread in report.spreads
        )
        columns = ("formula", "crystals", "lowest, eV", "id", "highest, eV", "id")
        parts.append(
            f"<div><h2>Same formula, different gaps</h2>{_table(columns, spread_rows, numeric={1, 2, 4})}</div>"
        )
    return f"<section>{''.join(parts)}</section>" if parts else ""


def _problems(report: Report) -> str:
    sections = []
    for heading, groups, css in (("Warnings", report.warnings, "w"), ("Errors", report.errors, "")):
        blocks = []
        for code, (count, examples) in sorted(groups.items(), key=lambda entry: -entry[1][0]):
            if heading == "Warnings":
                table = _table(
                    ("id", "formula", "warning"),
                    ((row["id"], row["formula"] or "", row["message"]) for row in examples),
                )
            else:
                table = _table(
                    ("id", "error", "next"), ((row["id"], row["error_message"], row["error_hint"]) for row in examples)
                )
            more = f'<p class="note">and {count - len(examples):,} more</p>' if count > len(examples) else ""
            summary = f'<span class="code {css}">{escape(code)}</span> {count:,}'
            blocks.append(
                f"<details{' open' if len(groups) < 4 else ''}><summary>{summary}</summary>{table}{more}</details>"
            )
        none = '<p class="note">None.</p>'
        sections.append(f"<section><h2>{heading}</h2>{''.join(blocks) or none}</section>")
    return "\n".join(sections)


def _run(report: Report) -> str:
    facts = [
        (f"model {name} {version}", f"{count:,} predictions, manifest SHA-256 {digest}")
        for (name, version, digest), count in report.models.items()
    ]
    if report.record:
        facts.append(
            ("time", f"{duration(report.record['seconds'])}, {report.record['rate_per_s'] or 0:.1f} rows a second")
        )
        settings = {name: value for name, value in report.record["settings"].items() if value not in (None, False)}
        facts += [
            (
                name,
                value
                if isinstance(value, str)
                else ", ".join(map(str, value))
                if isinstance(value, list)
                else str(value),
            )
            for name, value in settings.items()
        ]
    facts += [("note", note) for note in report.notes]
    return f"<section><h2>How it was made</h2>{_table(('', ''), facts)}</section>" if facts else ""


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: frozenset[int] | set[int] = frozenset()
) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        classes = ["n" if place in numeric else "id" if head[place] == "id" else "" for place in range(len(values))]
        return "".join(
            f'<{tag} class="{css}">{escape(str(value))}</{tag}>' for css, value in zip(classes, values, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"
        if any(head)
        else f"<table><tbody>{body}</tbody></table>"
    )
