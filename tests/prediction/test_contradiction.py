"""Texts that speak of another crystal: found where they do, never where they do not."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hsegap.prediction.schemas import Prediction, PredictRequest
from hsegap.text.composition import contradiction, mentioned, parse_formula
from support.service_samples import MGO

if TYPE_CHECKING:
    from hsegap.prediction.predictor import Predictor

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "hse"
HALITE = (
    "MgO is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group. "
    "Mg(1)2+ is bonded to six equivalent O(1)2- atoms."
)


@pytest.mark.parametrize(
    ("formula", "counts"),
    [
        ("MgO", {"Mg": 1, "O": 1}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("Cs2PtC4(N2I)2", {"Cs": 2, "Pt": 1, "C": 4, "N": 4, "I": 2}),
        ("Li0.5CoO2", {"Li": 0.5, "Co": 1, "O": 2}),
        ("structured", None),
        ("Ca(OH", None),
        ("Ca)2", None),
        ("", None),
    ],
)
def test_formulas(formula: str, counts: dict[str, float] | None) -> None:
    assert parse_formula(formula) == counts


@pytest.mark.parametrize(
    ("text", "symbols", "said"),
    [
        (HALITE, ["Na", "Cl"], "Mg, O"),
        ("TiO2 is Rutile structured.", ["Ti", "O"], "TiO2"),
        ("Sodium chloride, rock salt.", ["Mg", "O"], "Cl, Na"),
        ("A perovskite. Ti is bonded to O2- ions; TiO6 octahedra share corners.", ["Sr", "Zr", "O", "O", "O"], "Ti"),
        ("As crystallizes in the trigonal R-3m space group.", ["Sb", "Sb"], "As"),
    ],
)
def test_another_crystals_text_is_told(text: str, symbols: list[str], said: str) -> None:
    assert said in (contradiction(text, symbols) or "")


@pytest.mark.parametrize(
    "text",
    [
        HALITE,
        "Oxygen-poor? No: In this oxide, As above, I see Mg in octahedra. He said it is BCC at 300 K in UV light.",
        "MgO is Uranium Silicide structured and crystallizes in the Cm space group.",
        "It is a CsCl-type phase, isostructural at high pressure, space group Pa-3.",
        "Magnesia.",
        "",
    ],
)
def test_its_own_text_is_not(text: str) -> None:
    assert contradiction(text, ["Mg", "O"]) is None


def test_names_of_elements_are_words_not_letters() -> None:
    assert "Sn" not in mentioned("TiN crystallizes in the cubic Fm-3m space group.").elements
    assert "Sn" in mentioned("A compound of tin.").elements


@pytest.mark.parametrize("piece", ["is ", "a-", "(", "Si", "Ca(1)-", "space group ", "((((Si))))", "."])
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    mentioned(piece * (20_000 // len(piece)))
    assert time.process_time() - started < 1


@pytest.mark.shared_data
def test_real_descriptions_agree_with_their_crystals_and_not_with_others() -> None:
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data, which is not beside this repository")
    rows = []
    for name in ("train", "val", "val_metals", "test", "test_metals"):
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt") as lines:
            rows += [row for row in map(json.loads, lines) if row["description"]]
    symbols = [_symbols(row["cif"]) for row in rows]
    assert [row["id"] for row, own in zip(rows, symbols, strict=True) if contradiction(row["description"], own)] == []
    half = len(rows) // 2
    others = rows[half:] + rows[:half]
    found = [contradiction(row["description"], own) is not None for row, own in zip(others, symbols, strict=True)]
    assert sum(found) / len(found) > 0.99


def _symbols(cif: str) -> list[str]:
    """Element of each atom of a P 1 CIF."""
    columns: list[str] = []
    found = []
    for line in map(str.split, cif.splitlines()):
        if line[:1] == ["loop_"]:
            columns = []
        elif line and line[0].startswith("_atom_site_"):
            columns.append(line[0])
        elif "_atom_site_type_symbol" in columns and len(line) >= len(columns):
            found.append(re.sub(r"[^A-Za-z].*", "", line[columns.index("_atom_site_type_symbol")]))
    return found


def test_the_answer_carries_the_warning(predictor: Predictor) -> None:
    texts = [HALITE, "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group."]
    answers = predictor.predict([PredictRequest(structure=MGO, description=text, atoms=False) for text in texts])
    codes = [[warning.code for warning in answer.warnings] for answer in answers if isinstance(answer, Prediction)]
    assert ["text_contradicts_crystal" in found for found in codes] == [False, True]
