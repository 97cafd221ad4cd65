"""A crystal becomes robocrystallographer's description of it, the same on every run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hsegap.structures.errors import DescriptionError
from hsegap.structures.parsed import recorded_warnings
from hsegap.structures.robocrys_import import import_robocrys

if TYPE_CHECKING:
    from hsegap.structures.crystal import Crystal

#: Larger cells are reduced by formula before oxidation states are guessed, as robocrys's own command does.
MOST_SITES_FOR_GUESS = 80

_MASK = (1 << 64) - 1
_NUMPY_NUMBER = re.compile(r"np\.\w+\(([-+.\deE]+)\)")


def describe(crystal: Crystal) -> str:
    """Describe a crystal in robocrystallographer's words.

    The text is the one robocrys 0.2.13 gives with default settings, guessed oxidation states and ``PYTHONHASHSEED=0``,
    whatever the seed of this process; the numbers of a layer's direction are printed as plain numbers. No network is
    used, and molecules are not named. The first call imports robocrys, which takes its time.

    Args:
        crystal: The crystal.

    Returns:
        The description, one paragraph.

    Raises:
        DescriptionError: ``describe_unavailable`` if the extra ``describe`` is not installed, ``not_describable`` if
            robocrys finds no words for the crystal.
    """
    try:
        with recorded_warnings():
            import_robocrys()
            from robocrys.describe.describer import StructureDescriber

            from hsegap.structures.condense import condenser
    except ImportError as error:
        message = "Descriptions need robocrystallographer, which is not installed."
        raise DescriptionError(
            "describe_unavailable", message, "Install the extra: pip install 'hsegap[describe]'."
        ) from error
    structure = crystal.to_pymatgen()
    try:
        with recorded_warnings():
            try:
                structure.add_oxidation_state_by_guess(max_sites=-MOST_SITES_FOR_GUESS)
            except ValueError:  # no charge-neutral guess: described without oxidation states
                structure.remove_oxidation_states()
            condensed = condenser().condense(structure)
            text = str(StructureDescriber().describe(_with_fixed_order(condensed)))
    except Exception as error:  # its analysis raises whatever an odd bonding network leads to
        message = f"robocrystallographer finds no description for {crystal.formula} ({type(error).__name__})."
        raise DescriptionError(
            "not_describable", message, "Write a description yourself, or predict without text."
        ) from error
    return plain_numbers(text)


def plain_numbers(text: str) -> str:
    """Write ``np.int64(0)`` as ``0``: robocrys prints the directions of layers and chains with numpy's type names.

    Descriptions generated elsewhere have them too; training and serving pass theirs through here.
    """
    return _NUMPY_NUMBER.sub(r"\1", text)


def seed_zero_hash(text: str) -> int:
    """The hash that CPython 3.11 gives an ASCII string under ``PYTHONHASHSEED=0``: SipHash-1-3 with a key of zeros."""
    data = text.encode("ascii")
    if not data:
        return 0
    v0, v1, v2, v3 = 0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573

    def rotated(value: int, bits: int) -> int:
        return (value << bits | value >> (64 - bits)) & _MASK

    def mixed(a: int, b: int, c: int, d: int) -> tuple[int, int, int, int]:
        a, c = (a + b) & _MASK, (c + d) & _MASK
        b, d = rotated(b, 13) ^ a, rotated(d, 16) ^ c
        a = rotated(a, 32)
        c, a = (c + b) & _MASK, (a + d) & _MASK
        b, d = rotated(b, 17) ^ c, rotated(d, 21) ^ a
        return a, b, rotated(c, 32), d

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[start : start + 8], "little") for start in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3 ^ word)
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    value = v0 ^ v1 ^ v2 ^ v3
    value = value - (1 << 64) if value >> 63 else value
    return -2 if value == -1 else value


class _Word(str):
    """A string whose place in a set doesn't depend on the process.

    robocrys lists kinds of connectivity ("corner, edge, and face") in the order of a set of strings, which Python
    shuffles from run to run. Its sets of numbers need no help.
    """

    __slots__ = ()

    def __hash__(self) -> int:
        return seed_zero_hash(str(self))


class _Direction(tuple):  # noqa: SLOT001  # made a few times per description
    """Direction of a layer or chain that prints as plain numbers, into a string with a fixed place in sets."""

    def __str__(self) -> str:
        # Hashed as robocrys would have hashed it, numpy's names included, to keep the order of its seed 0.
        return _Word("(" + ", ".join(f"np.int64({int(value)})" for value in self) + ")")


def _with_fixed_order(condensed: dict[str, Any]) -> dict[str, Any]:
    """The condensed structure with its two kinds of strings that robocrys puts into sets replaced."""
    for site in condensed["sites"].values():
        site["nnn"] = {_Word(connectivity): sites for connectivity, sites in site["nnn"].items()}
    for component in condensed["components"].values():
        if component["orientation"] is not None:
            component["orientation"] = _Direction(component["orientation"])
    return condensed
