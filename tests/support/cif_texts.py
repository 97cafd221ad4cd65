"""Small CIFs put together from parts, for tests of reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hsegap.structures import Crystal

ROCK_SALT = (("Na1", "Na", "0", "0", "0"), ("Cl1", "Cl", "0.5", "0.5", "0.5"))
CUBIC = ("5.64", "5.64", "5.64", "90", "90", "90")
CELL_NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
#: The operations of F m -3 m that centre the cell.
CENTRING = ("x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z")


def operations(*triplets: str) -> str:
    """A list of symmetry operations."""
    return "loop_\n_space_group_symop_operation_xyz\n" + "".join(f"'{triplet}'\n" for triplet in triplets)


def symbol(name: str) -> str:
    """A Hermann-Mauguin symbol."""
    return f"_space_group_name_H-M_alt '{name}'\n"


def cif(
    symmetry: str = "",
    *,
    extra: str = "",
    cell=CUBIC,
    rows=ROCK_SALT,
    columns=("label", "type_symbol", "fract_x", "fract_y", "fract_z"),
):
    """A CIF of rock salt unless told otherwise."""
    lengths = "".join(f"_cell_{name} {value}\n" for name, value in zip(CELL_NAMES, cell, strict=True))
    table = "loop_\n" + "".join(f"_atom_site_{name}\n" for name in columns)
    return f"data_made\n{lengths}{symmetry}{extra}{table}" + "".join(" ".join(row) + "\n" for row in rows)


def codes_of(crystal: Crystal) -> list[str]:
    """What is told of a crystal, but for its distances: sites without their images lie farther apart than bonds."""
    return [notice.code for notice in crystal.warnings if notice.code != "odd_distances"]
