"""One row per input: the prediction's fields under the same names in JSON lines, CSV and Parquet.

Left out are the timings, which differ from run to run: a resumed run must give the same file, byte for byte. Floats are
rounded to a micro-electronvolt (1e-6), far below what the network resolves, so that a last bit cannot tell two runs
apart either.
"""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hsegap.batch.batches import Item

DIGITS = 6
#: Fields of a Prediction that no row carries: the run's clock, and maps that have a file of their own.
LEFT_OUT = frozenset({"id", "index", "timings_ms", "atoms"})

#: Columns of CSV and Parquet, in order, with the kind of value each holds.
COLUMNS: dict[str, str] = {
    "id": "text",
    "index": "integer",
    "status": "text",
    "formula": "text",
    "n_atoms": "integer",
    "gap_ev": "number",
    "gap_raw_ev": "number",
    "gap_without_text_ev": "number",
    "interval_ev_low": "number",
    "interval_ev_high": "number",
    "coverage": "number",
    "kind": "text",
    "pbe_gap_ev": "number",
    "pbe_gap_effect_ev": "number",
    "pbe_gap_estimate_ev": "number",
    "description_text": "text",
    "description_origin": "text",
    "modality_weights_graph": "number",
    "modality_weights_text": "number",
    "warnings": "notices",
    "model_name": "text",
    "model_version": "text",
    "model_sha256": "text",
    "error_code": "text",
    "error_message": "text",
    "error_hint": "text",
}
#: Columns of the per-atom file in CSV and Parquet; one column per map and fusion layer follows.
ATOM_COLUMNS: dict[str, str] = {
    "id": "text",
    "index": "integer",
    "atom": "integer",
    "element": "text",
    "x": "number",
    "y": "number",
    "z": "number",
}
ATOM_MAPS = ("gate", "importance", "text_share")


def row_of(item: Item, answer: Mapping[str, Any], *, index: int) -> dict[str, Any]:
    """The row of one input.

    Args:
        item: The input.
        answer: A prediction or an error object, as JSON values.
        index: Place of the input in the run, from 0.
    """
    head = {"id": item.id, "index": index}
    notices = [{"code": code, "message": message} for code, message in item.notices]
    if "error" in answer:
        error = answer["error"]
        row = {**head, "status": "error", "error": {name: error[name] for name in ("code", "message", "hint")}}
        return {**row, "warnings": notices} if notices else row
    fields = {name: value for name, value in answer.items() if name not in LEFT_OUT}
    fields["warnings"] = [*notices, *fields["warnings"]]
    rounded: dict[str, Any] = _rounded(fields)
    return {**head, "status": "ok", **rounded}


def atoms_of(answer: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The per-atom maps of one answer; None where it has none."""
    atoms = answer.get("atoms")
    return None if atoms is None else _rounded(atoms)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        # No negative zero; and what is no number is nothing, since neither JSON nor CSV has a word for it.
        return round(value, DIGITS) + 0.0 if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(inner) for inner in value]
    return value


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row by the names of :data:`COLUMNS`; what it does not have is None."""
    interval = row.get("interval_ev") or (None, None)
    description, weights = row.get("description") or {}, row.get("modality_weights") or {}
    model, error = row.get("model") or {}, row.get("error") or {}
    # The PBE gap that the network was told; JSON lines list all facts.
    fact: Mapping[str, Any] = next(
        (fact for fact in row.get("facts") or () if fact["used"] and fact["name"] == "pbe_gap_ev"), {}
    )
    plain = (
        "id",
        "index",
        "status",
        "formula",
        "n_atoms",
        "gap_ev",
        "gap_raw_ev",
        "gap_without_text_ev",
        "coverage",
        "kind",
    )
    values = {
        **{name: row.get(name) for name in (*plain, "pbe_gap_estimate_ev")},
        "pbe_gap_ev": fact.get("value"),
        "pbe_gap_effect_ev": fact.get("effect_ev"),
        "interval_ev_low": interval[0],
        "interval_ev_high": interval[1],
        "description_text": description.get("text"),
        "description_origin": description.get("origin"),
        "modality_weights_graph": weights.get("graph"),
        "modality_weights_text": weights.get("text"),
        "warnings": row.get("warnings") or [],
        **{f"model_{name}": model.get(name) for name in ("name", "version", "sha256")},
        **{f"error_{name}": error.get(name) for name in ("code", "message", "hint")},
    }
    return {name: values[name] for name in COLUMNS}


def atom_columns(layers: Sequence[str]) -> dict[str, str]:
    """Columns of the per-atom file for an artifact's fusion layers (``layer_2``, …)."""
    return {**ATOM_COLUMNS, **{f"{name}_{layer}": "number" for name in ATOM_MAPS for layer in layers}}


def flat_atoms(
    row: Mapping[str, Any], atoms: Iterable[Mapping[str, Any]], layers: Sequence[str]
) -> list[dict[str, Any]]:
    """The per-atom rows of one crystal."""
    rows = []
    for atom in atoms:
        x, y, z = atom["frac_coords"]
        place = {
            "id": row["id"],
            "index": row["index"],
            "atom": atom["index"],
            "element": atom["element"],
            "x": x,
            "y": y,
            "z": z,
        }
        rows.append({**place, **{f"{name}_{layer}": atom[name].get(layer) for name in ATOM_MAPS for layer in layers}})
    return rows


def json_line(value: Mapping[str, Any]) -> str:
    """One line of a JSON-lines file."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")) + "\n"


def csv_lines(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Lines of a CSV file, by the columns' order; lists stand in a cell as JSON."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(
            [
                json.dumps(value, ensure_ascii=False) if isinstance(value := row[name], list) else value
                for name in columns
            ]
        )
    return text.getvalue()


def csv_head(columns: Mapping[str, str]) -> str:
    """The first line of a CSV file."""
    return ",".join(columns) + "\n"
