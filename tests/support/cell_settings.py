"""CIFs in every setting of gemmi's table, and the atoms that they mean, counted without the code under test."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import gemmi
import numpy as np

if TYPE_CHECKING:
    from hsegap.structures import Crystal

#: Positions are whole numbers of this part of a cell vector,
#: which holds decimals and the translations of all operations.
UNITS = 240_000
#: A site that lies on no symmetry element of any setting, nor near one.
GENERAL = (41_472, 10_704, 23_784)
CELLS = {
    "triclinic": (9.1, 10.3, 12.7, 83.0, 97.0, 104.0),
    "orthorhombic": (12.1, 13.3, 15.7, 90.0, 90.0, 90.0),
    "tetragonal": (14.1, 14.1, 17.7, 90.0, 90.0, 90.0),
    "hexagonal": (16.3, 16.3, 19.1, 90.0, 90.0, 120.0),
    "rhombohedral": (14.3, 14.3, 14.3, 74.0, 74.0, 74.0),
    "cubic": (21.3, 21.3, 21.3, 90.0, 90.0, 90.0),
}


class Site(NamedTuple):
    """A row of the table of sites; its position in :data:`UNITS`."""

    label: str
    element: str
    position: tuple[int, ...]


def cell_of(setting: gemmi.SpaceGroup) -> tuple[float, ...]:
    """Lengths and angles that a setting allows, as general as it allows."""
    system = setting.crystal_system_str()
    if system == "monoclinic":
        angles = [90.0, 90.0, 90.0]
        angles["abc".index(setting.monoclinic_unique_axis())] = 101.0
        return (10.1, 12.3, 13.7, *angles)
    if system == "trigonal":
        return CELLS["rhombohedral" if setting.ext == "R" else "hexagonal"]
    return CELLS[system]


@lru_cache(maxsize=8)
def operations_of(hall: str) -> tuple[np.ndarray, np.ndarray]:
    """Rotations ``[n, 3, 3]`` and translations ``[n, 3]`` in :data:`UNITS`, whole numbers."""
    group = list(gemmi.symops_from_hall(hall))
    rotations = np.array([operation.rot for operation in group]) // 24
    return rotations, np.array([operation.tran for operation in group]) * (UNITS // 24)


def images(setting: gemmi.SpaceGroup, position: tuple[int, ...]) -> np.ndarray:
    """The distinct images of a position, exact, in :data:`UNITS`, ``[images, 3]``, sorted."""
    rotations, translations = operations_of(setting.hall)
    return np.unique((rotations @ np.array(position) + translations) % UNITS, axis=0)


def special_site(setting: gemmi.SpaceGroup) -> tuple[int, ...] | None:
    """A position of simple fractions with the fewest images, if any has fewer than a general one."""
    rotations, translations = operations_of(setting.hall)
    positions = np.array(list(itertools.product(range(4), range(3), range(4)))) * (UNITS // 8)
    fixed = (
        ((np.einsum("nij,pj->pni", rotations, positions) + translations - positions[:, None]) % UNITS == 0)
        .all(axis=2)
        .sum(axis=1)
    )
    return tuple(positions[fixed.argmax()].tolist()) if fixed.max() > 1 else None


def sites_of(setting: gemmi.SpaceGroup) -> list[Site]:
    """One general and one special site."""
    special = special_site(setting)
    return [Site("Na1", "Na", GENERAL), *([Site("Cl1", "Cl", special)] if special is not None else [])]


def expected(setting: gemmi.SpaceGroup, sites: list[Site]) -> dict[str, np.ndarray]:
    """Positions of each element in the cell, ``[atoms, 3]``, sorted."""
    return {site.element: images(setting, site.position) / UNITS for site in sites}


def cif_of(setting: gemmi.SpaceGroup, sites: list[Site], symmetry: str) -> str:
    """A CIF with given lines for the symmetry."""
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    cell = "\n".join(f"_cell_{name} {value}" for name, value in zip(names, cell_of(setting), strict=True))
    columns = "\n".join(f"_atom_site_{name}" for name in ("label", "type_symbol", "fract_x", "fract_y", "fract_z"))
    rows = "\n".join(
        f"{site.label} {site.element} " + " ".join(f"{x / UNITS:.6f}" for x in site.position) for site in sites
    )
    return f"data_made\n{cell}\n{symmetry}\nloop_\n{columns}\n{rows}\n"


def ways_to_say(setting: gemmi.SpaceGroup) -> dict[str, str]:
    """The lines that name a setting in each of the ways that files use."""
    short = setting.hm
    if setting.crystal_system_str() == "monoclinic":
        short = " ".join(part for part in short.split() if part != "1")
    operations = "\n".join(f"'{operation.triplet()}'" for operation in setting.operations())
    hall = setting.hall.replace("'", "")
    quote = "'" if '"' in hall else '"'
    return {
        "symbol with suffix": f"_space_group_name_H-M_alt '{setting.xhm()}'",
        "short symbol": f"_symmetry_space_group_name_H-M '{short}'",
        "without blanks": f"_symmetry_space_group_name_H-M '{''.join(short.split())}'",
        "Hall symbol": f"_space_group_name_Hall {quote}{hall}{quote}",
        "number and symbol": (
            f"_symmetry_space_group_name_H-M '{setting.hm}'\n_symmetry_Int_Tables_number {setting.number}"
        ),
        "bare number": f"_space_group_IT_number {setting.number}",
        "operations": f"loop_\n_space_group_symop_operation_xyz\n{operations}",
        "operations and symbol": (
            f"_space_group_name_H-M_alt '{setting.hm}'\nloop_\n_symmetry_equiv_pos_as_xyz\n{operations}"
        ),
    }


def holds(crystal: Crystal, atoms: dict[str, np.ndarray]) -> bool:
    """Whether a crystal has just these atoms, in any order."""
    symbols = np.array(crystal.symbols)
    if len(symbols) != sum(map(len, atoms.values())):
        return False
    for element, positions in atoms.items():
        apart = crystal.frac_coords[symbols == element][:, None] - positions[None]
        near = (np.abs(apart - np.rint(apart)) < 2e-5).all(axis=2)
        if near.shape[0] != near.shape[1] or not (near.any(axis=0).all() and near.any(axis=1).all()):
            return False
    return True
