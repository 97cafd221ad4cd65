"""Space-group symbols in the spellings of a century, and the settings of gemmi's table that they can mean."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import gemmi

#: Longest symbol looked at.
LONGEST_SYMBOL = 80
#: Written behind a symbol, with a colon, a blank or nothing between: the origin choice or the axes of a rhombohedral
#: group. S and Z (``Zentrum``) are those of the ICSD, HR and RS the hexagonal and the rhombohedral axes of older files.
_SUFFIXES = {
    **dict.fromkeys(("1", "s", "o1"), "1"),
    **dict.fromkeys(("2", "z", "o2"), "2"),
    **dict.fromkeys(("h", "hr", "hs", "hex"), "H"),
    **dict.fromkeys(("r", "rs", "rr", "rh"), "R"),
}
_PHRASES = (
    (re.compile(r"\borigin(?:\s+choice)?\s*(?:no\.?\s*)?([12])\b"), ""),
    (
        re.compile(
            r"\borigin\s*(?:@|at)\s*(?:the\s+)?(?:cent(?:re|er)|inversion|-1|2/m|-3m?|m-?3m?|mmm|4/mm?m?)[^\s})\]]*"
        ),
        "2",
    ),
    (re.compile(r"\borigin\s*(?:@|at)\s*(?:222|23|432|-4\s?3\s?m|-4\s?2\s?m|-4\s?m\s?2|-4|422|mm2)(?![^\s})\]])"), "1"),
    (re.compile(r"\bhexagonal\s+(?:axes|setting|cell)\b"), "H"),
    (re.compile(r"\brhombohedral\s+(?:axes|setting|cell)\b"), "R"),
)
_JOINED = re.compile(r"(.+?)(hex|hr|hs|rs|rr|rh|o1|o2|h|r|s|z|1|2)")


class Meaning(NamedTuple):
    """What a symbol can mean.

    Attributes:
        settings: Of gemmi's table, the usual one first; empty for a symbol that is not understood.
        suffix: Origin choice, axes or other code of the setting that stood behind the symbol; empty if none did.
    """

    settings: tuple[gemmi.SpaceGroup, ...]
    suffix: str


@lru_cache(maxsize=512)
def meaning_of(symbol: str) -> Meaning:
    """Look up a Hermann-Mauguin symbol.

    Short, full, pre-1983 and e-glide symbols of all settings are understood, with or without blanks, underscores or
    brackets around screw axes, in any case; origin and axes behind it in any of their spellings.

    Args:
        symbol: As a file writes it.
    """
    if len(symbol) > LONGEST_SYMBOL:
        return Meaning((), "")
    base, suffix = _apart(symbol)
    key = compact(base)
    for known in (_short_index, _long_index):
        index = known()
        if key in index:
            return Meaning(_with_suffix(index[key], suffix), suffix)
        joined = _JOINED.fullmatch(key)
        if joined and not suffix and joined[1] in index:
            settings = _with_suffix(index[joined[1]], _SUFFIXES[joined[2]])
            if settings and settings[0].ext != "\0":
                return Meaning(settings, _SUFFIXES[joined[2]])
    if key.isdigit():
        return Meaning(settings_of_number(int(key)), "")
    if symbol.lstrip()[:1] == "-" or '"' in symbol:
        return Meaning(tuple(setting for setting in table() if compact(setting.hall) == key), "")
    return Meaning((), suffix)


def _apart(symbol: str) -> tuple[str, str]:
    """A symbol and the code of its setting, which may be empty."""
    lower = symbol.lower().strip()
    for pattern, code in _PHRASES:
        found = pattern.search(lower)
        if found:
            return re.sub(r"[\s,;:({\[]+$", "", lower[: found.start()]), code or found[1]
    base, _, code = lower.partition(":")
    code = "".join(code.split())
    return base, _SUFFIXES.get(code, code)


def compact(symbol: str) -> str:
    """A symbol without blanks, underscores, brackets and the like, in lower case, bars as minus signs."""
    lower = symbol.lower().replace("\\bar", "-").replace("\\overline", "-").replace("~", "-")
    return re.sub(r"[\s_(){}\[\]$'\\,]", "", lower)


def _with_suffix(settings: tuple[gemmi.SpaceGroup, ...], suffix: str) -> tuple[gemmi.SpaceGroup, ...]:
    """The settings that a code names."""
    if not suffix:
        return settings
    exact = tuple(
        setting for setting in settings if suffix in {setting.ext, setting.qualifier, setting.ext + setting.qualifier}
    )
    if not exact and suffix == "1" and all(setting.ext == "\0" for setting in settings):
        return settings  # the only origin that there is
    return exact


@lru_cache(maxsize=1)
def table() -> tuple[gemmi.SpaceGroup, ...]:
    """All settings that gemmi knows."""
    import gemmi

    return tuple(gemmi.spacegroup_table())


@lru_cache(maxsize=256)
def settings_of_number(number: int) -> tuple[gemmi.SpaceGroup, ...]:
    """The settings that a bare number can mean.

    The standard ones, monoclinic with either unique axis, with each origin and axes.
    """
    settings = [setting for setting in table() if setting.number == number]
    if 3 <= number <= 15:
        return _by_axis(setting for setting in settings if setting.qualifier in {"b", "b1", "c", "c1"})
    return tuple(setting for setting in settings if not setting.qualifier and _is_standard(setting, settings[0]))


def _is_standard(setting: gemmi.SpaceGroup, first: gemmi.SpaceGroup) -> bool:
    return setting.hm == first.hm


def _by_axis(settings: Iterable[gemmi.SpaceGroup]) -> tuple[gemmi.SpaceGroup, ...]:
    """Monoclinic settings by unique axis, in the order in which a short symbol is to be understood."""
    return tuple(sorted(settings, key=lambda setting: "bca\0".find(setting.monoclinic_unique_axis()) % 4))


@lru_cache(maxsize=1)
def _short_index() -> dict[str, tuple[gemmi.SpaceGroup, ...]]:
    """Settings by the symbols that gemmi has, their short forms, and those of cubic groups from before 1983."""
    index: dict[str, list[gemmi.SpaceGroup]] = {}
    for setting in table():
        parts = setting.hm.split()
        keys = {compact(setting.hm)}
        if 3 <= setting.number <= 15:
            keys.add(compact("".join(part for part in parts if part != "1")))
        if setting.number >= 195 and parts[2] == "-3":
            keys.add(compact("".join([*parts[:2], "3", *parts[3:]])))
        if setting.ext == "H":
            keys.add(compact(setting.short_name()))
        for key in keys:
            known = index.setdefault(key, [])
            # Behind the settings of the International Tables gemmi has others, whose short forms belong to those: C 2
            # is never C 1 1 2.
            if not known or known[0].number == setting.number:
                known.append(setting)
    return {key: _by_axis(settings) for key, settings in index.items()}


@lru_cache(maxsize=1)
def _long_index() -> dict[str, tuple[gemmi.SpaceGroup, ...]]:
    """Settings by full symbols and those with e for a double glide plane, as spglib has them."""
    import gemmi
    import spglib

    index: dict[str, list[gemmi.SpaceGroup]] = {}
    for hall_number in range(1, 531):
        entry = spglib.get_spacegroup_type(hall_number)
        if entry is None:
            continue
        setting = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(entry.hall_symbol))
        full = compact(entry.international_full)
        keys = {full, compact(entry.international), compact(entry.international_short)}
        if entry.number >= 195:
            keys.add(full.replace("-3", "3", 1))
        for key in keys:
            if setting not in index.setdefault(key, []):
                index[key].append(setting)
    return {key: _by_axis(settings) for key, settings in index.items()}
