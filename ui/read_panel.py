"""What was read from the file, beside the picture of it, so that nothing is answered unseen."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from hsegap.ui.answer import formula_html
from hsegap.ui.care import reading_notices, warning_item

if TYPE_CHECKING:
    from hsegap.prediction.schemas import Prediction
    from hsegap.structures import Summary
    from hsegap.structures.summary import LatticeParameters
    from hsegap.ui.words import Words


def lattice_words(lattice: LatticeParameters) -> str:
    """Lengths and angles of a cell; equal ones once."""
    lengths = [f"{value:.3f}" for value in lattice[:3]]
    angles = [f"{value:.1f}" for value in lattice[3:6]]
    return f"{_joined('abc', lengths)} Å; {_joined('αβγ', angles)}°"


def _joined(names: str, values: list[str]) -> str:
    """``a = b = 2.504, c = 6.661``."""
    groups: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        groups.setdefault(value, []).append(name)
    return ", ".join(" = ".join([*same, value]) for value, same in groups.items())


def read_html(read: Summary, prediction: Prediction, words: Words) -> str:
    """Formula, space group, cell, density, atoms and what was repaired.

    Args:
        read: What was read.
        prediction: Its answer; the notices of reading stand among its warnings.
        words: In which language.
    """
    group = read.space_group
    counted: dict[str, int] = {}
    for atom in read.atoms:
        counted[atom.element] = counted.get(atom.element, 0) + 1
    atoms = f"{len(read.atoms)}: {', '.join(f'{count} {symbol}' for symbol, count in counted.items())}"
    rows = [
        ("read.formula", formula_html(read.formula)),
        ("read.group", escape(f"{group.symbol} ({group.number})" if group is not None else words("read.no_group"))),
        ("read.cell", escape(lattice_words(read.lattice))),
        ("read.volume", f"{read.lattice.volume:.2f} Å³"),
        ("read.density", f"{read.density:.2f} g/cm³"),
        ("read.atoms", escape(atoms)),
    ]
    listed = "".join(f"<div><dt>{escape(words(key))}</dt><dd>{value}</dd></div>" for key, value in rows)
    notices = "".join(warning_item(notice, words) for notice in reading_notices(prediction))
    repaired = f'<h4>{escape(words("read.notices"))}</h4><ul class="hs-notices">{notices}</ul>' if notices else ""
    return (
        f"<h3>{escape(words('read.title'))}</h3><dl>{listed}</dl>{repaired}"
        f'<p class="hs-read-check">{escape(words("read.check"))}</p>'
    )
