"""What a CIF says about its symmetry, statement by statement.

Listed operations, Hall symbol, Hermann-Mauguin symbol, number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hsegap.structures.cif_operations import LONGEST_OPERATION, Symmetry, fits_cell, of_hall, of_listed
from hsegap.structures.cif_symbols import compact, meaning_of, settings_of_number
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.parsed import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import gemmi
    import numpy as np

    from hsegap.structures.cif_syntax import Block

_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz", "_symmetry_equiv_position_as_xyz")
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_REFERENCE = "_space_group_name_h-m_ref"
_NAMES = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_symmetry_space_group_name_h-m_alt",
    "_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h-m_full",
    _REFERENCE,
)
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_SETTINGS = ("_space_group_it_coordinate_system_code", "_symmetry_space_group_setting")
_MODULATED = (
    *("_space_group_ssg", "_space_group_symop_ssg", "_cell_wave_vector", "_cell_subsystem"),
    *("_atom_site_displace_", "_atom_site_occ_fourier", "_atom_site_occ_special", "_atom_site_fourier_wave_vector"),
)
_MAGNETIC = ("_space_group_magn", "_space_group_symop_magn", "_magnetic_space_group", "_parent_space_group")
#: Names that state a space group in no dictionary's way (`_symmetry_space_group_name_HM`), and those of other things.
_SYMMETRY = re.compile(r"_(?!atom_|geom_|refln|diffrn|exptl|struct)(?:\S*_)?(?:space_?group|symmetry)(?:_\S*)?")
_LESS = re.compile(
    r"setting|code|crystal_system|bravais|centring|laue|patterson|point_|_id$|transform|multiplicity|details|comment"
)
#: Changes from the setting that is named to that of the file.
_TRANSFORMS = ("_space_group_transform_pp_abc", "_space_group_transform_qq_xyz")
_UNCHANGED = re.compile(r"\(?(?:a,b,c|x,y,z)(?:[;|]0,0,0)?\)?")
#: What they may say of a file whose sites are the whole cell.
_TRIVIAL = {"p1", "1", "c1^1", "xyz", ".", "?", ""}
_NAME_HINT = (
    "Name the space group as in the International Tables ('P 1 21/c 1', 'F d -3 m :2'), or list its "
    "symmetry operations."
)


class Reading(NamedTuple):
    """One statement of a file about its symmetry.

    Attributes:
        settings: What it can mean, the usual one first.
        source: ``operations``, ``hall``, ``name`` or ``number``.
        said: The statement in words, for messages.
        exact: Whether it states a setting and not only a type of space group.
        missing: Operations that a listed group lacks.
    """

    settings: tuple[Symmetry, ...]
    source: str
    said: str
    exact: bool
    missing: int = 0


def refuse_other_dimensions(block: Block) -> None:
    """Refuse modulated and magnetic structures, which are other crystals without their modulation or their moments.

    Raises:
        StructureError: ``unsupported_format``.
    """
    names = block.names()
    dimensions = block.first("_cell_modulation_dimension")
    if not any(name.startswith(_MODULATED + _MAGNETIC) for name in names) and dimensions is None:
        return
    if any(name.startswith(_MODULATED) for name in names) or (dimensions is not None and dimensions != "0"):
        message = "The CIF describes a modulated structure: its symmetry operations act in superspace."
        hint = "Send the average structure, or a commensurate supercell, as an ordinary CIF."
        raise StructureError("unsupported_format", message, hint)
    if any(name.startswith(_MAGNETIC) for name in names):
        message = "The CIF describes a magnetic structure (mCIF): its operations act on moments, which are not read."
        raise StructureError("unsupported_format", message, "Send the crystal without its moments as an ordinary CIF.")


def readings_of(block: Block, notices: list[Notice]) -> list[Reading]:
    """All that a block says about its symmetry, the statement to follow first.

    Args:
        block: With sites.
        notices: Where to tell what is odd about a statement.

    Raises:
        StructureError: ``unreadable_structure`` for operations that are none, and for a symbol that nothing else
            explains.
    """
    readings = [*_listed(block, notices), *_hall(block, notices)]
    named, unknown = _named(block)
    readings += named
    for number in _numbers(block):
        settings = _symmetries(_coded(settings_of_number(number), block))
        if unknown and not readings and len(settings) > 1:
            raise _unknown_symbol(unknown)
        if settings:
            readings.append(Reading(settings, "number", f"the space group number {number}", exact=False))
    if unknown and not readings:
        raise _unknown_symbol(unknown)
    if not readings:
        _refuse_unknown_names(block)
    if readings and readings[0].source not in {"operations", "hall"}:
        _refuse_transformed(block)
    if unknown and readings[0].source != "operations":
        message = f"The space group symbol {unknown[:40]!r} is not known; {readings[0].said} was followed."
        notices.append(Notice("symmetry_contradiction", message))
    return readings


def _unknown_symbol(symbol: str) -> StructureError:
    return unreadable(
        f"The space group symbol {symbol[:40]!r} of the CIF is not known, and it lists no operations.", _NAME_HINT
    )


def _refuse_unknown_names(block: Block) -> None:
    """Refuse a file that states its symmetry under a name which no dictionary has, or which says too little.

    Raises:
        StructureError: ``unreadable_structure``, naming the item.
    """
    for name in block.names():
        if not _SYMMETRY.fullmatch(name) or _LESS.search(name):
            continue
        value = next((value for value in block.column(name) or () if compact(value) not in _TRIVIAL), None)
        if value is not None:
            message = f"The CIF states its symmetry as {name[:60]} {value[:40]!r}, which is not understood."
            raise unreadable(message, _NAME_HINT)


def _refuse_transformed(block: Block) -> None:
    """Refuse a symbol or number whose axes or origin the file has changed.

    Raises:
        StructureError: ``unreadable_structure``, naming the change.
    """
    for name in _TRANSFORMS:
        stated = block.first(name)
        if stated is not None and not _UNCHANGED.fullmatch("".join(stated.lower().split())):
            message = f"The CIF changes the axes or the origin of its space group ({name} {stated[:40]!r})."
            raise unreadable(message, "List the symmetry operations in the axes of the coordinates.")


def _listed(block: Block, notices: list[Notice]) -> list[Reading]:
    """The operations that the file lists: one reading, or several for lists that differ."""
    readings: list[Reading] = []
    for name in _OPERATIONS:
        column = block.column(name)
        if column is None or all(value in {".", "?", ""} for value in column):
            continue
        group = of_listed(tuple(value[: LONGEST_OPERATION + 1] for value in column))
        if group.doubled:
            shown = ", ".join(repr(operation[:40]) for operation in group.doubled[:3])
            message = f"The CIF lists symmetry operations twice ({shown}); each was used once."
            notices.append(Notice("symmetry_contradiction", message))
        count = len(group.symmetry) - group.missing
        said = (
            f"the list of {count} symmetry operations"
            if count != 1
            else f"the only symmetry operation listed ({column[0][:40]})"
        )
        if all(group.symmetry.codes != other.settings[0].codes for other in readings):
            readings.append(Reading((group.symmetry,), "operations", said, exact=True, missing=group.missing))
    return readings


def _hall(block: Block, notices: list[Notice]) -> list[Reading]:
    """The Hall symbols that the file states under any name: one reading, or several if they differ."""
    symbols = dict.fromkeys(filter(None, map(block.first, _HALL)))
    return [reading for symbol in symbols for reading in _of_hall_symbol(symbol, block, notices)]


def _of_hall_symbol(symbol: str, block: Block, notices: list[Notice]) -> list[Reading]:
    plain = " ".join(symbol.replace("_", " ").split())
    try:
        setting = of_hall(plain[: LONGEST_OPERATION + 1], f"the Hall symbol {plain!r}", None)
    except RuntimeError:
        meaning = meaning_of(symbol)
        if meaning.settings:
            return [
                Reading(
                    _symmetries(meaning.settings), "name", f"the symbol {symbol[:40]!r}", exact=bool(meaning.suffix)
                )
            ]
        if not block.states(*_NAMES, *_NUMBERS, *_OPERATIONS):
            message = f"The Hall symbol {symbol[:40]!r} of the CIF can't be understood."
            raise unreadable(message, _NAME_HINT) from None
        notices.append(
            Notice("symmetry_contradiction", f"The Hall symbol {symbol[:40]!r} can't be understood and was ignored.")
        )
        return []
    return [Reading((setting,), "hall", f"the Hall symbol {symbol[:40]!r}", exact=True)]


def _named(block: Block) -> tuple[list[Reading], str]:
    """The Hermann-Mauguin symbols, the one to follow first; if none is known, one that isn't."""
    unknown = ""
    readings: dict[tuple[Symmetry, ...], Reading] = {}
    for name in _NAMES:
        symbol = block.first(name)
        if symbol is None:
            continue
        symbol = " ".join(symbol.split())
        meaning = meaning_of(symbol)
        if meaning.settings:
            settings = meaning.settings if meaning.suffix else _coded(meaning.settings, block)
            # The reference setting of a type, like its number, need not be the setting of the coordinates.
            source = "number" if name == _REFERENCE else "name"
            exact = (bool(meaning.suffix) or len(settings) == 1) and source == "name"
            reading = Reading(_symmetries(settings), source, f"the space group {symbol[:40]!r}", exact=exact)
            readings.setdefault(reading.settings, reading)
        unknown = unknown or symbol
    if not readings:
        return [], unknown
    found = list(readings.values())
    # `F d -3 m :2` says more than the `F d -3 m` beside it.
    meant = set(found[0].settings)
    return sorted(found, key=lambda one: not (one.exact and meant.issuperset(one.settings))), ""


