"""How an answered gap follows the lattice constant.

The test rows strained, and slopes beside deformation potentials.
"""

from __future__ import annotations

import gzip
import itertools
import json
import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: A gap that moves by more is counted, eV.
MOVED_EV = 0.5
#: Largest change of the lattice constant the slopes are looked at, %.
MOST_STRAIN = 3
#: A slope is right within so much of the published one, or within so many eV per 1 %.
SLOPE_TOLERANCE = (0.5, 0.1)
#: A step of 1 % larger than this, and than twice the published slope, is a cliff, eV.
CLIFF_EV = 0.5


class Deformation(NamedTuple):
    """A deformation potential.

    Attributes:
        crystal: Name in the textbook.
        ev: Derivative of the gap with respect to the logarithm of the lattice constant, eV: three times the volume
            deformation potential.
        source: Where it is from.
    """

    crystal: str
    ev: float
    source: str

    @property
    def ev_per_percent(self) -> float:
        """Change of the gap when the lattice constant grows by 1 %, eV."""
        return self.ev / 100


#: Three of them rest on gaps published for two lattice constants: with the tolerance above, a slope is right there
#: unless it is far off or of the wrong sign, and what is asked of them is above all that there is no cliff.
DEFORMATIONS = (
    Deformation(
        "gallium arsenide",
        3 * (-7.17 - 1.16),
        "a_c = -7.17, a_v = -1.16 eV per unit of volume; Vurgaftman, Meyer and Ram-Mohan, J. Appl. Phys. "
        "89, 5815 (2001)",
    ),
    Deformation(
        "diamond",
        -443 * 0.006 * 3,
        "6 meV/GPa, indirect gap, with a bulk modulus of 443 GPa; Madelung, Semiconductors: "
        "Data Handbook (Springer 2004); "
        "PBE computed with GPAW 24.6 at 3.53 and 3.60 Å (8 x 8 x 8 k-points, 500 eV): -6.5 eV",
    ),
    Deformation(
        "magnesium oxide",
        -28.0,
        "PBE gaps 4.77 eV at 4.212 and 4.45 eV at 4.261 Å, often published; "
        "about -9.4 eV per unit of volume in Schleife et al., Phys. Rev. B 73, 245212 (2006), quoted, not verified",
    ),
    Deformation(
        "strontium titanate",
        -8.0,
        "PBE gaps 1.88 eV at 3.905 and 1.80 eV at 3.945 Å, often published, rounded, not verified here",
    ),
    Deformation(
        "barium titanate",
        -7.0,
        "PBE gaps 1.73 eV at 4.00 and 1.68 eV at 4.03 Å, often published, rounded, not verified here",
    ),
    Deformation(
        "titanium dioxide (rutile)",
        -9.0,
        "PBE gaps 1.88 eV at the experimental and 1.79 eV at the PBE structure (volume 2.8 % larger), "
        "often published, rounded, not verified here",
    ),
)


def strained_rows(path: Path, *, limit: int | None = None) -> list[dict[float, str]]:
    """POSCAR texts of the crystals of a file by strain: 0, ±0.01 and ±0.02."""
    from pymatgen.core import Structure

    with gzip.open(path, "rt", encoding="utf-8") as lines, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coordinates such as 0.3333 become 1/3
        cells = [Structure.from_str(json.loads(line)["cif"], fmt="cif") for line in itertools.islice(lines, limit)]
    strains = (0.0, -0.02, -0.01, 0.01, 0.02)
    return [{strain: cell.apply_strain(strain, inplace=False).to(fmt="poscar") for strain in strains} for cell in cells]


def moved(rest: Sequence[float], changed: Sequence[Sequence[float]]) -> dict[str, float]:
    """How far answers move.

    Args:
        rest: Gaps without strain, eV.
        changed: Gaps of the same crystals under each strain, eV; NaN for one without an answer, whose row is counted
            apart.
    """
    moves = np.abs(np.array(changed) - np.array(rest))
    answered = moves[:, ~np.isnan(moves).any(0)]
    return {
        "share": float((answered > MOVED_EV).mean()),
        "share_of_rows": float((answered.max(0) > MOVED_EV).mean()),
        "mean_ev": float(answered.mean()),
        "most_ev": float(answered.max()),
        "unanswered": moves.shape[1] - answered.shape[1],
    }


def slope_of(gaps: Sequence[float], strains: Sequence[float], reference: Deformation) -> dict[str, Any]:
    """The slope at rest between −1 and +1 %, the largest step, and whether both are as they should be."""
    at = dict(zip(strains, gaps, strict=True))
    slope = (at[0.01] - at[-0.01]) / (math.log(1.01) - math.log(0.99)) / 100
    step = max(abs(after - before) for before, after in itertools.pairwise(gaps))
    share, absolute = SLOPE_TOLERANCE
    published = reference.ev_per_percent
    right = abs(slope - published) <= max(share * abs(published), absolute)
    cliff = step > max(CLIFF_EV, 2 * abs(published))
    return {
        "slope_ev_per_percent": slope,
        "published_ev_per_percent": published,
        "largest_step_ev": step,
        "slope_right": right,
        "cliff": cliff,
        "verdict": ", ".join(["right" if right else "**wrong**", *(["**cliff**"] if cliff else [])]),
    }
