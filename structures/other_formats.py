"""Formats that are not read.

They are told apart by their content, so that they are refused by name and with the way out of them.

PDB is the exception: gemmi turns it into mmCIF, which is read where it gives a crystal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.parsed import unreadable
from hsegap.structures.symbols import element_numbers

if TYPE_CHECKING:
    from hsegap.structures.parsed import Parsed

#: Characters at the beginning of a file by which it is told.
LOOKED_AT = 4000
_ASE = "Convert it to CIF first, with ASE for example: ase convert {name} crystal.cif"


class OtherFormat(NamedTuple):
    """A format that is recognised.

    Attributes:
        title: Its name.
        content: What its beginning looks like.
        suffixes: Of its files.
        hint: How to get a format that is read.
    """

    title: str
    content: re.Pattern[str]
    suffixes: tuple[str, ...]
    hint: str


def _lines(*patterns: str) -> re.Pattern[str]:
    """A pattern for lines that begin like one of some."""
    return re.compile(rf"^[ \t]*(?:{'|'.join(patterns)})", re.MULTILINE | re.IGNORECASE)


OTHER_FORMATS = (
    OtherFormat(
        "an XCrySDen file (XSF)",
        _lines(r"PRIMVEC\b", r"PRIMCOORD\b", r"CONVVEC\b", r"ANIMSTEPS\b", r"BEGIN_BLOCK_DATAGRID"),
        (".xsf", ".axsf"),
        _ASE.format(name="crystal.xsf"),
    ),
    OtherFormat(
        "a SHELX file (.res, .ins)",
        re.compile(r"^TITL\b[^\n]*\n(?:[^\n]*\n){0,20}?CELL\s", re.IGNORECASE),
        (".res", ".ins"),
        "Convert it to CIF with SHELXL (ACTA), Olex2, VESTA or Mercury.",
    ),
    OtherFormat(
        "a CASTEP cell file",
        _lines(r"%BLOCK\s+(?:LATTICE_|POSITIONS_)"),
        (".cell",),
        "Convert it to CIF first, with c2x or VESTA for example.",
    ),
    OtherFormat(
        "an input of Quantum ESPRESSO",
        _lines(r"&(?:CONTROL|SYSTEM)\b", r"ATOMIC_POSITIONS\b", r"CELL_PARAMETERS\b"),
        (".pwi",),
        _ASE.format(name="espresso-in://pw.in"),
    ),
    OtherFormat(
        "an FHI-aims geometry", _lines(r"lattice_vector\s", r"atom_frac\s"), (".in",), _ASE.format(name="geometry.in")
    ),
    OtherFormat(
        "a LAMMPS data file",
        _lines(r"\S+\s+\S+\s+xlo\s+xhi"),
        (".lmp", ".data"),
        _ASE.format(name="lammps-data://file.data"),
    ),
    OtherFormat(
        "an input of SIESTA",
        _lines(r"%block\s+(?:LatticeVectors|AtomicCoordinates)"),
        (".fdf",),
        "Convert it to CIF first.",
    ),
    OtherFormat(
        "a molecule (MOL, SDF or MOL2)",
        re.compile(r"V[23]000[ \t]*$|^M  END|^@<TRIPOS>", re.MULTILINE),
        (".mol", ".sdf", ".mol2"),
        "It has no cell: send a crystal.",
    ),
    OtherFormat("a VASP XML file", re.compile(r"<modeling>"), (), _ASE.format(name="vasprun.xml")),
    OtherFormat(
        "a web page",
        re.compile(r"\A\s*<(?:!DOCTYPE\s+html|html)\b", re.IGNORECASE),
        (".html", ".htm"),
        "The download may have answered with an error or a login page: get the structure file itself.",
    ),
)
_PDB = re.compile(r"^(?:CRYST1[ \t]|HETATM[ \d]|ATOM  [ \d])", re.MULTILINE)


def is_pdb(text: str) -> bool:
    """Whether a file has the records of a PDB file."""
    return _PDB.search(text, 0, LOOKED_AT) is not None or (
        text.startswith("HEADER    ") and _PDB.search(text) is not None
    )


def refuse_other_content(text: str) -> None:
    """Refuse what is recognised as a format that is not read.

    Raises:
        StructureError: ``unsupported_format``, naming it.
    """
    start = text[:LOOKED_AT]
    for other in OTHER_FORMATS:
        if other.content.search(start):
            raise StructureError("unsupported_format", f"The file is {other.title}, which is not read.", other.hint)


def refuse_other_name(suffix: str) -> None:
    """Refuse a file whose content says nothing but whose name is that of a format that is not read.

    Args:
        suffix: Of the file's name, with the dot.

    Raises:
        StructureError: ``unsupported_format``, naming it.
    """
    for other in OTHER_FORMATS:
        if suffix.lower() in other.suffixes:
            message = f"The file is named like {other.title}, which is not read."
            raise StructureError("unsupported_format", message, other.hint)


def parse_pdb(text: str, *, max_atoms: int | None) -> Parsed:
    """Read the crystal of a PDB file, if it has one.

    Args:
        text: Content of the file.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    import gemmi

    from hsegap.structures.cif import parse_cif

    hint = "Send a crystal: a PDB file with CRYST1 (cell and space group), or a CIF."
    try:
        structure = gemmi.read_pdb_string(text)
    except (ValueError, RuntimeError):
        raise unreadable("The PDB file can't be read.", hint) from None
    if not structure.cell.is_crystal():
        raise unreadable("The PDB file has no cell (CRYST1): it is a molecule, not a crystal.", hint)
    if not len(structure) or not structure[0].count_atom_sites():
        raise unreadable("The PDB file lists no atoms.", hint)
    guessed = _elements_of_names(text)
    models = len(structure)
    while len(structure) > 1:
        del structure[len(structure) - 1]
    parsed = parse_cif(structure.make_mmcif_document().as_string(), max_atoms=max_atoms)
    if guessed:
        message = "The PDB file leaves the columns of the elements (77 and 78) empty; they were read off the names"
        parsed.notices.append(Notice("element_guessed", f"{message} ({', '.join(guessed[:5])})."))
    if models > 1:
        message = f"The PDB file holds {models} models; the first was read."
        parsed.notices.append(Notice("several_structures", message))
    return parsed


def _elements_of_names(text: str) -> list[str]:
    """Names of the atoms whose element a PDB file doesn't give.

    Raises:
        StructureError: ``unknown_element`` for a name such as `` NA ``, which is nitrogen by its column and sodium by
            its letters.
    """
    known = element_numbers()
    names: dict[str, None] = {}
    for line in text.split("\n"):
        if not line.startswith(("ATOM  ", "HETATM")) or line[76:78].strip():
            continue
        name = line[12:16]
        letters = (re.match(r"[A-Za-z]*", name.strip()) or [""])[0].capitalize()
        if name[:1] == " " and letters[:1] in known and len(letters) > 1 and letters[:2] in known:
            message = f"The PDB file names an atom {name.strip()}, but no element: {letters[0]} or {letters[:2]}."
            raise StructureError("unknown_element", message, "Write the element into the columns 77 and 78.")
        names[name.strip()] = None
    return list(names)
