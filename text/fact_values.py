"""Energies as people write them.

``1.17 eV``, ``610 meV``, ``0,6 eV``, ``1.1–1.2 eV``, ``1.17(2) eV``, ``1.2 ± 0.1 eV``, ``0.043 Ha``.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

#: Electronvolts of each unit (CODATA 2022). None: an energy all the same, but not a unit gaps are stated in; it is not
#: converted.
_UNITS: dict[str, float | None] = {
    "ev": 1.0,
    "mev": 1e-3,
    "Mev": 1e6,
    "kev": 1e3,
    "ha": 27.211386245981,
    "ry": 13.605693122990,
    "au": None,
    "other": None,
}
_EV = r"(?:e[- ]?V|electron[- ]?volts?|\u7535\u5b50\u4f0f\u7279?|\u96fb\u5b50\u4f0f\u7279?)"
#: What an energy may be given per; such an energy is no gap.
_PER = (
    r"\s?(?:/|per)\s?(?:atom|f\.?u|cell|formula|ion|mol|site|unit|bohr|ang|\u00c5|A(?![A-Za-z])|K(?![A-Za-z])|nm|GPa)"
)
_UNIT = (
    rf"(?:(?:k|m|milli[- ]?|\u6beb)?{_EV}(?![A-Za-z0-9])(?!{_PER})"
    r"|(?:(?-i:Ha)|hartrees?|(?-i:Ry)|rydbergs?|(?-i:a\.u\.|au)|k(?:J|cal)\s?(?:/|per)\s?mol|kJ\s?mol|cm\s?\^?\s?-1)(?![A-Za-z0-9]))"
)
_NUMBER = (
    r"[+-]?(?:\d{1,3}(?:[ ,']\d{3}){1,2}(?=\s{0,3}meV)|\d+(?:[.,]\d+)?|\.\d+)"
    r"(?:\(\d{1,3}\))?(?:e[+-]?\d{1,2}(?![\d.])|\s?[x\u00b7]\s?10\s?\^?\s?[+-]?\s?\d{1,2}(?!\d))?"
)
_GAP = r"[\s~]{0,20}-?\s{0,4}"
#: Spreads before ranges: "+-" would be read as a dash.
_SPREAD = r"\s{0,4}(?:\u00b1|\+\s?/?\s?-)\s{0,4}"
_TO = r"\s{0,4}(?:-{1,3}|~|to|through|\u81f3|\u5230)\s{0,4}"
_START = r"(?<![A-Za-z0-9_.])"
#: One quantity, without capturing groups.
QUANTITY_PATTERN = (
    rf"{_START}(?:between\s{{1,4}}{_NUMBER}(?:{_GAP}{_UNIT})?\s{{1,4}}and\s{{1,4}}{_NUMBER}(?:{_GAP}{_UNIT})?"
    rf"|{_NUMBER}(?:(?:{_GAP}{_UNIT})?{_SPREAD}{_NUMBER}(?:{_GAP}{_UNIT})?"
    rf"|{_GAP}{_UNIT}{_TO}{_NUMBER}{_GAP}{_UNIT}|{_TO}{_NUMBER}(?:{_GAP}{_UNIT})?|{_GAP}{_UNIT})?)"
)
_DETAIL = re.compile(
    rf"(?:between\s+)?(?P<first>{_NUMBER})(?:{_GAP}(?P<unit>{_UNIT}))?(?:(?P<link>{_SPREAD}|{_TO}|\s+and\s+)(?P<second>{_NUMBER})(?:{_GAP}(?P<unit2>{_UNIT}))?)?",
    re.IGNORECASE,
)
_PARTS = re.compile(
    (
        r"(?P<sign>[+-]?)(?P<digits>[\d., ']+)(?:\((?P<last>\d+)\))?(?:e(?P<e>[+-]?\d+)"
        r"|\s?[x\u00b7]\s?10\s?\^?\s?(?P<ten>[+-]?\s?\d+))?\Z"
    ),
    re.IGNORECASE,
)
#: Longer ones are no measured number.
_MAX_DIGITS = 40


class Quantity(NamedTuple):
    """A number or a range as read.

    Attributes:
        low: Lower end, or the number itself, in the unit written.
        high: Upper end; the same for a plain number.
        spread: What stands behind ±, or the uncertainty of the last digits in brackets; 0 where neither stands.
        unit: Key of a unit; None where none is written.
    """

    low: float
    high: float
    spread: float
    unit: str | None

    def in_ev(self, unit: str | None = None) -> Quantity | None:
        """The same in electronvolts.

        None if the unit (or ``unit``, where none is written) is not one that gaps are stated in.
        """
        factor = _UNITS.get(self.unit or unit or "")
        if factor is None:
            return None
        return Quantity(self.low * factor, self.high * factor, self.spread * factor, "ev")


def read_quantity(text: str) -> Quantity | None:
    """Read what :data:`QUANTITY_PATTERN` matched; None where the digits make no number."""
    match = _DETAIL.match(text)
    if match is None or len(text) > 200:
        return None
    first, spread = _number(match["first"], match["unit"] or match["unit2"])
    unit = unit_key(match["unit2"] or match["unit"])
    if match["second"] is None:
        return Quantity(first, first, spread, unit) if math.isfinite(first) else None
    second, _ = _number(match["second"], match["unit2"] or match["unit"])
    if not (math.isfinite(first) and math.isfinite(second)):
        return None
    if "\u00b1" in match["link"] or "+" in match["link"]:
        return Quantity(first, first, abs(second), unit)
    if match["unit"] and match["unit2"] and unit_key(match["unit"]) != unit_key(match["unit2"]):
        return Quantity(first, math.inf, 0.0, unit)
    return Quantity(min(first, second), max(first, second), spread, unit)


def unit_key(text: str | None) -> str | None:
    """Key of a unit as written; None for none."""
    if not text:
        return None
    plain = re.sub(r"[\s-]", "", text)
    if plain.startswith("M") and plain[1:].lower() == "ev":
        return "Mev"
    plain = plain.lower()
    prefix = "k" if plain.startswith("kev") else "m" if plain.startswith(("m", "\u6beb")) else ""
    if "ev" in plain or "electronvolt" in plain or "\u4f0f" in plain:
        return f"{prefix}ev"
    if plain.startswith("ha"):
        return "ha"
    if plain.startswith("ry"):
        return "ry"
    return "other"


def _number(text: str, unit: str | None) -> tuple[float, float]:
    """Value and uncertainty of the last digits; infinite where it is no number."""
    match = _PARTS.match(text)
    if match is None or len(text) > _MAX_DIGITS:
        return math.inf, 0.0
    digits = match["digits"]
    if unit_key(unit) == "mev" and re.fullmatch(r"\d{1,3}(?:[ ,']\d{3})+", digits):
        digits = re.sub(r"[ ,']", "", digits)  # 1,170 meV: a thousand; nobody states a gap to a thousandth of an meV
    digits = digits.replace(",", ".")
    try:
        value = float(digits)
    except ValueError:
        return math.inf, 0.0
    exponent = int((match["e"] or match["ten"] or "0").replace(" ", ""))
    decimals = len(digits.partition(".")[2])
    spread = int(match["last"]) * 10.0 ** (exponent - decimals) if match["last"] else 0.0
    return (-value if match["sign"] == "-" else value) * 10.0**exponent, spread
