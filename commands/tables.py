"""Answers as tables for a reader at a terminal.

Scripts take `--json`, whose entries are what these tables are made from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from rich.box import ROUNDED, SIMPLE
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hsegap.artifact.artifact import Artifact
    from hsegap.evaluation.evaluate import Evaluation
    from hsegap.prediction.golden import VerifyReport

#: Atoms shown of a large cell; all of them are in the JSON.
MOST_ATOMS = 24
#: Characters shown of a description.
MOST_TEXT = 400
KIND_STYLE = {"metal": "yellow", "semiconductor": "green", "insulator": "cyan"}


def console(out: TextIO) -> Console:
    """A console that writes to `out`, with colours only where that is a terminal."""
    return Console(file=out, highlight=False, soft_wrap=False)


def facts() -> Table:
    """An empty two-column list of facts."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def show_prediction(entry: Mapping[str, Any], *, out: TextIO) -> None:
    """Print a prediction, or the error that stands in its place.

    Args:
        entry: One entry of the JSON array.
        out: Where to print.
    """
    if "error" in entry:
        show_error(entry, out=out)
        return
    grid = facts()
    grid.add_row(
        "HSE06 gap",
        Text.assemble((f"{entry['gap_ev']:.2f} eV", "bold"), "  ", (entry["kind"], KIND_STYLE.get(entry["kind"], ""))),
    )
    if entry["gap_raw_ev"] < 0:
        grid.add_row("raw value", f"{entry['gap_raw_ev']:.3f} eV, reported as 0")
    if entry["interval_ev"] is not None:
        low, high = entry["interval_ev"]
        grid.add_row(f"{entry['coverage']:.0%} interval", f"{low:.2f} – {high:.2f} eV")
    _add_facts(grid, entry)
    origin, text = entry["description"]["origin"], entry["description"]["text"]
    if text:
        shortened = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rstrip()} … ({len(text)} characters)"
        grid.add_row(f"{origin} text", Text(shortened))
        weights = entry["modality_weights"]
        grid.add_row("weights", f"structure {weights['graph']:.2f}, text {weights['text']:.2f}")
    elif any(fact["used"] for fact in entry["facts"]):
        grid.add_row("text", "none")
    else:
        grid.add_row("text", "none: predicted from the structure alone")
    _add_explained(grid, entry)
    for warning in entry["warnings"]:
        grid.add_row("warning", Text(f"{warning['message']} ({warning['code']})", style="yellow"))
    times = entry["timings_ms"]
    steps = ", ".join(f"{name} {value:.0f}" for name, value in times.items() if name != "total" and value >= 0.5)
    grid.add_row("time", f"{times['total']:.0f} ms" + (f" ({steps})" if steps else ""))
    grid.add_row("model", f"{entry['model']['name']} {entry['model']['version']}")
    parts: list[RenderableType] = [grid]
    if entry["atoms"]:
        parts.append(atom_table(entry["atoms"]))
    count = f"{entry['n_atoms']} atom{'' if entry['n_atoms'] == 1 else 's'}"
    title = f"[bold]{escape(str(entry.get('id', '')))}[/bold]  {escape(entry['formula'])}, {count}"
    console(out).print(Panel(Group(*parts), title=title, title_align="left", box=ROUNDED))


def _add_facts(grid: Table, entry: Mapping[str, Any]) -> None:
    """What the network was told beside a text, and what it makes of the structure alone."""
    used = [fact for fact in entry["facts"] if fact["used"]]
    for fact in used:
        moved = "" if fact["effect_ev"] is None else f", which moves the gap by {fact['effect_ev']:+.2f} eV"
        place = "as given" if fact["origin"] == "request" else "read in the text"
        grid.add_row("known", f"PBE gap {fact['value']:.2f} eV, {place}{moved}")
    if used or entry["description"]["text"]:
        grid.add_row("structure alone", f"{entry['gap_without_text_ev']:.2f} eV")
    if entry["pbe_gap_estimate_ev"] is not None:
        grid.add_row("PBE gap, estimate", f"{entry['pbe_gap_estimate_ev']:.2f} eV")