def _numbers(block: Block) -> list[int]:
    """The numbers of the space group, which should be one.

    Raises:
        StructureError: ``unreadable_structure`` for a number that there is no group for.
    """
    numbers = []
    for text in dict.fromkeys(filter(None, map(block.first, _NUMBERS))):
        if text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 230:
            numbers.append(int(text))
        elif not block.states(*_NAMES, *_HALL, *_OPERATIONS):
            raise unreadable(
                f"There is no space group with the number {text[:20]!r}.", "Space groups have the numbers 1 to 230."
            )
    return numbers


def _coded(settings: tuple[gemmi.SpaceGroup, ...], block: Block) -> tuple[gemmi.SpaceGroup, ...]:
    """The settings that the file's code of its coordinate system leaves."""
    code = (block.first(*_SETTINGS) or "").strip()
    chosen = tuple(
        setting
        for setting in settings
        if code.lower() in {setting.ext.lower(), setting.qualifier, f"{setting.ext.lower()}{setting.qualifier}"}
        and code
    )
    return chosen or settings


def _symmetries(settings: Iterable[gemmi.SpaceGroup]) -> tuple[Symmetry, ...]:
    return tuple(of_hall(setting.hall, setting.xhm(), setting.number) for setting in settings)


def fitting(reading: Reading, lattice: np.ndarray) -> tuple[Symmetry, ...]:
    """The settings of a reading that the shape of the cell leaves.

    Of monoclinic ones those of the first unique axis that it allows.

    Raises:
        StructureError: ``unreadable_structure`` if it leaves none.
    """
    settings = tuple(setting for setting in reading.settings if fits_cell(setting, lattice))
    if not settings:
        message = f"The cell of the CIF doesn't have the lengths and angles that {reading.said} asks for."
        hint = (
            "Check _cell_length_… and _cell_angle_… and the setting: "
            "unique axis, hexagonal (:H) or rhombohedral (:R) axes."
        )
        raise unreadable(message, hint)
    first = settings[0]
    if first.number is not None and 3 <= first.number <= 15:
        return settings[:1]
    return settings


def same_type(symmetry: Symmetry, reading: Reading, lattice: np.ndarray) -> bool:
    """Whether operations belong to a space group of the type that a reading names."""
    numbers = {setting.number for setting in reading.settings}
    if symmetry.number is not None:
        return symmetry.number in numbers
    import spglib

    found = spglib.get_spacegroup_type_from_symmetry(symmetry.rotations.astype("intc"), symmetry.translations, lattice)
    return found is not None and found.number in numbers
