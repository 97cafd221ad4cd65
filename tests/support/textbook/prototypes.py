"""Crystals built from what a textbook gives: the name of a prototype, lattice constants, free coordinates and elements.

A prototype is a space group (number, International Tables) with sites: a letter for the element and a position in the
conventional cell, whose free coordinates are named as in the International Tables or as the prototype's literature
names them. Hexagonal axes for rhombohedral crystals; origin at a centre of inversion where there are two choices.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core import Lattice, Structure

#: Space groups with two choices of origin, as pymatgen calls the one at a centre of inversion.
AT_INVERSION = {88: "I41/a:2", 129: "P4/nmm:2", 137: "P42/nmc:2", 141: "I41/amd:2", 224: "Pn-3m:2", 227: "Fd-3m:2"}
#: A coordinate: a fraction, or the name of a free one with a sign and an offset, as in "-x", "x+1/2".
Position = tuple[str, str, str]


class Prototype(NamedTuple):
    """A structure type.

    Attributes:
        space_group: Number in the International Tables.
        sites: Letter of the element and position, one per Wyckoff orbit.
    """

    space_group: int
    sites: tuple[tuple[str, Position], ...]


def _sites(*orbits: str) -> tuple[tuple[str, Position], ...]:
    """Sites from strings such as ``"A 0 0 1/2"``."""
    found = []
    for orbit in orbits:
        letter, x, y, z = orbit.split()
        found.append((letter, (x, y, z)))
    return tuple(found)


PROTOTYPES: dict[str, Prototype] = {
    # elements
    "fcc": Prototype(225, _sites("A 0 0 0")),
    "bcc": Prototype(229, _sites("A 0 0 0")),
    "hcp": Prototype(194, _sites("A 1/3 2/3 1/4")),
    "diamond": Prototype(227, _sites("A 1/8 1/8 1/8")),
    "lonsdaleite": Prototype(194, _sites("A 1/3 2/3 z")),
    "alpha boron": Prototype(166, _sites("A x -x z", "A x2 -x2 z2")),
    "black phosphorus": Prototype(64, _sites("A 0 y z")),
    "selenium": Prototype(152, _sites("A x 0 1/3")),
    # AB
    "zincblende": Prototype(216, _sites("A 0 0 0", "B 1/4 1/4 1/4")),
    "wurtzite": Prototype(186, _sites("A 1/3 2/3 0", "B 1/3 2/3 u")),
    "rocksalt": Prototype(225, _sites("A 0 0 0", "B 1/2 1/2 1/2")),
    "caesium chloride": Prototype(221, _sites("A 0 0 0", "B 1/2 1/2 1/2")),
    "hexagonal boron nitride": Prototype(194, _sites("A 1/3 2/3 1/4", "B 1/3 2/3 3/4")),
    "gallium sulphide": Prototype(194, _sites("A 1/3 2/3 z", "B 1/3 2/3 z2")),
    "tin sulphide": Prototype(62, _sites("A x 1/4 z", "B x2 1/4 z2")),
    # AB2, A2B
    "fluorite": Prototype(225, _sites("A 0 0 0", "B 1/4 1/4 1/4")),
    "rutile": Prototype(136, _sites("A 0 0 0", "B u u 0")),
    "anatase": Prototype(141, _sites("A 0 1/4 7/8", "B 0 1/4 z")),
    "quartz": Prototype(152, _sites("A u 0 1/3", "B x y z")),
    "cuprite": Prototype(224, _sites("A 0 0 0", "B 1/4 1/4 1/4")),
    "cadmium iodide": Prototype(164, _sites("A 0 0 0", "B 1/3 2/3 z")),
    "cadmium chloride": Prototype(166, _sites("A 0 0 0", "B 0 0 z")),
    "molybdenite": Prototype(194, _sites("A 1/3 2/3 1/4", "B 1/3 2/3 z")),
    "pyrite": Prototype(205, _sites("A 0 0 0", "B u u u")),
    "mercury iodide": Prototype(137, _sites("A 3/4 1/4 1/4", "B 1/4 1/4 z")),
    "xenon fluoride": Prototype(139, _sites("A 0 0 0", "B 0 0 z")),
    "marcasite": Prototype(58, _sites("A 0 0 0", "B x y 0")),
    "baddeleyite": Prototype(14, _sites("A x y z", "B x1 y1 z1", "B x2 y2 z2")),
    # A2B3, AB3, A3B
    "corundum": Prototype(167, _sites("A 0 0 z", "B x 0 1/4")),
    "tetradymite": Prototype(166, _sites("A 0 0 u", "B 0 0 0", "B 0 0 v")),
    "lanthana": Prototype(164, _sites("A 1/3 2/3 z", "B 1/3 2/3 z2", "B 0 0 0")),
    "beta gallia": Prototype(12, _sites("A x1 0 z1", "A x2 0 z2", "B x3 0 z3", "B x4 0 z4", "B x5 0 z5")),
    "lithium nitride": Prototype(191, _sites("A 0 0 1/2", "A 1/3 2/3 0", "B 0 0 0")),
    "bismuth fluoride": Prototype(225, _sites("A 1/4 1/4 1/4", "A 1/2 1/2 1/2", "B 0 0 0")),
    # ternaries and beyond
    "half-Heusler": Prototype(216, _sites("A 0 0 0", "B 1/4 1/4 1/4", "C 1/2 1/2 1/2")),
    "perovskite": Prototype(221, _sites("A 0 0 0", "B 1/2 1/2 1/2", "C 1/2 1/2 0")),
    "tetragonal perovskite": Prototype(99, _sites("A 0 0 0", "B 1/2 1/2 u", "C 1/2 1/2 v", "C 1/2 0 w")),
    "orthorhombic perovskite": Prototype(62, _sites("A x 1/4 z", "B 0 0 1/2", "C x1 1/4 z1", "C x2 y2 z2")),
    "rhombohedral perovskite": Prototype(167, _sites("A 0 0 1/4", "B 0 0 0", "C x 0 1/4")),
    "lithium niobate": Prototype(161, _sites("A 0 0 u", "B 0 0 0", "C x y z")),
    "double perovskite": Prototype(225, _sites("A 1/4 1/4 1/4", "B 0 0 0", "C 1/2 1/2 1/2", "D x 0 0")),
    "potassium chloroplatinate": Prototype(225, _sites("A 1/4 1/4 1/4", "B 0 0 0", "C x 0 0")),
    "spinel": Prototype(227, _sites("A 1/8 1/8 1/8", "B 1/2 1/2 1/2", "C u u u")),
    "chalcopyrite": Prototype(122, _sites("A 0 0 0", "B 0 0 1/2", "C u 1/4 1/8")),
    "delafossite": Prototype(166, _sites("A 0 0 0", "B 0 0 1/2", "C 0 0 z")),
    "stannite": Prototype(121, _sites("A 0 1/2 1/4", "B 0 0 0", "C 0 0 1/2", "D x x z")),
    "sulvanite": Prototype(215, _sites("A 1/2 0 0", "B 0 0 0", "C x x x")),
    "lanthanum copper oxysulphide": Prototype(
        129, _sites("A 1/4 1/4 z", "B 3/4 1/4 1/2", "C 1/4 1/4 z2", "D 3/4 1/4 0")
    ),
    "calcite": Prototype(167, _sites("A 0 0 0", "B 0 0 1/4", "C x 0 1/4")),
    "scheelite": Prototype(88, _sites("A 0 1/4 5/8", "B 0 1/4 1/8", "C x y z")),
}


def _number(expression: str, free: Mapping[str, float]) -> float:
    """A coordinate's value."""
    sign, name = (-1.0, expression[1:]) if expression.startswith("-") else (1.0, expression)
    return sign * (free[name] if name[0].isalpha() else float(Fraction(name)))