def _add_explained(grid: Table, entry: Mapping[str, Any]) -> None:
    """What each sentence did, and the gap at other lattices, where they were asked for."""
    text = entry["description"]["text"] or ""
    for report in entry["sentences"] or ():
        start, end = report["span"]
        effect = "not tried" if report["effect_ev"] is None else f"{report['effect_ev']:+.3f} eV"
        grid.add_row(effect, Text(text[start:end]))
    if entry["sentences"] and entry["text_effect_ev"] is not None:
        grid.add_row(f"{entry['text_effect_ev']:+.3f} eV", "the whole text; its sentences act together")
    if entry["atoms"] and entry["reference_ev"] is not None:
        grid.add_row("reference", f"{entry['reference_ev']:.2f} eV, the mean training crystal; the atoms add the rest")
    if entry["sensitivity_ev"] is not None:
        smaller, larger = entry["sensitivity_ev"]
        grid.add_row("lattice ± 1 %", f"{smaller:.2f} eV smaller, {larger:.2f} eV larger")


def atom_table(atoms: list[dict[str, Any]]) -> Table:
    """Per-atom values, one column per map and fusion layer.

    Maps that this model or input does not have are left out.
    """
    in_ev = [
        (heading, key)
        for heading, key in (("adds\neV", "contribution_ev"), ("told\neV", "told_effect_ev"))
        if all(atom[key] is not None for atom in atoms)
    ]
    columns = [
        (heading, key, layer)
        for heading, key in (("gate", "gate"), ("import-\nance", "importance"), ("text\nshare", "text_share"))
        for layer in atoms[0][key]
        if any(atom[key].get(layer) is not None for atom in atoms)
    ]
    several = len({layer for _, _, layer in columns}) > 1
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("atom", justify="right", no_wrap=True)
    table.add_column("fractional coordinates", justify="right", no_wrap=True)
    for heading, _ in in_ev:
        table.add_column(heading, justify="right")
    for heading, _, layer in columns:
        table.add_column(f"{heading}\n{layer}" if several else heading, justify="right")
    for atom in atoms[:MOST_ATOMS]:
        values = [atom[key].get(layer) for _, key, layer in columns]
        coordinates = " ".join(f"{value:7.4f}" for value in atom["frac_coords"])
        table.add_row(
            f"{atom['element']} {atom['index']}",
            coordinates,
            *(f"{atom[key]:+.3f}" for _, key in in_ev),
            *("–" if value is None else f"{value:.3f}" for value in values),
        )
    if len(atoms) > MOST_ATOMS:
        table.caption = f"{len(atoms) - MOST_ATOMS} more atoms in the output of --json"
    return table


def show_error(entry: Mapping[str, Any], *, out: TextIO) -> None:
    """Print the error of one file: its name, what is wrong, what to do next."""
    error = entry["error"]
    grid = facts()
    grid.add_row("error", Text(error["code"], style="bold red"))
    grid.add_row("", Text(error["message"]))
    if error["hint"]:
        grid.add_row("next", Text(error["hint"]))
    console(out).print(
        Panel(
            grid,
            title=f"[bold]{escape(str(entry.get('id', '')))}[/bold]",
            title_align="left",
            box=ROUNDED,
            border_style="red",
        )
    )


