"""The textbook: well-known crystals written from published lattice constants, with HSE06 gaps.
Never trained on, never selected by.

``crystals.csv`` has one line per crystal. Its gap is **scored** where it can be checked against a row of ../shared/data
of the sources ``borlido`` or ``snumat`` for that very structure, or, for a metal, against a value inside pymatgen; else
it is **shown** only. :func:`verify` says what makes a row the very structure, and the tests run it on every scored
crystal.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.textbook.prototypes import PROTOTYPES, build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

TABLE = Path(__file__).with_name("crystals.csv")

#: Where lattice constants come from.
LATTICE_SOURCES = {
    "madelung": "experiment; Madelung, Semiconductors: Data Handbook (Springer 2004)",
    "wyckoff": "experiment; Wyckoff, Crystal Structures (Interscience 1963-1971)",
    "pearson": (
        "experiment; Villars and Calvert, "
        "Pearson's Handbook of Crystallographic Data for Intermetallic Phases (ASM 1991)"
    ),
    "mitchell": (
        "experiment, cubic ones above their transitions or pseudocubic; "
        "Mitchell, Perovskites: Modern and Ancient (Almaz 2002)"
    ),
    "haas": "PBE; Haas, Tran and Blaha, Phys. Rev. B 79, 085104 (2009)",
    "piskunov": "LDA or PBE as named; Piskunov, Heifets, Eglitis and Borstel, Comput. Mater. Sci. 29, 165 (2004)",
    "pbe": "PBE, a value often published",
}
#: Where gaps come from.
GAP_SOURCES = {
    "borlido": "Borlido et al., J. Chem. Theory Comput. 15, 5069 (2019): HSE06 at the experimental structure",
    "snumat": "Kim et al., Sci. Data 7, 387 (2020): HSE06 at the PBE structure",
    "metal": "no gap: electrical resistivity in pymatgen's table of elements below 1e-6 ohm m",
    "mf": "Chen et al., Nat. Comput. Sci. 1, 46 (2021), HSE column",
    "literature": "rounded from the literature of hybrid functionals, not verified here",
}
#: Sources whose rows count as verification.
VERIFYING = ("borlido", "snumat")
#: Resistivity above which an element is not taken for a metal, ohm m.
METAL_RESISTIVITY = 1e-6
#: Largest relative difference in volume between a crystal here and the row that its gap comes from.
#: PBE expands layers by that much.
VOLUME_TOLERANCE = 0.08
#: Largest difference between two rows of one structure that are still taken for the same gap, eV.
GAP_TOLERANCE = 0.3


@dataclass(frozen=True)
class Crystal:
    """A line of the table.

    Attributes:
        name: In words; unique.
        formula: Reduced, as pymatgen writes it.
        prototype: Name in :data:`textbook.prototypes.PROTOTYPES`.
        species: Elements A, B, C … of the prototype.
        constants: Lattice constants (Å, degrees) and free coordinates.
        lattice: Key of :data:`LATTICE_SOURCES`.
        hse_gap_ev: HSE06 gap, eV; 0 for metals.
        pbe_gap_ev: PBE gap of the row, eV; None where unknown.
        source: Key of :data:`GAP_SOURCES`.
        row: Id of the row the gap was read from; empty without one.
        file: File of that row in ../shared/data/hse, without ``.jsonl.gz``.
        scored: Whether the gap counts.
        in_training: Whether the formula is in the training rows.
        reason: Why the gap is not scored; empty where it is.
    """

    name: str
    formula: str
    prototype: str
    species: tuple[str, ...]
    constants: dict[str, float]
    lattice: str
    hse_gap_ev: float
    pbe_gap_ev: float | None
    source: str
    row: str
    file: str
    scored: bool
    in_training: bool
    reason: str

    @property
    def space_group(self) -> int:
        """Number in the International Tables."""
        return PROTOTYPES[self.prototype].space_group

    def structure(self, *, strain: float = 0.0) -> Structure:
        """The primitive cell, all lattice constants changed by the fraction ``strain``."""
        found = build(self.prototype, self.species, self.constants)
        return found.apply_strain(strain, inplace=False) if strain else found


def read_textbook(path: Path = TABLE) -> list[Crystal]:
    """All crystals of the table, in its order."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [_crystal(line) for line in csv.DictReader(lines)]


def _crystal(line: dict[str, str]) -> Crystal:
    constants = dict(part.split("=") for part in line["constants"].split())
    return Crystal(
        name=line["name"],
        formula=line["formula"],
        prototype=line["prototype"],
        species=tuple(line["species"].split()),
        constants={name: float(value) for name, value in constants.items()},
        lattice=line["lattice"],
        hse_gap_ev=float(line["hse_gap_ev"]),
        pbe_gap_ev=float(line["pbe_gap_ev"]) if line["pbe_gap_ev"] else None,
        source=line["source"],
        row=line["row"],
        file=line["file"],
        scored={"scored": True, "shown": False}[line["status"]],
        in_training={"yes": True, "no": False}[line["in_training"]],
        reason=line["reason"],
    )


def verify(crystal: Crystal, rows: Sequence[dict[str, Any]]) -> list[str]:
    """What speaks against a scored gap; nothing if it is verified.

    Args:
        crystal: One whose gap comes from a row.
        rows: All rows of its reduced formula, from every file of ../shared/data/hse.
    """
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core import Structure

    matcher = StructureMatcher(ltol=0.1, stol=0.2, angle_tol=4, scale=False)
    mine = crystal.structure()
    same: dict[str, tuple[dict[str, Any], float]] = {}
    for row in rows:
        if (row["spacegroup"], row["n_sites"]) == (crystal.space_group, len(mine)):
            theirs = Structure.from_str(row["cif"], fmt="cif")
            if matcher.fit(mine, theirs):
                same[row["id"]] = (row, theirs.volume / mine.volume)
    if crystal.row not in same:
        return [f"row {crystal.row!r} is not this structure; there are {sorted(same) or 'none'}"]
    row, ratio = same[crystal.row]
    verifying = [
        name
        for name, (other, _) in same.items()
        if other["source"] in VERIFYING and other["label_confidence"] == "high"
    ]
    pbe = row["pbe_gap_ev"]
    checks = {
        f"its source is {row['source']}, confidence {row['label_confidence']}": verifying != [crystal.row],
        f"several rows: {verifying}": len(verifying) > 1,
        f"the row's gap is {row['hse_gap_ev']}": row["hse_gap_ev"] != crystal.hse_gap_ev
        or row["source"] != crystal.source,
        f"the row's PBE gap is {pbe}": pbe != crystal.pbe_gap_ev,
        f"the row's volume is {ratio:.3f} of this": abs(ratio - 1) > VOLUME_TOLERANCE,
        "the HSE gap is not above the PBE gap": crystal.hse_gap_ev > 0
        and pbe is not None
        and crystal.hse_gap_ev <= pbe,
        "another row of this structure has another gap": any(
            abs(other["hse_gap_ev"] - crystal.hse_gap_ev) > GAP_TOLERANCE for other, _ in same.values()
        ),
    }
    return [what for what, against in checks.items() if against]