def lattice(space_group: int, constants: Mapping[str, float]) -> Lattice:
    """The conventional cell of a space group's crystal system.

    Args:
        space_group: Number in the International Tables.
        constants: ``a``, and ``b``, ``c`` in Å and ``beta`` in degrees where the system leaves them free.
    """
    from pymatgen.core import Lattice

    a = constants["a"]
    if space_group >= 195:
        return Lattice.cubic(a)
    if space_group >= 143:
        return Lattice.hexagonal(a, constants["c"])
    if space_group >= 75:
        return Lattice.tetragonal(a, constants["c"])
    if space_group >= 16:
        return Lattice.orthorhombic(a, constants["b"], constants["c"])
    return Lattice.monoclinic(a, constants["b"], constants["c"], constants["beta"])


def build(prototype: str, species: Sequence[str], constants: Mapping[str, float]) -> Structure:
    """The primitive cell of a crystal.

    Args:
        prototype: Name in :data:`PROTOTYPES`.
        species: Symbols of the elements A, B, C … in that order.
        constants: Lattice constants (Å, degrees) and free coordinates by name.

    Raises:
        KeyError: If there is no such prototype, or a constant or an element is missing.
    """
    return _built(prototype, tuple(species), tuple(sorted(constants.items()))).copy()


@cache
def _built(prototype: str, species: tuple[str, ...], constants: tuple[tuple[str, float], ...]) -> Structure:
    """The primitive cell, built once: expanding a large group takes a second."""
    from pymatgen.core import Structure

    kind, free = PROTOTYPES[prototype], dict(constants)
    elements = dict(zip("ABCD", species, strict=False))
    cell = Structure.from_spacegroup(
        AT_INVERSION.get(kind.space_group, kind.space_group),
        lattice(kind.space_group, free),
        [elements[letter] for letter, _ in kind.sites],
        [[_number(part, free) for part in position] for _, position in kind.sites],
        tol=1e-4,
    )
    return cell.get_primitive_structure()