def show_verification(artifact: Artifact, report: VerifyReport, *, out: TextIO) -> None:
    """Print how an artifact's check came out, one row per golden crystal."""
    manifest = artifact.manifest
    grid = facts()
    grid.add_row("artifact", f"{manifest.name} {manifest.version}")
    grid.add_row("folder", Text(str(artifact.folder)))
    grid.add_row("sha256", artifact.sha256)
    grid.add_row("files", f"{len(manifest.files)}, sizes and SHA-256 as in the manifest")
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("golden crystal", overflow="fold")
    for heading in ("gap differs by, eV", "maps differ by", "allowed"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for case in report.cases:
        shown = (
            "–" if value is None else f"{abs(value):.1e}" for value in (case.gap_difference_ev, case.map_difference)
        )
        outcome = Text("same", style="green") if case.passed else Text(case.problem, style="red")
        table.add_row(case.id, *shown, f"{case.tolerance:.0e}", outcome)
    console(out).print(Group(grid, table, Text(report.summary(), style="bold green" if report.passed else "bold red")))


def show_evaluation(report: Evaluation, *, out: TextIO) -> None:
    """Print an evaluation: one row per way of predicting, then intervals and failures."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("errors in eV", no_wrap=True)
    for heading in ("n", "MAE", "median", "RMSE", "bias", "> 1 eV off"):
        table.add_column(heading, justify="right")
    if report.described == report.n:
        rows = [("with text", report.described_with_text), ("without text", report.without_text)]
    else:
        rows = [
            ("with the texts there are", report.as_given if report.described else None),
            ("all, without text", report.without_text),
            ("described, with text", report.described_with_text),
            ("described, without text", report.described_without_text),
        ]
    rows.append(("predicting the mean", report.mean_predictor))
    for name, errors in rows:
        if errors is not None:
            values = (f"{value:.3f}" for value in (errors.mae, errors.median_ae, errors.rmse, errors.bias))
            table.add_row(name, str(errors.n), *values, f"{errors.large:.1%}")
    grid = facts()
    grid.add_row("model", f"{report.model['name']} {report.model['version']} ({report.model['sha256'][:12]})")
    grid.add_row("data", Text(f"{report.file}, {report.target}"))
    if report.coverage is not None:
        grid.add_row(
            "interval", f"holds {report.coverage:.1%} of the known gaps, mean width {report.interval_width_ev:.2f} eV"
        )
    grid.add_row("failures", str(len(report.failures)))
    for failure in report.failures[:10]:
        grid.add_row("", Text(f"{failure.id}: {failure.code}: {failure.message}", style="red"))
    if len(report.failures) > 10:
        grid.add_row("", f"{len(report.failures) - 10} more in the output of --json")
    console(out).print(Group(grid, table))


def show_figures(figures: Mapping[str, Any], *, out: TextIO) -> None:
    """Print what an evaluation says beside the errors.

    Intervals by chemistry, metal or not, warnings, the part of the text.
    """
    from hsegap.evaluation.variants import VARIANTS

    together = figures["all"]
    name = "given" if "given" in together else "without"
    main = together.get(name)
    if main is None:
        return
    parts: list[RenderableType] = []
    if main["intervals"]:
        table = Table(box=SIMPLE, pad_edge=False)
        table.add_column(f"intervals ({name} text)" if name == "given" else "intervals (without text)", no_wrap=True)
        for heading in ("n", "coverage", "mean width, eV", "MAE, eV"):
            table.add_column(heading, justify="right")
        rows = {"all": main, **main["chemistry"], **main["gap_ranges"]} if len(main["chemistry"]) > 1 else {"all": main}
        for label, entry in rows.items():
            found = entry["intervals"]
            table.add_row(
                label,
                str(found["n"]),
                f"{found['coverage']:.1%}",
                f"{found['width_ev']:.2f}",
                f"{entry['errors']['mae']:.3f}",
            )
        parts.append(table)
    grid = facts()
    for variant, said in VARIANTS.items():
        if variant in together and variant not in {"given", "without"}:
            entry = together[variant]
            moved, found = entry.get("moved_from_given_ev"), entry["intervals"]
            told = f"MAE {entry['errors']['mae']:.3f} eV ({entry['errors']['n']} rows)"
            told += f", answers move by {moved:.3f} eV" if moved is not None else ""
            told += (
                f", intervals {found['coverage']:.1%} at {found['width_ev']:.2f} eV"
                if found and variant != "shuffled"
                else ""
            )
            grid.add_row(said.short, told)
    for variant in ("without", "known"):
        for label, entry in together.get(variant, {}).get("slices", {}).items():
            told = (
                f"MAE {entry['errors']['mae']:.3f} eV ({entry['errors']['n']} rows), {entry['false_metals']} "
                "called metals"
            )
            grid.add_row(f"{label}, {VARIANTS[variant].short}", told)
    told = main["has_gap"]
    if told["metals"] and told["metals"] < told["n"]:
        wrong = f"{len(told['metals_with_interval_above_1_ev'])} of {told['metals']} metals with an interval above 1 eV"
        shares = f"accuracy {told['accuracy']:.1%}, precision {told['precision'] or 0:.1%}, recall {told['recall']:.1%}"
        grid.add_row("has a gap", f"{shares} at {told['threshold_ev']:g} eV; {wrong}")
    grid.add_row("warnings", ", ".join(f"{code} {share:.1%}" for code, share in main["warnings"].items()) or "none")
    console(out).print(Group(*parts, grid))
