"""Which of the settings that a CIF allows is the crystal.

Contradictions are found here, and decided only by what the file states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hsegap.structures.cif_checks import (
    AGREES,
    DIFFERS,
    SCALED,
    content_of,
    content_verdict,
    in_words,
    multiplicity_verdict,
)
from hsegap.structures.cif_expand import Expanded, expand, same_atoms
from hsegap.structures.cif_operations import MOST_OPERATIONS, Symmetry, identity
from hsegap.structures.cif_symmetry import Reading, fitting, same_type
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.parsed import unreadable
from hsegap.structures.plausible import SHORTEST_BOND, shortest_bond

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from hsegap.structures.cif_checks import Stated
    from hsegap.structures.cif_sites import Sites

#: Sites times operations above which a file is refused.
MOST_IMAGES = 50_000
#: Distance (Å) over which neighbours are looked for.
REACH = 3.5
#: Shortest distance over the sum of covalent radii that no bond has (that of N2 has 0.77).
IMPOSSIBLE_BOND = 0.65
_BOTH_HINT = (
    "Correct the one that is wrong. If the listed sites are the whole cell, name P 1; "
    "if not, list the symmetry operations."
)


class Case(NamedTuple):
    """What a setting is tried on.

    Attributes:
        sites: Of the file.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        stated: Formula and Z.
    """

    sites: Sites
    lattice: np.ndarray
    stated: Stated

    def expanded(self, symmetry: Symmetry) -> Expanded:
        """The atoms in a setting.

        Raises:
            StructureError: ``too_many_atoms``.
        """
        if len(self.sites) * len(symmetry) > MOST_IMAGES:
            message = (
                f"The CIF has {len(self.sites)} sites and {len(symmetry)} symmetry operations, more than can "
                "be expanded."
            )
            raise StructureError("too_many_atoms", message, "Use the primitive cell.")
        return expand(symmetry, self.sites, self.lattice)


def settle(readings: Sequence[Reading], case: Case, notices: list[Notice]) -> Expanded:
    """Expand the sites in the setting that the file means.

    Args:
        readings: What it says about its symmetry, the statement to follow first.
        case: Sites, cell, formula and Z.
        notices: Where to tell what was looked up, decided, or found to be a wrong label.

    Raises:
        StructureError: ``unreadable_structure`` where statements contradict each other or leave several crystals,
            naming them.
    """
    if not readings:
        return _whole_cell(case, notices)
    first = readings[0]
    settings = fitting(first, case.lattice)
    expanded = case.expanded(settings[0]) if len(settings) == 1 else _decided(first, settings, case, notices)
    if first.source != "operations":
        message = "The CIF lists no symmetry operations; they were looked up by its space group"
        notices.append(
            Notice(
                "symmetry_from_name",
                f"{message} ({expanded.symmetry.name})." if first.source != "hall" else f"{message}.",
            )
        )
    _check_rivals(first, readings[1:], expanded, case, notices)
    _check_multiplicities(expanded, case, notices)
    return expanded


def _whole_cell(case: Case, notices: list[Notice]) -> Expanded:
    """Take the sites for the whole cell, if nothing speaks against it.

    Raises:
        StructureError: ``unreadable_structure`` if multiplicities or formula and Z ask for more atoms.
    """
    expanded = case.expanded(identity())
    content = content_of(expanded, case.sites)
    verdict = content_verdict(content, case.stated)
    hint = (
        "Name the space group (_space_group_name_H-M_alt) or list the symmetry operations; "
        "P 1 if the sites are the whole cell."
    )
    if case.sites.multiplicities is not None and any(value > 1 for value in case.sites.multiplicities):
        raise unreadable("The CIF names no symmetry, but its sites have multiplicities above 1.", hint)
    if verdict in {DIFFERS, SCALED}:
        message = (
            f"The CIF names no symmetry, and its sites, {in_words(content)}, are not the "
            f"{case.stated.in_words} that it states."
        )
        raise unreadable(message, hint)
    notices.append(
        Notice("symmetry_missing", "The CIF names no symmetry; the listed atoms were taken for the whole cell.")
    )
    return expanded


def _check_rivals(
    first: Reading, others: Sequence[Reading], expanded: Expanded, case: Case, notices: list[Notice]
) -> None:
    """Compare the statement that was followed with the others.

    Raises:
        StructureError: ``unreadable_structure`` for two statements that give different crystals, unless formula and Z
            decide.
    """
    symmetry = expanded.symmetry
    confirmed = first.missing == 0
    for other in others:
        exact = any(setting.codes == symmetry.codes for setting in other.settings)
        confirmed = confirmed or exact
        # Of two symbols, or two lists, none is the mere label of the other.
        labelled = first.missing == 0 and other.source != first.source
        labelled = labelled and not exact and same_type(symmetry, other, case.lattice)
        if exact or (labelled and not other.exact):
            continue
        alternatives = [case.expanded(setting) for setting in other.settings]
        if any(same_atoms(expanded, alternative, case.sites.symbols, case.lattice) for alternative in alternatives):
            confirmed = True
            notices.append(_followed(first, other, "both give the same atoms"))
        elif labelled:
            notices.append(_followed(first, other, "the settings differ"))
        elif first.missing == 0 and _supported(expanded, alternatives, case):
            notices.append(_followed(first, other, "formula and Z, or the multiplicities, agree with it"))
        else:
            counts = " or ".join(dict.fromkeys(str(len(one.site)) for one in (expanded, *alternatives)))
            message = (
                f"The CIF contradicts itself: {first.said} and {other.said} give different crystals ({counts} "
                "atoms in the cell)."
            )
            raise unreadable(message, _BOTH_HINT)
    if first.missing:
        if not confirmed and first.missing > 1:
            message = (
                f"{first.said[0].upper()}{first.said[1:]} in the CIF is not complete: "
                f"{first.missing} of their products are missing."
            )
            raise unreadable(message, "Complete the list, or leave it out and name the space group.")
        message = f"The CIF's list of symmetry operations lacked {first.missing} of its products; they were added."
        notices.append(Notice("symmetry_contradiction", message))


def _followed(first: Reading, other: Reading, why: str) -> Notice:
    return Notice(
        "symmetry_contradiction", f"The CIF contradicts itself: {first.said} was followed, not {other.said}; {why}."
    )


def _supported(expanded: Expanded, alternatives: Sequence[Expanded], case: Case) -> bool:
    """Whether the file's own count of atoms agrees with one expansion and with none of the others."""

    def agrees(one: Expanded) -> bool:
        verdicts = (content_verdict(content_of(one, case.sites), case.stated), multiplicity_verdict(one, case.sites))
        return AGREES in verdicts and DIFFERS not in verdicts and SCALED not in verdicts

    return agrees(expanded) and not any(agrees(other) for other in alternatives)


