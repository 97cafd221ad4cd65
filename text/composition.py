"""Which elements a description speaks of, to be held against the crystal it is said to describe.

Read are the places where a description names its own matter: the formula at its start, site labels (``Ca(1)2+``), ions
(``O2-``), polyhedra (``TiO6``) and elements in words. Not read are structure types ("is Uranium Silicide structured",
"CsCl-type"), which name the prototype's elements, space groups, and short words that happen to be symbols ("In", "As",
"I"). What is in doubt is passed over: a warning that comes too often is not read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_TABLE = (
    "H:hydrogen He:helium Li:lithium Be:beryllium B:boron C:carbon N:nitrogen O:oxygen F:fluorine Ne:neon Na:sodium "
    "Mg:magnesium Al:aluminum Si:silicon P:phosphorus S:sulfur Cl:chlorine Ar:argon K:potassium Ca:calcium "
    "Sc:scandium Ti:titanium V:vanadium Cr:chromium Mn:manganese Fe:iron Co:cobalt Ni:nickel Cu:copper Zn:zinc "
    "Ga:gallium Ge:germanium As:arsenic Se:selenium Br:bromine Kr:krypton Rb:rubidium Sr:strontium Y:yttrium "
    "Zr:zirconium Nb:niobium Mo:molybdenum Tc:technetium Ru:ruthenium Rh:rhodium Pd:palladium Ag:silver Cd:cadmium "
    "In:indium Sn:tin Sb:antimony Te:tellurium I:iodine Xe:xenon Cs:cesium Ba:barium La:lanthanum Ce:cerium "
    "Pr:praseodymium Nd:neodymium Pm:promethium Sm:samarium Eu:europium Gd:gadolinium Tb:terbium Dy:dysprosium "
    "Ho:holmium Er:erbium Tm:thulium Yb:ytterbium Lu:lutetium Hf:hafnium Ta:tantalum W:tungsten Re:rhenium Os:osmium "
    "Ir:iridium Pt:platinum Au:gold Hg:mercury Tl:thallium Pb:lead Bi:bismuth Po:polonium At:astatine Rn:radon "
    "Fr:francium Ra:radium Ac:actinium Th:thorium Pa:protactinium U:uranium Np:neptunium Pu:plutonium Am:americium "
    "Cm:curium Bk:berkelium Cf:californium Es:einsteinium Fm:fermium Md:mendelevium No:nobelium Lr:lawrencium"
)
#: Symbols of the elements from H to Lr, in order, with their English names.
ELEMENTS = dict(pair.split(":") for pair in _TABLE.split())
#: Words that name an element beside its English name. "lead" is left out: as a verb it is far more frequent.
_OTHER_NAMES = {
    "aluminium": "Al",
    "sulphur": "S",
    "caesium": "Cs",
    "oxide": "O",
    "fluoride": "F",
    "chloride": "Cl",
    "bromide": "Br",
    "iodide": "I",
    "sulfide": "S",
    "sulphide": "S",
    "selenide": "Se",
    "telluride": "Te",
    "nitride": "N",
    "phosphide": "P",
    "arsenide": "As",
    "antimonide": "Sb",
    "carbide": "C",
    "hydride": "H",
}
_NAMES = {name: symbol for symbol, name in ELEMENTS.items() if name != "lead"} | _OTHER_NAMES

_SYMBOL = "(?:" + "|".join(sorted(ELEMENTS, key=lambda symbol: (-len(symbol), symbol))) + ")"
_COUNT = r"\d*\.?\d*"
_PART = re.compile(rf"({_SYMBOL})({_COUNT})|(\()|\)({_COUNT})")
_FORMULA = re.compile(rf"(?:{_SYMBOL}{_COUNT}|[()]\d*)+")
#: How a description starts that names its crystal: "MgO is Halite, Rock Salt structured and crystallizes in …".
_START = re.compile(r"\s*([A-Z][A-Za-z0-9.()]*)\s+(is|has|adopts|crystalli[sz]es)\b")
#: Names of functionals that are spelt like formulas.
_METHODS = {"PW91", "B3PW91"}
#: One-symbol formulas that are English words as well; "As crystallizes in" is no English, "As is" may be.
_WORDS = {"I", "In", "As", "At", "Be", "He", "No", "Am"}
#: Names of structure types and of space groups, with the elements that stand in them. Bounded, so that no text takes
#: long.
_TYPES = (
    re.compile(r"\bis\s(?:[^.;]|\.(?=\S)){0,120}?\bstructured\b"),
    re.compile(r"(?<!\S)\S{1,80}[- ](?:like|type|derived|structured|structure|prototype)\b", re.IGNORECASE),
    re.compile(r"(?<!\S)\S{1,20}\s{1,3}space[- ]group\b", re.IGNORECASE),
    re.compile(r"\bspace[- ]group\s+(?:symbol\s+|number\s+|is\s+)?\S+", re.IGNORECASE),
)
_LABEL = re.compile(rf"\b({_SYMBOL})\(\d+\)")
_ION = re.compile(rf"\b({_SYMBOL})\d[+-](?![\w+-])")
_TOKEN = re.compile(r"(?<![\w/-])[A-Z][A-Za-z0-9.()]*[A-Za-z0-9)]")
_WORD = re.compile(r"[A-Za-z]+")


class Mentioned(NamedTuple):
    """What a text says its crystal is made of.

    Attributes:
        formula: The formula it starts with, as written; empty where it starts otherwise.
        counts: Atoms of each element in that formula.
        elements: Symbols of all elements it speaks of.
    """

    formula: str
    counts: dict[str, float]
    elements: frozenset[str]


def parse_formula(text: str) -> dict[str, float] | None:
    """Atoms per element of a formula such as ``Ca(OH)2``; None if it is not one."""
    if not _FORMULA.fullmatch(text):
        return None
    stack: list[dict[str, float]] = [{}]
    for match in _PART.finditer(text):
        symbol, count, opened, after = match.groups()
        if opened:
            stack.append({})
            continue
        try:
            times = float(after or count or 1)
        except ValueError:  # a lone full stop
            return None
        if symbol:
            stack[-1][symbol] = stack[-1].get(symbol, 0.0) + times
        elif len(stack) == 1:
            return None
        else:
            for inner, number in stack.pop().items():
                stack[-1][inner] = stack[-1].get(inner, 0.0) + times * number
    return stack[0] if len(stack) == 1 and stack[0] and min(stack[0].values()) > 0 else None


@lru_cache(maxsize=64)
def mentioned(text: str) -> Mentioned:
    """Read the elements a text speaks of.

    Args:
        text: A description, not normalised.
    """
    formula, counts = "", {}
    start = _START.match(text)
    if start and not (start[1] in _WORDS and start[2] != "crystallizes") and (parsed := parse_formula(start[1])):
        formula, counts = start[1], parsed
    rest = text[start.end(1) :] if formula and start else text
    for pattern in _TYPES:
        rest = pattern.sub(" ", rest)
    found = {*counts, *_LABEL.findall(rest), *_ION.findall(rest)}
    for token in _TOKEN.findall(rest):
        # BCC, UV and SOC are spelt like formulas; without a digit or a small letter nothing tells them apart.
        if (
            token not in _METHODS
            and re.search(r"[a-z0-9]", token)
            and (parsed := parse_formula(token))
            and len(parsed) > 1
        ):
            found.update(parsed)
    # Not TiN, which is no tin.
    found.update(
        _NAMES[word.lower()]
        for word in _WORD.findall(rest)
        if word.lower() in _NAMES and (word.islower() or word.istitle())
    )
    return Mentioned(formula, counts, frozenset(found))


def contradiction(text: str, symbols: list[str]) -> str | None:
    """In which way a text speaks of another crystal; None where it does not.

    Args:
        text: The description.
        symbols: Element of each atom of the crystal.

    Returns:
        The end of a sentence that starts with "The text".
    """
    said = mentioned(text)
    strangers = sorted(said.elements - set(symbols))
    if strangers:
        return f"speaks of {', '.join(strangers)}, which the crystal does not hold"
    if said.counts and not _same_proportions(said.counts, symbols):
        return f"describes {said.formula}, which is not the crystal's composition"
    return None


def _same_proportions(counts: dict[str, float], symbols: list[str]) -> bool:
    total = sum(counts.values())
    return all(
        abs(counts.get(symbol, 0.0) / total - symbols.count(symbol) / len(symbols)) < 5e-3
        for symbol in {*counts, *symbols}
    )
