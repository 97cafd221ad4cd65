"""Structures that work and structures that fail, each by its own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.prediction.errors import Failure
from hsegap.service.statuses import STATUS

if TYPE_CHECKING:
    import httpx

CELL = """data_{name}
_symmetry_space_group_name_H-M 'P 1'
_cell_length_a {a}
_cell_length_b {b}
_cell_length_c {c}
_cell_angle_alpha {alpha}
_cell_angle_beta {alpha}
_cell_angle_gamma {alpha}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{atoms}
"""


def cif(
    atoms: list[tuple[str, float, float, float]],
    a: float = 5.0,
    *,
    b: float | None = None,
    c: float | None = None,
    alpha: float = 90.0,
    occupancy: float = 1.0,
) -> str:
    """A P 1 cell as CIF."""
    rows = "\n".join(
        f"{symbol}{number} {symbol} {x} {y} {z} {occupancy}" for number, (symbol, x, y, z) in enumerate(atoms, 1)
    )
    return CELL.format(name="test", a=a, b=b or a, c=c or a, alpha=alpha, atoms=rows)


NACL = cif(
    [
        ("Na", 0, 0, 0),
        ("Na", 0, 0.5, 0.5),
        ("Na", 0.5, 0, 0.5),
        ("Na", 0.5, 0.5, 0),
        ("Cl", 0.5, 0, 0),
        ("Cl", 0, 0.5, 0),
        ("Cl", 0, 0, 0.5),
        ("Cl", 0.5, 0.5, 0.5),
    ],
    5.64,
)
SILICON = cif([("Si", 0, 0, 0), ("Si", 0.25, 0.25, 0.25)], 3.84, alpha=60)
MGO = cif([("Mg", 0, 0, 0), ("O", 0.5, 0.5, 0.5)], 2.98, alpha=60)
GAAS = "GaAs\n5.65\n0 .5 .5\n.5 0 .5\n.5 .5 0\nGa As\n1 1\nDirect\n0 0 0\n.25 .25 .25\n"
#: Crystals of four sizes and two formats.
GOOD = {"NaCl": NACL, "Si": SILICON, "MgO": MGO, "GaAs": GAAS}

#: Structures that cannot be predicted, by what is wrong, with the code each must fail with.
BAD = {
    "empty": ("", "unreadable_structure"),
    "truncated": (NACL[: NACL.index("_atom_site_fract_z")], "unreadable_structure"),
    "binary": (bytes(range(256)).decode("latin-1") * 20, "unreadable_structure"),
    "words": ("This is a letter, not a crystal.", "unsupported_format"),
    "partial occupancy": (
        cif([("Si", 0, 0, 0), ("Si", 0.25, 0.25, 0.25)], 3.84, alpha=60, occupancy=0.5),
        "disordered_structure",
    ),
    "two atoms in one place": (cif([("Si", 0, 0, 0), ("Ge", 0.001, 0, 0)]), "overlapping_atoms"),
    "flat cell": (cif([("Si", 0, 0, 0)], 5.0, alpha=120), "degenerate_cell"),
    "near-zero volume": (cif([("Si", 0, 0, 0)], 5.0, c=1e-9), "degenerate_cell"),
    "huge cell": (cif([("Si", 0, 0, 0)], 1e12), "degenerate_cell"),
    "no such element": (cif([("Si", 0, 0, 0), ("Xx", 0.5, 0.5, 0.5)]), "unknown_element"),
}


def supercell(n: int) -> str:
    """A rock-salt supercell with 8 n³ atoms, as POSCAR."""
    base = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    shift = [(0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (0.5, 0.5, 0.5)]
    cells = [(i, j, k) for i in range(n) for j in range(n) for k in range(n)]
    rows = [
        f"{(x + i) / n} {(y + j) / n} {(z + k) / n}"
        for group in (base, shift)
        for x, y, z in group
        for i, j, k in cells
    ]
    edge = 5.64 * n
    header = f"NaCl\n1.0\n{edge} 0 0\n0 {edge} 0\n0 0 {edge}\nNa Cl\n{4 * n**3} {4 * n**3}\nDirect\n"
    return header + "\n".join(rows) + "\n"


def failure(response: httpx.Response, code: str, status: int | None = None) -> Failure:
    """Check that an answer is the named error in the shape of all our errors and nothing else."""
    assert response.headers["content-type"] == "application/json"
    found = Failure.model_validate_json(response.text)
    assert (found.error.code, response.status_code) == (code, status or STATUS[code]), response.text
    assert found.error.message
    assert found.error.hint
    assert "Traceback" not in response.text
    assert ("retry-after" in response.headers) == (code in {"overloaded", "not_ready"})
    return found