def _check_multiplicities(expanded: Expanded, case: Case, notices: list[Notice]) -> None:
    """Compare stated multiplicities with the number of images.

    Raises:
        StructureError: ``unreadable_structure`` for multiplicities that belong to another crystal.
    """
    verdict = multiplicity_verdict(expanded, case.sites)
    if verdict not in {SCALED, DIFFERS} or case.sites.multiplicities is None:
        return
    counts = expanded.multiplicities.tolist()
    row = next(
        row for row, (value, count) in enumerate(zip(case.sites.multiplicities, counts, strict=True)) if value != count
    )
    label, value = case.sites.labels[row][:20], case.sites.multiplicities[row]
    message = (
        f"The CIF states the multiplicity {value:g} for the site {label}, but {expanded.symmetry.name} gives "
        f"it {counts[row]} images"
    )
    agreed = content_verdict(content_of(expanded, case.sites), case.stated) == AGREES
    if verdict == DIFFERS and not agreed:
        raise unreadable(
            f"{message}.", "Check the symmetry, its setting and the coordinates, or leave the multiplicities out."
        )
    notices.append(Notice("multiplicity_mismatch", f"{message}; the symmetry was believed."))


def _decided(reading: Reading, settings: Sequence[Symmetry], case: Case, notices: list[Notice]) -> Expanded:
    """Try several settings against multiplicities, formula, Z and the distances between atoms.

    Raises:
        StructureError: ``unreadable_structure`` if several remain that give different crystals.
    """
    trials = [case.expanded(setting) for setting in settings]
    names = " and ".join(repr(setting.name) for setting in settings)
    verdicts = [
        (content_verdict(content_of(one, case.sites), case.stated), multiplicity_verdict(one, case.sites))
        for one in trials
    ]
    left = [index for index, verdict in enumerate(verdicts) if DIFFERS not in verdict] or list(range(len(trials)))
    left = [index for index in left if AGREES in verdicts[index]] or left
    if len(left) > 1:
        left = _with_bonds(left, trials, case)
    chosen = trials[left[0]]
    if all(same_atoms(chosen, one, case.sites.symbols, case.lattice) for one in trials):
        return chosen
    if not all(same_atoms(chosen, trials[index], case.sites.symbols, case.lattice) for index in left[1:]):
        message = f"The CIF says {reading.said} but not in which setting, and {names} give different crystals."
        raise unreadable(
            message, "Write the setting behind the symbol (':1' or ':2'), or list the symmetry operations."
        )
    message = (
        f"The CIF doesn't state the setting of {reading.said}; of {names}, {chosen.symmetry.name!r} fits its atoms."
    )
    notices.append(Notice("setting_chosen", message))
    return chosen


def _with_bonds(left: list[int], trials: Sequence[Expanded], case: Case) -> list[int]:
    """Of several settings the one with the distances of a crystal, if those of all others are impossible.

    Else all of them.
    """
    bonds = {index: _shortest(trials[index], case) for index in left}
    possible = [index for index in left if bonds[index] >= SHORTEST_BOND]
    impossible = [index for index in left if bonds[index] < IMPOSSIBLE_BOND]
    if len(possible) != 1 or len(impossible) != len(left) - 1:
        return left
    # The other origin takes atoms off their special positions: without more of them, short distances may be another
    # mistake of the file.
    best = trials[possible[0]]
    return (
        possible if not best.moved and all(len(trials[index].site) > len(best.site) for index in impossible) else left
    )


def _shortest(expanded: Expanded, case: Case) -> float:
    """Shortest distance between two atoms over the sum of their covalent radii.

    Infinite where all are farther than 3.5 Å apart.
    """
    if len(expanded.site) > MOST_IMAGES // MOST_OPERATIONS * 20:
        return 0.0
    symbols = [case.sites.symbols[site] for site in expanded.site.tolist()]
    bond = shortest_bond(case.lattice, expanded.frac_coords, symbols, reach=REACH)
    return bond.ratio if bond is not None else float("inf")
