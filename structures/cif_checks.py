"""What a CIF states beside its atoms (formula, Z, multiplicities) against what was read."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from hsegap.structures.cell import lengths_and_volume
from hsegap.structures.cif_numbers import number_of
from hsegap.structures.cif_syntax import is_unknown
from hsegap.structures.crystal import Notice
from hsegap.structures.parsed import unreadable
from hsegap.structures.symbols import GRAM_PER_CM3, element_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from hsegap.structures.cif_expand import Expanded
    from hsegap.structures.cif_sites import Sites
    from hsegap.structures.cif_syntax import Block

#: Relative difference of counts that rounding in a formula explains.
SLACK = 0.02
#: Relative differences that rounding explains, and of densities hydrogen that has no positions.
VOLUME_SLACK, DENSITY_SLACK = 0.02, 0.1
#: Longest formula looked at.
LONGEST_FORMULA = 500
_PART = re.compile(r"([A-Z][a-z]?)(\d{0,6}(?:\.\d{0,6})?)")

AGREES, SILENT, DIFFERS, SCALED = "agrees", "silent", "differs", "scaled"


class Stated(NamedTuple):
    """What a CIF states about the content of its cell.

    Attributes:
        formula: Atoms of a formula unit by element, ``D`` and ``T`` counted as H; None if it states none.
        text: The formula as written.
        units: Formula units in the cell (Z).
    """

    formula: Mapping[str, float] | None
    text: str
    units: float | None

    @property
    def in_words(self) -> str:
        """The statement, for messages."""
        return f"{self.text[:60]}, Z = {self.units:g}" if self.units is not None else self.text[:60]


def stated_by(block: Block) -> Stated:
    """Read formula and Z of a block."""
    text = block.first("_chemical_formula_sum", "_chemical_formula_moiety") or ""
    units = block.first("_cell_formula_units_z")
    number = number_of(units) if units is not None else None
    return Stated(atoms_of_formula(text), text, number if number is not None and number > 0 else None)


@lru_cache(maxsize=512)
def atoms_of_formula(text: str) -> Mapping[str, float] | None:
    """Count the atoms of a formula such as ``Ga4 As4``; None for what is none."""
    plain = "".join(text.split())
    if is_unknown(plain) or len(plain) > LONGEST_FORMULA:
        return None
    known = element_numbers()
    counts: Counter[str] = Counter()
    at = 0
    while at < len(plain):
        part = _PART.match(plain, at)
        if part is None or part[1] not in known:
            return None
        counts["H" if part[1] in {"D", "T"} else part[1]] += float(part[2] or 1) if part[2] != "." else 1.0  # type: ignore[assignment]
        at = part.end()
    return {symbol: amount for symbol, amount in counts.items() if amount > 0} or None


def content_of(expanded: Expanded, sites: Sites) -> dict[str, int]:
    """Atoms of the cell by element."""
    counts: dict[str, int] = {}
    for symbol, count in zip(sites.symbols, expanded.multiplicities.tolist(), strict=True):
        name = "H" if symbol in {"D", "T"} else symbol
        counts[name] = counts.get(name, 0) + count
    return counts


def content_verdict(content: Mapping[str, int], stated: Stated) -> str:
    """Whether the atoms of a cell are those that formula and Z state.

    Hydrogen, which is often left out, is not asked for.

    Returns:
        ``agrees`` if formula and Z do, ``silent`` if there is no formula or no Z beside a formula of the right
        proportions, ``scaled`` if only Z differs, ``differs`` if the proportions do.
    """
    if stated.formula is None:
        return SILENT
    expected = {symbol: amount for symbol, amount in stated.formula.items() if symbol != "H"} or dict(stated.formula)
    found = {symbol: count for symbol, count in content.items() if symbol in expected or symbol != "H"}
    if found.keys() != expected.keys():
        return DIFFERS
    ratios = [found[symbol] / amount for symbol, amount in expected.items()]
    if min(ratios) < max(ratios) * (1 - SLACK) or max(ratios) < 1 - SLACK:
        return DIFFERS
    if stated.units is None:
        return SILENT
    # Most programs write the formula of one unit; some write that of the cell beside its Z.
    whole = all(abs(amount / stated.units - round(amount / stated.units)) < SLACK for amount in stated.formula.values())
    units = {stated.units, 1.0} if whole else {stated.units}
    return AGREES if any(abs(max(ratios) / unit - 1) <= SLACK for unit in units) else SCALED


def multiplicity_verdict(expanded: Expanded, sites: Sites) -> str:
    """Whether the sites have the multiplicities that the file states.

    Some programs write the order of the site symmetry under that name.

    Returns:
        ``agrees``, ``silent``, ``scaled`` if all differ by the same factor (that of a centred cell, say), or
        ``differs``.
    """
    stated = sites.multiplicities
    if stated is None or any(value < 1 for value in stated):
        return SILENT
    found = expanded.multiplicities.tolist()
    order = len(expanded.symmetry)
    if all(value == count for value, count in zip(stated, found, strict=True)):
        return AGREES
    if all(value * count == order for value, count in zip(stated, found, strict=True)):
        return AGREES
    ratios = {round(value / count, 6) for value, count in zip(stated, found, strict=True)}
    return SCALED if len(ratios) == 1 else DIFFERS


def check_formula(content: Mapping[str, int], stated: Stated, *, at_end: bool, notices: list[Notice]) -> None:
    """Compare the atoms read with the formula that the file states.

    Atoms that are missing from a table at the very end of the file mean that the file was cut off between two lines.

    Args:
        content: Atoms of the cell by element.
        stated: Formula and Z.
        at_end: Whether the table of sites ends the file.
        notices: Where to tell about differences.

    Raises:
        StructureError: ``unreadable_structure`` for a file that was cut off.
    """
    if stated.formula is None:
        return
    expected = stated.formula
    ratios = {symbol: content.get(symbol, 0) / amount for symbol, amount in expected.items()}
    most = max(ratios.values())
    complete = min(ratios.values()) >= most * (1 - SLACK)
    if content.keys() <= expected.keys() and complete and most > 1 - SLACK:
        if content_verdict(content, stated) == SCALED:
            message = f"The CIF states {stated.in_words}, but its cell holds {in_words(content)}."
            notices.append(Notice("composition_mismatch", message))
        return
    dropped = any(notice.code == "zero_occupancy_dropped" for notice in notices)
    if at_end and content.keys() <= expected.keys() and not dropped:
        # Complete elements come in whole formula units. One atom too many is another mistake, found by its distance,
        # and hydrogen is often left out altogether.
        absent = any(ratio == 0 for symbol, ratio in ratios.items() if symbol != "H")
        partly = abs(most - round(most)) < SLACK and any(0 < ratio < most * (1 - SLACK) for ratio in ratios.values())
        if absent or partly or most < 1 - SLACK:
            message = f"The CIF states {stated.text[:60]} but ends after {in_words(content)}."
            hint = "The file seems to be cut off: get it again. If it is meant so, correct _chemical_formula_sum."
            raise unreadable(message, hint)
    message = f"The CIF states {stated.text[:60]}, but its atoms add up to {in_words(content)}."
    notices.append(Notice("composition_mismatch", message))


def check_cell(block: Block, lattice: np.ndarray, mass: float, notices: list[Notice]) -> None:
    """Compare the cell, and the mass of the atoms in it, with the volume and the density that the file states.

    Args:
        block: Of the file.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        mass: Of all atoms of the cell, u.
        notices: Where to tell about differences.
    """
    volume = lengths_and_volume(lattice)[1]
    stated = _positive(block, "_cell_volume")
    if stated is not None and abs(stated / volume - 1) > VOLUME_SLACK:
        message = f"The CIF states the volume {stated:g} Å³, but its lengths and angles make {volume:.5g} Å³."
        notices.append(Notice("cell_contradiction", message))
    density = mass * GRAM_PER_CM3 / volume
    stated = _positive(block, "_exptl_crystal_density_diffrn")
    if stated is not None and abs(stated / density - 1) > DENSITY_SLACK:
        message = f"The CIF states the density {stated:g} g/cm³, but its atoms and cell make {density:.4g} g/cm³."
        notices.append(Notice("cell_contradiction", message))


def _positive(block: Block, name: str) -> float | None:
    text = block.first(name)
    number = number_of(text) if text is not None else None
    return number if number is not None and number > 0 else None


def in_words(content: Mapping[str, int]) -> str:
    """Atoms of a cell as a formula, ``Ga4 As4``."""
    text = " ".join(f"{symbol}{count}" for symbol, count in content.items())
    return text if len(text) <= 60 else text[:57] + "…"
