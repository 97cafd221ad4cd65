"""The measured part of a model card, written from the JSON of `hsegap evaluate`: nothing in it is typed by hand."""

from __future__ import annotations

from typing import Any

from hsegap.evaluation.variants import UNSURE_FACTS, VARIANTS

#: What others report, and why the figures do not stand side by side.
FIELD = """| predictor | MAE, eV | on what |
|---|---|---|
{own}
| ALIGNN, published predictions | 0.378 | 855 of SNUMAT's official test ids |
| ALIGNN 2.0, as reported | 0.348 | SNUMAT's official test ids (1 038) |
| ALIGNN on the JARVIS leaderboard | 0.377 | the same (median 0.212; 8 % off by more than 1 eV) |
| random forest, XGBoost on the leaderboard | 0.437, 0.399 | the same |
| linear fit on the crystal's own PBE gap (needs a DFT run) | 0.293 | 855 of them |
| MEGNet: HSE only, PBE pretraining, four fidelities | 0.57, 0.36, 0.31 | Materials Project, HSE (Chen et al. 2021) |
| disagreement of HSE sources on the same crystal | 0.11 – 0.25 | this is the noise of the labels |

**Not the same crystals.** `test.jsonl.gz` is half of SNUMAT's official *validation* ids as far as they could be joined
with a Materials Project structure; the others' figures are for the official *test* ids, with SNUMAT's own structures.
The kind of crystal, the labels and the metric are the same, the rows are not: differences of a few hundredths of an eV
between the two say nothing."""
DATA = """| what | from | licence |
|---|---|---|
| structures | Materials Project (Jain et al., APL Materials 1, 011002 (2013)), PBE-relaxed | CC-BY 4.0 |
| HSE06 gaps | SNUMAT (Kim et al., Scientific Data 7, 387 (2020)) | as published; the article is CC-BY 4.0 |
| HSE gaps of the multi-fidelity set | Chen et al., Nature Computational Science 1, 46 (2021) | BSD-3-Clause |
| HSE gaps | Borlido et al., J. Chem. Theory Comput. 15, 5069 (2019) | as published |
| PBE gaps | Materials Project 2019 | CC-BY 4.0 |{teacher}

Split: validation and test rows are halves of SNUMAT's official validation ids, metals of both by formula; no crystal of
them (by id, or by formula and space group) stands in a training file. Validation rows are halved once more by a hash of
their id: one half selects, the other calibrates. Labels of different sources differ by 0.11 to 0.25 eV on the same
crystal; gaps of magnetic and +U compounds depend on the calculation's settings."""


TEACHER = (
    "\n| a teacher's features per atom, predicted as well in training "
    "| CHGNet 0.4.2 (Deng et al., Nature Machine Intelligence 5, 1031 (2023)) | modified BSD |"
)


def data_of(training: dict[str, Any]) -> str:
    """Section on the data of a network trained here; ``training`` is the manifest's."""
    return DATA.format(teacher=TEACHER if (training.get("options") or {}).get("teacher") else "")


def _number(value: Any, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)


def _errors_row(name: str, found: dict[str, Any], spans: dict[str, Any] | None) -> str:
    cells = [
        str(found["n"]),
        *(_number(found[key]) for key in ("mae", "median_ae", "rmse")),
        _number(found["large"], ".1%"),
    ]
    cells += [_number(spans["coverage"], ".1%"), _number(spans["width_ev"], ".2f")] if spans else ["–", "–"]
    return f"| {name} | " + " | ".join(cells) + " |"


def _table(first: str, rows: list[str]) -> str:
    head = (
        f"| {first} | crystals | MAE, eV | median, eV | RMSE, eV | off by > 1 eV | inside the interval | its mean "
        "width, eV |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])


def measured(reports: list[dict[str, Any]], *, parity: str, bars: str) -> str:
    """Sections "Measured" to "Compared with the field".

    Args:
        reports: What ``hsegap evaluate --out`` wrote; the first is the main one.
        parity: Address of the parity plot.
        bars: Address of the plot of errors by chemistry.
    """
    main = reports[0]["figures"]
    together = main["all"]
    best = "given" if "given" in together else "without"
    parts = ["## Measured", *(f"`{report['command']}`" for report in reports if report.get("command"))]
    for report in reports:
        for name, variants in report["figures"]["files"].items():
            rows = [
                _errors_row(VARIANTS[key].name, entry["errors"], entry["intervals"])
                for key, entry in _ordered(variants)
                if entry.get("errors")
            ]
            parts += [f"### {name}", _table("predicted", rows), *_moved(variants)]
    parts += [
        f"![Predicted against known gaps]({parity})",
        f"### By chemistry ({VARIANTS[best].name})",
        "A family is named after the most electronegative element; crystals without a gap are counted as metals only.",
        _table("family", _rows(together[best]["chemistry"])),
        f"![Errors by chemistry]({bars})",
        f"### By gap ({VARIANTS[best].name})",
        _table(
            "known gap",
            [
                _errors_row(name, entry["errors"], entry["intervals"])
                for name, entry in together[best]["gap_ranges"].items()
            ],
        ),
        "### Rows of a kind",
        _slices(together),
        "### Metal or not",
        _metals(together),
        "### Warnings",
        _warnings(main["files"]),
        "## Compared with the field",
        FIELD.format(own=_own(main["files"])),
    ]
    return "\n\n".join(parts)


def _rows(groups: dict[str, Any]) -> list[str]:
    return [_errors_row(name, entry["errors"], entry["intervals"]) for name, entry in groups.items()]


def _ordered(variants: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, variants[name]) for name in VARIANTS if name in variants]


