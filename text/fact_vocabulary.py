"""The words in which people state band gaps: functionals, experiments, quantities, negations.

One pattern finds them all in one pass. Every alternative is bounded, and Latin words may neither start nor end inside
another word.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hsegap.text.fact_values import QUANTITY_PATTERN, Quantity, read_quantity, unit_key

#: Classes of methods. PBE-like are other generalised-gradient functionals, whose gaps stay within about 0.1 eV of PBE's
#: (training jitters a stated gap by as much), and the Materials Project, whose gaps are PBE's. ``unnamed`` is a
#: calculation that does not name its functional.
PBE, PBE_LIKE, HSE, EXPERIMENT, OTHER, UNNAMED = "pbe", "pbe_like", "hse", "experiment", "other", "unnamed"

_XC = r"(?:PBE(?:sol)?|r?GGA|LS?DA|DFT|PW91|SCAN)"
_ANY = r"(?:PBE(?:sol)?|GGA|LDA|DFT|HSE(?:06)?|PW91|experiment\w*|measured)"
_PLACES = r"(?:geometr|structur|lattice|cell|coordinates|position|volume|wave ?function|orbital)[a-z]*"
_KINDS = r"(?:(?:finite|real|direct|indirect|fundamental|electronic|energy)\s){0,2}"
_SOC = r"(?:SOC|spin[- ]orbit(?:\s(?:coupling|interaction))?)"
_ENERGIES = (
    "formation|total|cohesive|cohesion|binding|adsorption|surface|hull|exfoliation|ioni[sz]ation|activation|migration|vacancy|kinetic|cut-?off|exchange"
    "|zero[- ]point|interaction|lattice|free|decomposition|defect|dissociation|Fermi|photon|excitation"
)
_NUMERALS = "(?:half an?|one|two|three|four|five|six|seven|eight|nine|ten|hundred|several|a few)"
#: What makes "metal" and "metallic" speak of chemistry instead of conduction.
_CHEMISTRY = (
    r"(?![\s-]{0,3}(?:[a-z]{0,12}ides?|bond|radi|element|atom|ion|cation|character|halogen|insulator|oxygen|ligand|cent(?:er|re)|site|cluster|layer"
    r"|framework|organic|phase transition))"
)

#: Latin spellings, in the order in which they are tried. The name before a colon is the kind of the token, the one
#: behind it its class.
_LATIN: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Where the atoms are from says nothing about the gap: "PBE-relaxed", "on the experimental lattice", "optimised with
    # PBE", "G0W0@PBE".
    (
        "geometry",
        (
            (
                rf"{_ANY}[ -](?:(?:level|GGA|relaxed|optimi[sz]ed|crystal|equilibrium"
                rf"|ground[- ]state)[ -]){{0,2}}{_PLACES}"
            ),
            rf"{_ANY}[ -](?:relaxed|optimi[sz]ed)",
            (
                r"(?:relaxed|optimi[sz]ed|geometry|structure|lattice constants?)\s(?:with|in|by|at|using|from"
                rf"|of)\s(?:the\s)?{_ANY}"
            ),
            rf"(?:on top of|starting from)\s{_ANY}",
        ),
    ),
    ("condition", (r"Hubbard(?:[ -]U)?", r"U(?:_?eff)?(?=\s{0,3}=)", r"\+\s?U")),
    (
        "method:hse",
        (
            r"HSE(?:_?\d{2}|sol|-\d{2}|\s06)?(?:\+\w{1,8})?(?:\s?@\s?\w{1,8})?",
            r"Heyd[- ]Scuseria[- ]Ern[sz]erhof",
            r"screened[- ]hybrid",
        ),
    ),
    (
        "method:other",
        (
            rf"{_XC}\s?\+\s?(?:U(?:_?eff)?|SOC?)",
            r"(?:PBE|LDA|DFT|GGA)-?(?:1/2|\u00bd|half)",
            r"PBE-?0(?:\(\d{1,3}\))?|PBE0\w{1,8}|PBEh\w{0,8}|PBE1PBE",
            r"meta-?\s?GGA|r-?2?-?SCAN\w{0,6}|(?-i:SCAN)(?:\+\w{1,6})?|TPSS\w{0,4}|M06-?\w{0,4}|HLE\d\d",
            r"(?:TB-?)?mBJ\w{0,6}|modified Becke[- ]Johnson|Tran[- ]Blaha|B3LYP|B3PW91|BLYP",
            r"(?:sc|qs|ev|QP)?G_?0?W_?0?(?:\s?@\s?\w{1,8})?|quasi-?particle|BSE|Hartree[- ]Fock|GLLB(?:-?SC)?|Koopmans",
            (
                r"hybrids?(?![- ](?:perovskite|organic))|range-?separated|dielectric-dependent|DMFT|QMC"
                r"|tight[- ]binding|DFTB\w{0,3}|ACBN0"
            ),
            (
                r"opt(?:B88|B86b?|PBE)(?:-?vdW)?|vdW-?DF\w{0,4}|LS?DA(?:\+\w{1,6})?"
                r"|local[- ](?:spin[- ])?density[- ]approximation"
            ),
            r"OQMD|AFLOW|JARVIS|SNUMAT|machine[- ]learn(?:ing|ed)|neural[- ]networks?|(?-i:ML)|CGCNN|MEGNet|ALIGNN",
        ),
    ),
    (
        "method:pbe",
        (
            r"(?:GGA\s?[-/(]{1,2}\s?)?PBE(?:[-+\s]{0,2}(?:D[234]\w{0,4}(?:\(\w{1,4}\))?|TS|MBD|vdW))?(?:\s?[-/(]\s?GGA)?(?!\s?\+\s?[A-Z])(?!-1/2)",
            r"Perdew[-,\s]{1,3}Burke[-,\s]{1,3}(?:(?:and|&)\s)?Ern[sz]erhof",
        ),
    ),
    (
        "method:pbe_like",
        (
            (
                r"PBE-?sol(?:[-+]D\w{1,4})?|r-?PBE|revPBE|PW-?91|Perdew[- ]Wang(?:[- ]91)?|AM05|Wu[- ]Cohen"
                r"|GGA(?!\s?\+\s?[A-Z])"
            ),
            r"generali[sz]ed[- ]gradient[- ]approximation|Materials\sProject|MP(?=\s(?:band\s?)?gap)",
        ),
    ),
    (
        "method:experiment",
        (
            r"experiment\w{0,8}|exptl?\.?|exp\.?|measure[ds]?|measuring|measurements?|optical(?:ly)?|UV-?\s?vis(?:ible)?|photoluminescence|Tauc|ellipsometr\w{1,3}",
            r"ARPES|photoemission|observed|(?:true|real|actual)(?=\s(?:band|gap|value|one))|absorption(?=\s(?:edge|onset|gap))|reflectance",
        ),
    ),
    (
        "method:unnamed",
        (
            r"DFT|density[- ]functional(?:[- ]theory)?|first[- ]principles|ab[- ]initio|calculat\w{1,6}|computed",
            r"computation\w{0,4}|semi-?local|theor\w{1,8}|Kohn[- ]Sham|simulat\w{1,6}|predict(?:ed|ion)",
        ),
    ),
    # What an energy can be beside a band gap.
    (
        "foreign",
        (
            (
                r"(?:van der Waals|vdW|inter-?layer|pseudo|superconducting|miscibility|air|phonon|photonic|knowledge"
                r"|research|layer)[- ]?gaps?"
            ),
            rf"(?:{_ENERGIES})[\s_-]{{1,2}}energ(?:y|ies)",
            r"(?:energy|e)_?\s?above_?\s?(?:the\s)?(?:convex\s)?_?hull|hull|cut-?offs?|ENCUT|E_?cut|work\s?functions?|electron\saffinity",
            r"Fermi\s(?:level|energy)|ioni[sz]ation\spotential|band\s?widths?",
            r"(?:spin[- ]orbit|crystal[- ]field|exchange|exciton(?:ic)?|spin)[\s-]{1,2}(?:splitting|binding)s?",
            r"splittings?|(?:valence|conduction)[\s-]band(?:\s(?:maximum|minimum|edge|width|offset))?s?|VBM|CBM|smearing|excitons?|emission|phonons?",
        ),
    ),
    (
        "difference",
        (
            r"differ(?:ences?|s|ed|ing)?|discrepanc(?:y|ies)|shift(?:s|ed|ing)?|scissors?|corrections?|errors?|deviat(?:es?|ions?|ing)|MAE|RMSE",
            r"(?:under|over)-?estimat\w{1,4}|increas\w{1,4}|decreas\w{1,4}|reduc(?:es?|ed|ing|tions?)|renormali[sz]\w{1,6}|narrow(?:s|ed|ing)|widen\w{0,3}",
            r"tolerance|within(?=\s(?:about\s)?\d)|uncertaint(?:y|ies)|accuracy",
        ),
    ),
    (
        "zero",
        (
            rf"(?:no|without(?:\s(?:an?|any))?|zero|vanishing|closed)[\s-]{_KINDS}(?:band[\s-]?)?gap",
            r"gapless|(?:band\s?)?gap\s(?:closes|vanishes|is\s(?:closed|zero|null|nil))",
            rf"(?:semi-?)?metallic(?:ity)?{_CHEMISTRY}|(?:an?|as|be|is)\s{{1,3}}(?:semi-?)?metal{_CHEMISTRY}",
        ),
    ),
    ("nonmetal", (r"non-?metal(?:lic)?",)),
    (
        "spin",
        (
            r"half-?\s?metal(?:lic(?:ity)?)?",
            r"spin[- ](?:up|down|polari[sz]ed\sgap|channel|gap)",
            r"(?:majority|minority)(?:[- ]spin)?",
        ),
    ),
    ("direct", (r"direct",)),
    ("indirect", (r"indirect|fundamental|smallest|minimum",)),
    (
        "plain",
        (
            rf"(?:without|no|neglecting|excluding|omitting|w/o|zero|ambient|(?<![\d.])0\sGPa)\s(?:the\s)?(?:{_SOC}|strain|pressure)",
        ),
    ),
    (
        "condition",
        (rf"strain(?:ed)?|pressures?|kbar|GPa|doped|doping|{_SOC}|defective|slab|nano[a-z]{{1,12}}|quantum\sdots?",),
    ),
    (
        "compare",
        (r"unlike|compared?\s(?:to|with)|in\scontrast\s(?:to|with)|similar\sto|than\sthat\sof|whereas\sthat\sof",),
    ),
    (
        "gap",
        (
            r"band[\s_-]{0,3}gaps?|energy[\s_-]{0,2}gaps?|gaps?|(?-i:E)(?:_\s{0,16})?g(?:ap)?|absorption\s(?:edge|onset)|optical\sonset",
            r"(?<=absorption\s)(?:edge|onset)",
        ),
    ),
    (
        "words",
        (rf"{_NUMERALS}\s(?:and a half\s)?(?:m?eV|electron\s?volts?)",),
    ),
    ("unknown", (r"unknown|n/a|none|null|unavailable|undetermined|tbd|nan",)),
    ("known", (r"known|available|reported|published|given|found|determined|stated|listed|provided|data|value",)),
    ("hypothesis", (r"if|suppos(?:e|ing)|assum(?:e|ed|ing)|hypothetical(?:ly)?|would|should|might|may|could",)),
    ("negation", (r"not|no|never|neither|nor|cannot|without|hardly|[a-z]{2,6}n['\u2019]t",)),
    ("separator", (r"and|but|while|whereas|however",)),
    ("unit", (r"m?eV|electron\s?volts?|hartrees?",)),
)
#: Chinese spellings and signs, which need no blank around them.
_OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("geometry", (r"\u5b9e\u9a8c(?:\u6676\u683c|\u7ed3\u6784)",)),
    ("method:other", (r"\u6742\u5316|\u5c40\u57df\u5bc6\u5ea6|\u51c6\u7c92\u5b50",)),
    ("method:pbe_like", (r"\u5e7f\u4e49\u68af\u5ea6",)),
    ("method:experiment", (r"\u5b9e\u9a8c|\u5b9e\u6d4b|\u6d4b\u5f97|\u6d4b\u91cf|\u5149\u5b66",)),
    ("method:unnamed", (r"\u8ba1\u7b97|\u7406\u8bba|\u7b2c\u4e00\u6027\u539f\u7406|\u5bc6\u5ea6\u6cdb\u51fd",)),
    ("foreign", (r"\u622a\u65ad\u80fd|\u5f62\u6210\u80fd|\u529f\u51fd\u6570|\u7ed3\u5408\u80fd",)),
    ("difference", (r"\u4f4e\u4f30|\u9ad8\u4f30|\u8bef\u5dee|\u5dee\u503c|\u76f8\u5dee",)),
    ("nonmetal", (r"\u975e\u91d1\u5c5e",)),
    ("spin", (r"\u534a\u91d1\u5c5e\u6027|\u81ea\u65cb\u5411",)),
    (
        "zero",
        (
            r"[:=|]\s{0,3}(?:semi-?)?metal(?=\s{0,3}(?:[.,;)|]|\Z))",
            r"\u91d1\u5c5e\u6027|[\u4e3a\u662f\u5448]\s?\u534a?\u91d1\u5c5e(?!\u5143\u7d20|\u539f\u5b50)|\u65e0\u5e26\u9699|\u96f6\u5e26\u9699|\u6ca1\u6709\u5e26\u9699",
        ),
    ),
    ("direct", (r"\u76f4\u63a5",)),
    ("indirect", (r"\u95f4\u63a5",)),
    ("plain", (r"(?:\u4e0d\u8003\u8651|\u65e0)\u81ea\u65cb\u8f68\u9053",)),
    ("condition", (r"\u5e94\u53d8|\u538b\u529b|\u63ba\u6742|\u81ea\u65cb\u8f68\u9053",)),
    ("compare", (r"\u76f8\u6bd4",)),
    ("gap", (r"\u5e26\u9699|\u5e36\u9699|\u80fd\u9699|\u7981\u5e26(?:\u5bbd\u5ea6)?|\u80fd\u5e26\u95f4\u9699",)),
    ("unknown", (r"\u672a\u77e5|\u4e0d\u8be6",)),
    ("known", (r"\u5df2\u77e5",)),
    ("hypothesis", (r"\u5982\u679c|\u5047\u8bbe|\u5047\u5982|[\uff1f?]",)),
    ("negation", (r"\u4e0d|\u975e|\u6ca1\u6709|\u672a|\u65e0",)),
    ("separator", (r"[,;()\[\]|\u3001/]|\u800c|\u4e0e|\u548c|\u4f46",)),
)


def _groups(table: tuple[tuple[str, tuple[str, ...]], ...], prefix: str) -> str:
    return "|".join(f"(?P<{prefix}{index}>{'|'.join(spellings)})" for index, (_, spellings) in enumerate(table))


_KIND_OF = {
    f"{prefix}{index}": name
    for prefix, table in (("l", _LATIN), ("o", _OTHERS))
    for index, (name, _) in enumerate(table)
}
_OTHERS_GROUPS = f"(?:{_groups(_OTHERS, 'o')})"
_MASTER = re.compile(
    # The looks ahead spare most positions the long lists.
    rf"(?P<q>(?=[\d.+b-]){QUANTITY_PATTERN})|(?=[A-Za-z+])(?<![A-Za-z0-9])(?:{_groups(_LATIN, 'l')})(?![A-Za-z0-9])"
    rf"|(?![A-Za-z0-9\s]){_OTHERS_GROUPS}",
    re.IGNORECASE,
)
#: A sentence without any of these states no gap. "metal" in an oxide's name passes here and is sorted out by the
#: pattern above.
_TRIGGER = re.compile(
    r"gap|E(?:_\s{0,16})?g(?![a-z])|metal|PBE|GGA|PW-?91|AM05|HSE|LDA|SCAN|mBJ|GW|hybrid|absorption|onset|Materials\sProject|Perdew|gradient|experiment|exp\b"
    r"|measured|observed|B3LYP|[\u5e26\u5e36\u80fd]\u9699|\u7981\u5e26|\u91d1\u5c5e|\u95f4\u9699|\u5b9e\u9a8c|\u5e7f\u4e49|\d\s{0,20}-?m?eV",
    re.IGNORECASE,
)


class Token(NamedTuple):
    """A word or number that bears on a stated gap.

    Attributes:
        kind: ``method``, ``value``, ``gap``, … as in the tables above.
        label: Class of a method; empty for other kinds.
        start: Its place in the folded sentence.
        end: The place behind it.
        text: As spelt.
        quantity: What a ``value`` says.
    """

    kind: str
    label: str
    start: int
    end: int
    text: str
    quantity: Quantity | None = None


def may_state_a_gap(text: str) -> bool:
    """Whether a text is worth reading closely; most descriptions are not."""
    return _TRIGGER.search(text) is not None


def tokens(sentence: str) -> list[Token]:
    """The tokens of a folded sentence, in order; linear in its length."""
    found = []
    for match in _MASTER.finditer(sentence):
        group = str(match.lastgroup)
        if group == "q":
            found.append(Token("value", "", match.start(), match.end(), match[0], read_quantity(match[0])))
            continue
        kind, _, label = _KIND_OF[group].partition(":")
        if kind == "unit":
            label = unit_key(match[0]) or ""
        found.append(Token(kind, label, match.start(), match.end(), match[0]))
    return found
