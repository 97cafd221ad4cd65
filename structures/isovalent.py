"""Elements that can stand in for one another: same group of the periodic table, same common valence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Rows of elements that replace each other in one structure type without changing the count of electrons.
_FAMILIES = (
    ("Li", "Na", "K", "Rb", "Cs"),
    ("Cu", "Ag", "Au"),
    ("Be", "Mg", "Ca", "Sr", "Ba"),
    ("Zn", "Cd", "Hg"),
    ("B", "Al", "Ga", "In", "Tl"),
    ("Sc", "Y", "La", "Lu", "Gd", "Ce", "Pr", "Nd", "Sm", "Eu", "Tb", "Dy", "Ho", "Er", "Tm", "Yb"),
    ("C", "Si", "Ge", "Sn", "Pb"),
    ("Ti", "Zr", "Hf"),
    ("V", "Nb", "Ta"),
    ("Cr", "Mo", "W"),
    ("Mn", "Tc", "Re"),
    ("Fe", "Ru", "Os"),
    ("Co", "Rh", "Ir"),
    ("Ni", "Pd", "Pt"),
    ("N", "P", "As", "Sb", "Bi"),
    ("O", "S", "Se", "Te"),
    ("F", "Cl", "Br", "I"),
)


def isovalent(symbol: str, among: Iterable[str] | None = None) -> list[str]:
    """Elements of the same family, the nearest in atomic radius first.

    Args:
        symbol: An element.
        among: Elements to choose from, such as those of a training set; None allows all.

    Returns:
        Symbols without the element itself; empty for an element that belongs to no family (H, noble gases, actinides).
    """
    from pymatgen.core import Element

    allowed = None if among is None else set(among)
    family = next((row for row in _FAMILIES if symbol in row), ())
    others = [other for other in family if other != symbol and (allowed is None or other in allowed)]

    def distance(other: str) -> tuple[float, int]:
        own, others_own = (Element(name).atomic_radius for name in (symbol, other))
        gap = abs(float(own) - float(others_own)) if own and others_own else 9.0
        return gap, abs(Element(symbol).Z - Element(other).Z)

    return sorted(others, key=distance)