def _moved(variants: dict[str, Any]) -> list[str]:
    words = {
        "without": "leaving the text out moves the answer by {:.3f} eV on average",
        "generated": "a generated text by {:.3f} eV",
        "shuffled": "another crystal's text by {:.3f} eV",
    }
    told = [
        text.format(variants[name]["moved_from_given_ev"])
        for name, text in words.items()
        if variants.get(name, {}).get("moved_from_given_ev")
    ]
    return [f"Against the answer with the file's descriptions, {', '.join(told)}."] if told else []


def _slices(together: dict[str, Any]) -> str:
    """Errors on the groups that the rows themselves name, with nothing told and with the PBE gap."""
    rows = []
    for name in ("without", "known"):
        for label, entry in together.get(name, {}).get("slices", {}).items():
            row = _errors_row(f"{label}, {VARIANTS[name].name}", entry["errors"], entry["intervals"])
            rows.append(f"{row} {entry['false_metals']} |")
    if not rows:
        return "Not measured: the rows name no groups."
    head, rule, *body = _table("crystals with a gap", rows).split("\n")
    return "\n".join([f"{head} called metals |", f"{rule}---|", *body])


def _metals(together: dict[str, Any]) -> str:
    rows = []
    for name, entry in _ordered(together):
        told = entry.get("has_gap")
        if not told or not told["metals"] or told["metals"] == told["n"]:
            continue
        wrong = told["metals_with_interval_above_1_ev"]
        share = [_number(told[key], ".1%") for key in ("accuracy", "precision", "recall", "metals_recognised")]
        named = f" ({', '.join(wrong)})" if wrong else ""
        rows.append(f"| {VARIANTS[name].name} | {' | '.join(share)} | {len(wrong)} of {told['metals']}{named} |")
        threshold = told["threshold_ev"]
    if not rows:
        return "Not measured: the rows are all of one kind."
    head = "| predicted | accuracy | precision | recall | metals recognised | metals whose interval lies above 1 eV |"
    head += "\n|---|---|---|---|---|---|"
    return (
        f'"Has a gap" is said from {threshold:g} eV on, a threshold chosen on validation rows.\n\n{head}\n'
        + "\n".join(rows)
    )


def _warnings(files: dict[str, Any]) -> str:
    lines = ["| rows | predicted | warnings (share of crystals) |", "|---|---|---|"]
    for name, variants in files.items():
        for key, entry in _ordered(variants):
            told = ", ".join(f"`{code}` {share:.1%}" for code, share in entry["warnings"].items()) or "none"
            lines.append(f"| {name} | {VARIANTS[key].name} | {told} |")
    return "\n".join(lines)


def _own(files: dict[str, Any]) -> str:
    name, variants = next(iter(files.items()))
    rows = [
        f"| **this model**, {VARIANTS[key].name} | **{entry['errors']['mae']:.3f}** | {name}, {entry['errors']['n']} "
        "crystals |"
        for key, entry in _ordered(variants)
        if key not in {"shuffled", *UNSURE_FACTS} and entry.get("errors")
    ]
    return "\n".join(rows)


def metrics(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that go into the manifest, by rows and way of predicting; breakdowns nested below."""
    found: dict[str, Any] = {}
    for report in reports:
        for name, variants in report["figures"]["files"].items():
            for key, entry in _ordered(variants):
                if not entry.get("errors"):
                    continue
                found[f"{name}, {VARIANTS[key].name}"] = _flat(entry) | {
                    part: {label: _flat(inner) for label, inner in entry[part].items()}
                    for part in ("chemistry", "gap_ranges")
                    if part in entry
                }
    told = reports[0]["figures"]["all"]
    for key, entry in _ordered(told):
        told_gap = entry.get("has_gap")
        if told_gap and 0 < told_gap["metals"] < told_gap["n"]:
            kept = {name: told_gap[name] for name in ("n", "accuracy", "precision", "recall", "threshold_ev")}
            found[f"metal or not, {VARIANTS[key].name}"] = kept
    return found


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    errors, spans = entry["errors"], entry["intervals"] or {}
    values = {"n": errors["n"], **{key: errors[key] for key in ("mae", "median_ae", "rmse")}}
    return values | {key: spans[key] for key in ("coverage", "width_ev") if key in spans}
