"""The element of a site, from its type symbol or its label."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.symbols import element_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ELEMENT_HINT = "Give each site one element in _atom_site_type_symbol; leave out vacancies and dummies."
#: Scattering factors of valence shells, and oxygen with hydrogen atoms that X-rays didn't find.
_VALENCE = {"cval": "C", "sival": "Si", "siva": "Si"}
_OXYGEN = re.compile(r"(wat|water|o-?w|h2o)(?![a-z])", re.IGNORECASE)
_HYDROGEN = re.compile(r"h-?w(?![a-z])", re.IGNORECASE)
#: Names of sites that are empty, or that hold a group of atoms.
_NO_ATOM = re.compile(r"(va|vac|vc|void|du|dum|dummy)(?![a-z])|(oh|no3|nh4|so4|po4|co3|ch3)(?![a-z])", re.IGNORECASE)
_CHARGE = re.compile(r"([A-Za-z]+)(?:\(?(?:\d*\.?\d*[+-]|[+-]\d*\.?\d*)\)?|[IVX]+|\d*)")
#: A label that is an element's symbol of two letters and a number.
_NAMED_SITE = re.compile(r"([A-Z][a-z])(?:[^A-Za-z].*)?")
_LETTERS = re.compile(r"[A-Za-z]*")


class Named(NamedTuple):
    """Elements of all sites.

    Attributes:
        symbols: One per site, ``D`` and ``T`` kept apart from ``H``.
        water: Labels of sites that stand for oxygen with hydrogen atoms.
    """

    symbols: list[str]
    water: list[str]


def elements_of(
    labels: Sequence[str], types: Sequence[str] | None, *, formula: Mapping[str, float] | None, notices: list[Notice]
) -> Named:
    """Find the element of each site.

    Args:
        labels: Of the sites.
        types: Their type symbols; None if the file has none.
        formula: Atoms of the stated formula by element, which decides between Ho and H for a label ``HO1``.
        notices: Where to tell which elements were read off labels.

    Raises:
        StructureError: ``unknown_element``, naming the site.
    """
    known = element_numbers()
    if types is not None:
        _tell_other_labels(labels, types, formula, notices)
    if types is not None and all(kind in known for kind in types) and "D" not in types and "T" not in types:
        return Named(list(types), [])
    mixed = any(label[1:2].islower() and label[:2] in known for label in labels)
    guessed: dict[str, None] = {}
    symbols: list[str] = []
    water = []
    for index, label in enumerate(labels):
        kind = types[index] if types is not None else "."
        named = kind not in {".", "?", ""}
        symbol, is_water = _from_type(kind, label) if named else _from_label(label, formula, mixed=mixed)
        # `T` is any tetrahedral site of a framework; tritium is told by the formula's hydrogen.
        if symbol == "T" and "H" not in (formula or {}):
            raise _no_element(
                label, kind if named else label, "_atom_site_type_symbol" if named else "_atom_site_label"
            )
        symbols.append(symbol)
        if is_water:
            water.append(label)
        written = _LETTERS.match(kind if named else label)
        if not named and written is not None and written[0] != symbol:
            guessed[f"{label[:20]} as {symbol}"] = None
    if guessed:
        shown = ", ".join(sorted(guessed)[:5])
        notices.append(
            Notice("element_guessed", f"The CIF gives no element symbols; labels were read as elements ({shown}).")
        )
    return Named(symbols, water)


def _tell_other_labels(
    labels: Sequence[str], types: Sequence[str], formula: Mapping[str, float] | None, notices: list[Notice]
) -> None:
    """Tell of a label that names another element than its type symbol, where the formula doesn't bear that one out."""
    known = element_numbers()
    for label, kind in zip(labels, types, strict=True):
        # One letter, or a capital second one, may be any name of a site (B1, CA1); so may Ca of carbon.
        if kind not in known or label[:1] == kind[:1] or (formula is not None and kind in formula):
            continue
        found = _NAMED_SITE.fullmatch(label)
        if found is not None and found[1] in known:
            message = f"The site {label[:20]} of the CIF has the type symbol {kind}, which was followed."
            notices.append(Notice("parser_note", message))
            return


def _from_type(kind: str, label: str) -> tuple[str, bool]:
    """Element of a type symbol such as ``Si``, ``SI``, ``Si4+``, ``Cval`` or ``Wat``.

    And whether it is water's oxygen.
    """
    known = element_numbers()
    if kind in known:
        return kind, False
    if kind.lower() in _VALENCE:
        return _VALENCE[kind.lower()], False
    if _OXYGEN.match(kind):
        return "O", True
    if _HYDROGEN.match(kind):
        return "H", False
    charged = _CHARGE.fullmatch(kind)
    symbol = charged[1].capitalize() if charged else ""
    if symbol in known and not _NO_ATOM.match(kind):
        return symbol, False
    raise _no_element(label, kind, "_atom_site_type_symbol")


def _from_label(label: str, formula: Mapping[str, float] | None, *, mixed: bool) -> tuple[str, bool]:
    """Element that a label begins with, and whether it is water's oxygen.

    Args:
        label: Of the site.
        formula: Atoms of the stated formula.
        mixed: Whether other labels of the file write elements of two letters with a small second one.
    """
    known = element_numbers()
    letters = _LETTERS.match(label)[0]  # type: ignore[index]  # * always matches
    if letters.lower() in _VALENCE:
        return _VALENCE[letters.lower()], False
    if _OXYGEN.match(label):
        return "O", True
    if _HYDROGEN.match(label):
        return "H", False
    one, two = letters[:1].upper(), letters[:2].capitalize()
    if not letters or _NO_ATOM.match(label) or (one not in known and two not in known):
        raise _no_element(label, label, "_atom_site_label")
    if len(letters) == 1 or two not in known:
        if one not in known:
            raise _no_element(label, label, "_atom_site_label")
        return one, False
    if one not in known or letters[1].islower():
        return two, False
    if formula is not None and (one in formula) != (two in formula):
        return (one if one in formula else two), False
    return (one if mixed else two), False


def _no_element(label: str, name: str, tag: str) -> StructureError:
    message = f"The site {label[:20]} of the CIF is called {name[:20]!r} ({tag}), which is no chemical element."
    return StructureError("unknown_element", message, _ELEMENT_HINT)
