"""Every setting of the space groups, said in every way: the atoms of the direct expansion,
or a named refusal, never another crystal.
"""

from __future__ import annotations

from collections import Counter

import gemmi
import numpy as np
import pytest

from hsegap.structures import Crystal, StructureError, read
from hsegap.structures.cif_symbols import settings_of_number
from support.cell_settings import UNITS, Site, cif_of, expected, holds, sites_of, ways_to_say

SETTINGS = list(gemmi.spacegroup_table())
#: Ways that state the setting itself; for these a refusal is as wrong as another crystal.
EXACT = ("symbol with suffix", "Hall symbol", "operations", "operations and symbol")


def shortest(crystal: Crystal) -> float:
    """Shortest distance between two atoms, by a library that reading doesn't use."""
    from ase import Atoms
    from ase.neighborlist import neighbor_list

    atoms = Atoms(crystal.symbols, scaled_positions=crystal.frac_coords, cell=crystal.lattice, pbc=True)
    return float(neighbor_list("d", atoms, 6.0).min(initial=6.0))


def outcomes(ways: tuple[str, ...]) -> tuple[Counter, list[str]]:
    counts: Counter = Counter()
    wrong = []
    for setting in SETTINGS:
        sites = sites_of(setting)
        said = ways_to_say(setting)
        for way in ways:
            atoms = expected(setting, sites)
            try:
                crystal = read(cif_of(setting, sites, said[way]))
            except StructureError as error:
                counts[way, "refused"] += 1
                if way in EXACT:
                    wrong.append(f"{way} of {setting.xhm()}: {error.message}")
                continue
            counts[way, "right"] += 1
            if not holds(crystal, atoms):
                wrong.append(
                    f"{way} of {setting.xhm()} ({setting.number}): "
                    f"{crystal.formula}, {crystal.n_atoms} atoms, {crystal.warnings}"
                )
    return counts, wrong


@pytest.mark.parametrize("way", EXACT)
def test_a_stated_setting_gives_its_atoms(way):
    counts, wrong = outcomes((way,))
    assert not wrong, "\n".join(wrong[:20])
    assert counts[way, "right"] == len(SETTINGS) == 564


@pytest.mark.parametrize("way", ["short symbol", "without blanks", "number and symbol"])
def test_a_symbol_alone_is_right_or_refused(way):
    counts, wrong = outcomes((way,))
    assert not wrong, "\n".join(wrong[:20])
    assert counts[way, "right"] > 490


def test_a_bare_number_means_the_standard_setting():
    answered = 0
    refused: dict[int, str] = {}
    for number in range(1, 231):
        standard = settings_of_number(number)
        sites = sites_of(standard[0])
        text = cif_of(standard[0], sites, f"_symmetry_Int_Tables_number {number}")
        try:
            crystal = read(text)
        except StructureError as error:
            refused[number] = error.message
            continue
        answered += 1
        assert holds(crystal, expected(standard[0], sites)), number
    for number, message in refused.items():
        # Both origins are possible.
        assert len(settings_of_number(number)) > 1, message
        assert all(repr(setting.xhm()) in message for setting in settings_of_number(number)), message
    assert answered > 200


@pytest.mark.parametrize("name", ["P 1 21/c 1", "F d -3 m:2", "R -3 m:H", "I 41/a m d:1", "P 63/m m c", "I b a m"])
def test_the_shortest_distance_is_that_of_the_direct_expansion(name):
    setting = gemmi.find_spacegroup_by_name(name)
    sites = sites_of(setting)
    said = ways_to_say(setting)
    atoms = expected(setting, sites)
    for way in EXACT:
        crystal = read(cif_of(setting, sites, said[way]))
        direct = Crystal(
            lattice=crystal.lattice,
            frac_coords=np.concatenate(list(atoms.values())),
            atomic_numbers=np.array(
                [gemmi.Element(element).atomic_number for element, rows in atoms.items() for _ in rows]
            ),
        )
        assert shortest(crystal) == pytest.approx(shortest(direct), abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_unstated_origin_is_never_answered_with_the_other_one():
    """Random sites in random cells of plausible density: distances may decide, but never for the wrong origin."""
    random = np.random.default_rng(7)
    ambiguous = [setting for setting in SETTINGS if setting.ext in {"1", "2"}]
    wrong, answered, asked = [], 0, 0
    for setting in ambiguous:
        for _ in range(20):
            sites = [
                Site(f"{element}{index}", element, tuple((random.integers(0, 5000, 3) * (UNITS // 5000)).tolist()))
                for index, element in enumerate(["Ti", "O"])
            ]
            special = sites_of(setting)[-1]
            sites.append(Site("Sr9", "Sr", special.position))
            text = cif_of(setting, sites, f"_space_group_name_H-M_alt '{setting.hm}'")
            asked += 1
            try:
                crystal = read(text)
            except StructureError:
                continue
            answered += 1
            if not holds(crystal, expected(setting, sites)):
                wrong.append(f"{setting.xhm()}: {crystal.warnings}")
    assert not wrong, f"{len(wrong)} of {answered} answers to {asked} files: {wrong[:5]}"
