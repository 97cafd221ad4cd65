"""Identifiers of structure databases, given where a file is meant.

No network is asked, but everybody is told the way to the file.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hsegap.errors import Problem


class _Database(NamedTuple):
    title: str
    pattern: re.Pattern[str]
    hint: str


def _like(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


#: Hints take ``{id}`` as it was given and ``{number}``, its digits.
_DATABASES = (
    _Database(
        "the Materials Project",
        _like(r"(?:mp|mvc)-(\d{1,9})"),
        "Download the CIF from https://materialsproject.org/materials/{id}, or in Python with mp-api: "
        'MPRester(key).get_structure_by_material_id("{id}").to("{id}.cif")',
    ),
    _Database(
        "JARVIS-DFT",
        _like(r"JVASP-(\d{1,9})"),
        "Download the POSCAR from https://jarvis.nist.gov/jarvisdft, or in Python with jarvis-tools: "
        'Atoms.from_dict(get_jid_data(jid="{id}", dataset="dft_3d")["atoms"]).write_poscar("{id}.vasp")',
    ),
    _Database(
        "the Crystallography Open Database",
        _like(r"(?:cod[-_ :]?)?([1-9]\d{6})"),
        "Download it: curl -O https://www.crystallography.net/cod/{number}.cif",
    ),
    _Database(
        "the ICSD",
        _like(r"icsd[-_ :#]?(\d{1,7})"),
        "Export its CIF from https://icsd.products.fiz-karlsruhe.de (a licence is needed).",
    ),
    _Database(
        "OQMD",
        _like(r"oqmd[-_ :]?(\d{1,9})"),
        "Download the CIF or POSCAR from https://oqmd.org/materials/entry/{number}",
    ),
    _Database("AFLOW", _like(r"aflow:([0-9a-f]{16})"), "Download the POSCAR from https://aflow.org/material/?id={id}"),
    _Database(
        "Alexandria",
        _like(r"agm(\d{6,12})"),
        "Get its structure from https://alexandria.icams.rub.de (OPTIMADE or the downloads there).",
    ),
)


def explain_id(name: str) -> Problem | None:
    """What to say where a file is named like an identifier of a database.

    Args:
        name: What stands where a file's name or text is expected.

    Returns:
        What is wrong and how to get its file; None if it is no identifier that is known.
    """
    plain = name.strip()
    for database in _DATABASES:
        if match := database.pattern.fullmatch(plain):
            message = (
                f"{plain} is an identifier of {database.title}, and looking it up needs the network, which "
                "hsegap does not use."
            )
            return Problem(
                "unreadable_structure",
                message,
                database.hint.format(id=plain, number=match[1]) + " Then give the file.",
            )
    return None
