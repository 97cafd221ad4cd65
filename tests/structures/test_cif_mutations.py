"""The same CIF in another spelling is the same crystal: case, white space, line ends, order, comments, quotes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsegap.structures import read
from support.cell_settings import cif_of, expected, holds, sites_of
from support.cif_texts import ROCK_SALT, cif, operations, symbol

ROOT = Path(__file__).resolve().parents[2]


class Item(NamedTuple):
    """A name with its value, or a table: names, then rows."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    table: bool


def items_of(text: str) -> list[Item]:
    from gemmi import cif as gemmi_cif

    found = []
    for item in gemmi_cif.read_string(text).sole_block():
        if item.pair is not None:
            found.append(Item((item.pair[0],), ((gemmi_cif.as_string(item.pair[1]),),), table=False))
        elif item.loop is not None:
            width = item.loop.width()
            values = [gemmi_cif.as_string(value) for value in item.loop.values]
            rows = tuple(tuple(values[start : start + width]) for start in range(0, len(values), width))
            found.append(Item(tuple(item.loop.tags), rows, table=True))
    return found


TEXTS = [
    cif(
        symbol("F m -3 m"),
        extra=(
            "_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 4\n_publ_section_comment\n;\n"
            "loop_\n_atom_site_label\n;\n"
        ),
    ),
    cif(
        operations("x,y,z", "-x,-y,-z"),
        rows=(("Na1", "Na1+", "0.12(3)", "0.2", "1/3"), ("Cl1", "Cl1-", "0.5", "0.25", "-0.25")),
    ),
    cif("_space_group_name_Hall '-P 2ybc'\n", cell=("5.15", "5.21", "5.32", "90", "99.2", "90"), rows=ROCK_SALT[:1]),
    (ROOT / "examples" / "GaN.cif").read_text(),
    (ROOT / "examples" / "TiO2_rutile.cif").read_text(),
]


@st.composite
def respelled(draw: Any, text: str) -> str:
    """Another spelling of a CIF."""
    choose = draw(st.randoms(use_true_random=False))
    items = items_of(text)
    choose.shuffle(items)
    newline = choose.choice(["\n", "\r\n", "\r"])

    def cased(word: str) -> str:
        return choose.choice([word, word.upper(), word.lower(), word.swapcase()])

    def blank() -> str:
        return choose.choice([" ", "  ", "\t", " \t ", newline + " "])

    def valued(value: str) -> str:
        plain = re.fullmatch(r"[A-Za-z0-9.+()/-]+", value) and value.lower() not in {"loop_", "stop_", "global_"}
        forms = [f"'{value}'", f'"{value}"'] if "\n" not in value and "'" not in value and '"' not in value else []
        forms += [f"{newline};{value}{newline};{newline}"] if choose.random() < 0.2 or not (plain or forms) else []
        return choose.choice([*([value] * 3 if plain else []), *forms])

    def name(tag: str) -> str:
        return cased(re.sub(r"^(_atom_site|_cell|_space_group)_", r"\1.", tag) if choose.random() < 0.3 else tag)

    lines = [
        choose.choice(["", f"#\\#CIF_1.1{newline}", f"# a comment, data_ of nobody{newline}{newline}"])
        + cased("data_")
        + "made"
    ]
    for item in items:
        if choose.random() < 0.2:
            lines.append(choose.choice(["# loop_ _atom_site_label", "   # 'quoted", ""]))
        if not item.table:
            lines.append(choose.choice(["", "  "]) + name(item.names[0]) + blank() + valued(item.rows[0][0]))
            continue
        columns = list(range(len(item.names)))
        choose.shuffle(columns)
        lines.append(cased("loop_"))
        lines += [name(item.names[column]) for column in columns]
        lines += [
            blank().join(valued(row[column]) for column in columns) + choose.choice(["", " # site"])
            for row in item.rows
        ]
    return newline.join(lines) + choose.choice(["", newline, newline * 3, f" # the end{newline}"])


@pytest.mark.parametrize("index", range(len(TEXTS)))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_spelling_does_not_change_the_answer(index, data):
    original = read(TEXTS[index])
    text = data.draw(respelled(TEXTS[index]))
    crystal = read(text)
    assert crystal.symbols == original.symbols
    np.testing.assert_allclose(crystal.frac_coords, original.frac_coords, atol=1e-12)
    np.testing.assert_array_equal(crystal.lattice, original.lattice)
    assert [notice.code for notice in crystal.warnings] == [notice.code for notice in original.warnings]


SYMBOLS = {
    "F m -3 m": [
        "Fm-3m",
        "FM-3M",
        "fm-3m",
        "F m 3 m",
        "Fm3m",
        "F 4/m -3 2/m",
        "F_m_-3_m",
        "F m \\bar{3} m",
        "$Fm\\bar{3}m$",
        "F 4/m 3 2/m",
        "225",
    ],
    "P 1 21/c 1": [
        "P 21/c",
        "P21/c",
        "P2(1)/c",
        "P 2_1/c",
        "P2_1/c",
        "P 2 1/c",
        "P 1 21/c 1",
        "P 1 2_1/c 1",
        "P21/C",
        "P 21/c :b1",
    ],
    "R -3 m:H": [
        "R -3 m :H",
        "R -3 m H",
        "R-3mH",
        "R -3 m",
        "R -3 2/m",
        "R -3 m HR",
        "R -3 m (hexagonal axes)",
        "H -3 m",
        "R-3m:h",
    ],
    "F d -3 m:2": [
        "F d -3 m Z",
        "F d -3 m :2",
        "F d 3 m :2",
        "Fd-3m (origin 2)",
        "F d -3 m {origin @ centre}",
        "Fd-3m, origin choice 2",
        "F d -3 m O2",
    ],
    "F d -3 m:1": ["F d -3 m S", "F d -3 m :1", "Fd3mS", "F d -3 m {origin @ -43m}", "F 41/d -3 2/m :1"],
    "C m c a": ["C m c e", "Cmce", "C 2/m 2/c 21/e", "CMCA"],
    "P n m a": ["P 21/n 21/m 21/a", "PNMA", "P n m a :1"],
    "P 1 1 21/b": ["P 21/b", "P 1 1 21/b"],
}


@pytest.mark.parametrize(
    ("meant", "written"), [(meant, written) for meant, forms in SYMBOLS.items() for written in forms]
)
def test_a_symbol_in_its_spellings(meant, written):
    import gemmi

    setting = gemmi.find_spacegroup_by_name(meant)
    sites = sites_of(setting)
    assert holds(read(cif_of(setting, sites, f"_symmetry_space_group_name_H-M '{written}'")), expected(setting, sites))
