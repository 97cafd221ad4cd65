"""Our reduced formulas are pymatgen's."""

from __future__ import annotations

import random
import warnings
from collections import Counter

import pytest
from pymatgen.core import Composition, Element

from hsegap.structures.formula import _negativities, reduced_formula


def theirs(symbols: list[str]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of elements without an electronegativity
        return str(Composition(Counter(symbols)).reduced_formula)


@pytest.mark.unit
def test_electronegativities_are_pymatgens() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {Element.from_Z(number).symbol: Element.from_Z(number).X for number in range(1, 104)}
    ours = _negativities()
    assert {symbol: ours[symbol] for symbol in expected} == pytest.approx(expected, nan_ok=True)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("atoms", "formula"),
    [
        ("Ga As Ga As", "GaAs"),
        ("Ca Cl O O O Cl O O O", "Ca(ClO3)2"),
        ("Na O", "Na2O2"),
        ("O O O O", "O2"),
        ("H O H O", "H2O2"),
        ("Xe F F He", "XeHeF2"),
    ],
)
def test_known_ones(atoms: str, formula: str) -> None:
    assert theirs(atoms.split()) == reduced_formula(atoms.split())
    if formula != "XeHeF2":  # whatever pymatgen makes of it
        assert reduced_formula(atoms.split()) == formula


@pytest.mark.unit
def test_random_compositions_are_written_alike() -> None:
    dice = random.Random(28)
    symbols = [Element.from_Z(number).symbol for number in range(1, 104)]
    for _ in range(3000):
        chosen = dice.sample(symbols, dice.randint(1, 6))
        common = dice.randint(1, 3)
        atoms = [symbol for symbol in chosen for _ in range(common * dice.choice([1, 1, 2, 3, 4, 6, 8]))]
        dice.shuffle(atoms)
        assert reduced_formula(atoms) == theirs(atoms), Counter(atoms)
