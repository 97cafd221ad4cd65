"""CIF, parsed by pymatgen after its cell and sites have been looked at.

pymatgen drops sites it can't name, reads a lone dot as 0, guesses elements from labels and takes its time over flat cells;
each of those is found here before it happens, or told to the user.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from hsegap.structures.checks import check_lattice
from hsegap.structures.cif_sites import CUT_OFF_HINT, POSITIONS, check_sites, number_of, sites_as_listed
from hsegap.structures.crystal import Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.json_formats import OCCUPANCY_TOLERANCE, lattice_from_parameters
from hsegap.structures.parsed import Parsed, disordered, recorded_warnings, unreadable

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser

#: A line this long with this many quotes in it makes pymatgen's tokenizer take quadratic time.
LONGEST_LINE, MOST_QUOTES = 4096, 200
#: Largest change of a rounded coordinate that isn't worth telling: the digits given were all right.
ROUNDING_WORTH_TELLING = 2e-6

_BLOCK = re.compile(r"^\s*data_", re.MULTILINE)
_CELL_NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


def parse_cif(text: str, *, max_atoms: int | None) -> Parsed:
    """Read the first structure of a CIF.

    Args:
        text: Content of the file.
        max_atoms: Refuse a structure with more atoms.

    Raises:
        StructureError: With any code of a reader.
    """
    notices: list[Notice] = []
    block = _first_structure(text, notices)
    from pymatgen.io.cif import CifParser

    try:
        with recorded_warnings() as caught:
            parser = CifParser.from_str(block, occupancy_tolerance=1 + OCCUPANCY_TOLERANCE)
            data = next(iter(parser.as_dict().values()))
    except Exception as error:  # pymatgen raises whatever a damaged line leads to
        raise _failed(error) from error
    stray = [str(warning.message).split("line: ", 1)[-1] for warning in caught if "Possible issue" in str(warning.message)]
    if stray:
        notices.append(Notice("parser_note", f"The CIF has words that belong to nothing and were ignored: {', '.join(stray[:5])[:120]}."))
    if isinstance(data.get("_atom_site_label", data.get("_atom_site_type_symbol")), str):
        return parse_cif(_looped(block), max_atoms=max_atoms)
    n_rows = check_sites(data, notices, max_atoms=max_atoms)
    lattice = _check_cell(data, n_rows)
    listed = sites_as_listed(data) if lattice is not None else None
    if lattice is not None and listed is not None:
        symbols, frac_coords = listed
        _tell_remarks(parser, notices)
    else:
        structure = _structure(parser)
        _tell_remarks(parser, notices)
        if structure is None:
            raise unreadable("The CIF has no atoms in its sites.", CUT_OFF_HINT)
        _check_order(structure, notices)
        structure = _in_order_of_file(structure, data)
        symbols, frac_coords = [site.specie.symbol for site in structure], structure.frac_coords
        lattice = structure.lattice.matrix if lattice is None else lattice
    _check_formula(data, symbols, block, notices)
    _tell_rounding(data, block, notices)
    return Parsed(lattice=lattice, symbols=symbols, frac_coords=frac_coords, notices=notices)


def _failed(error: Exception) -> StructureError:
    detail = " ".join(str(error).replace("No structure parsed for section 1 in CIF.", "").split())[:160]
    if "exceeded tolerance" in detail:
        message = "Several atoms of the CIF share one position, or an occupancy is above 1."
        return StructureError("overlapping_atoms", message, "Remove duplicate sites and correct the occupancies.")
    if "below threshold" in detail:
        return StructureError(
            "degenerate_cell", "The cell of the CIF is degenerate: it has next to no thickness.", "Check the cell lengths and angles."
        )
    if isinstance(error, ZeroDivisionError) or "is not a multiple" in detail or "zip()" in detail:
        return unreadable("A table of the CIF is incomplete: it ends in the middle of a row.", CUT_OFF_HINT)
    reason = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
    return unreadable(f"The CIF can't be read ({reason}).", CUT_OFF_HINT)


def _first_structure(text: str, notices: list[Notice]) -> str:
    """The first data block that lists atoms."""
    for line in text.split("\n"):
        if len(line) > LONGEST_LINE and line.count("'") + line.count('"') > MOST_QUOTES:
            raise unreadable(f"The CIF has a line of {len(line)} characters with many quotes.", "CIF lines have at most 2048 characters.")
    starts = [match.start() for match in _BLOCK.finditer(text)]
    if not starts:
        raise unreadable("The CIF has no data block.", "A CIF has a line that starts with data_ and a name.")
    blocks = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    with_atoms = [block for block in blocks if "_atom_site" in block]
    if not with_atoms:
        raise unreadable("The CIF lists no atoms.", "A CIF needs _atom_site_label and _atom_site_fract_x, _y, _z. " + CUT_OFF_HINT)
    if len(with_atoms) > 1:
        name = with_atoms[0].split("\n")[0].strip()[5:45]
        notices.append(Notice("several_structures", f"The CIF holds {len(with_atoms)} structures; the first ({name}) was read."))
    return with_atoms[0].lstrip()


def _looped(block: str) -> str:
    """Write the one site of a block that uses no loop as a loop; pymatgen would read the values letter by letter."""
    from pymatgen.io.cif import CifBlock, CifFile

    with recorded_warnings():
        parsed = next(iter(CifFile.from_str(block).data.values()))
    columns = [key for key in parsed.data if key.startswith("_atom_site_") and isinstance(parsed.data[key], str)]
    data = {key: [value] if key in columns else value for key, value in parsed.data.items()}
    return str(CifBlock(data, [*parsed.loops, columns], parsed.header)) + "\n"


def _check_cell(data: dict[str, Any], n_rows: int) -> np.ndarray | None:
    """Check the cell before pymatgen gets it; None where the file leaves it to the crystal system."""
    values = []
    for name in _CELL_NAMES:
        value = data.get(f"_cell_{name}")
        if not isinstance(value, str):
            continue
        number = number_of(value)
        if number is None:
            raise unreadable(f"_cell_{name} of the CIF is no number ({value[:20]!r}).", CUT_OFF_HINT)
        values.append(number)
    if len(values) < 6:
        if not values:
            raise unreadable("The CIF has no cell (_cell_length_a …).", CUT_OFF_HINT)
        return None
    lattice = lattice_from_parameters(np.array(values))
    check_lattice(lattice, n_atoms=n_rows)
    return lattice


def _structure(parser: CifParser) -> Structure | None:
    """Let pymatgen expand the symmetry."""
    try:
        with recorded_warnings():
            structures = parser.parse_structures(primitive=False, on_error="raise")
    except Exception as error:  # pymatgen raises whatever a damaged line leads to
        raise _failed(error) from error
    return structures[0] if structures else None


def _tell_remarks(parser: CifParser, notices: list[Notice]) -> None:
    """Pass on what pymatgen remarked, in our words."""
    for remark in dict.fromkeys(getattr(parser, "warnings", [])):
        text = remark.split("\n")[0]
        if "Defaulting to P1" in text:
            notices.append(Notice("symmetry_missing", "The CIF names no symmetry; the listed atoms were taken for the whole cell."))
        elif "Spacegroup from" in text:
            notices.append(Notice("symmetry_from_name", "The CIF lists no symmetry operations; they were looked up by its space group."))
        elif "implicit hydrogens" in text:
            notices.append(
                Notice("implicit_hydrogens", "The CIF implies hydrogen atoms without positions; they are missing in the prediction.")
            )
        elif not any(
            known in text for known in ("rounded to ideal", "parsed as", "occupancies", "1-line symmetry op", "Skipping relative")
        ):
            notices.append(Notice("parser_note", text[:200]))


def _check_order(structure: Structure, notices: list[Notice]) -> None:
    """Refuse partial occupancy, naming the sites; take occupancies next to 1 for 1."""
    partial: dict[str, None] = {}
    repaired = 0
    for site in structure:
        total = sum(site.species.values())
        if len(site.species) > 1 or abs(total - 1) > OCCUPANCY_TOLERANCE:
            named = ", ".join(f"{getattr(element, 'symbol', element)} {amount:g}" for element, amount in site.species.items())
            partial[f"site {site.label} holds {named}"] = None
        elif total != 1:
            repaired += 1
            site.species = next(iter(site.species.elements))
    if partial:
        raise disordered(list(partial))
    if repaired:
        notices.append(Notice("occupancy_repaired", f"{repaired} occupancies within 1 % of full were taken for 1."))


def _check_formula(data: dict[str, Any], symbols: list[str], block: str, notices: list[Notice]) -> None:
    """Compare with the formula that the file states.

    Atoms that are missing from a table at the very end of the file mean that the file was cut off between two lines.

    Raises:
        StructureError: ``unreadable_structure`` for a file that was cut off.
    """
    from pymatgen.core import Composition

    stated = data.get("_chemical_formula_sum")
    if not isinstance(stated, str) or stated.strip() in {"", "?", "."}:
        return
    try:
        expected = {
            element.symbol: amount for element, amount in Composition(re.sub(r"\b[DT](?=\d|\b)", "H", stated)).items() if amount > 0
        }
    except Exception:  # a formula in words, say; it is only a cross-check
        return
    found: dict[str, float] = {}
    for name in symbols:
        symbol = "H" if name in {"D", "T"} else name
        found[symbol] = found.get(symbol, 0) + 1
    ratios = {symbol: found.get(symbol, 0) / amount for symbol, amount in expected.items()}
    most = max(ratios.values())
    complete = min(ratios.values()) >= most * 0.98
    if found.keys() <= expected.keys() and complete and most > 0.98:
        return
    atoms_read = Composition(found).formula
    dropped = any(notice.code == "zero_occupancy_dropped" for notice in notices)
    if "_atom_site_fract_x" in block[block.rfind("loop_") :] and found.keys() <= expected.keys() and not dropped:
        # Complete elements come in whole formula units. One atom too many is another mistake, found by its distance, and
        # hydrogen is often left out altogether.
        absent = any(ratio == 0 for symbol, ratio in ratios.items() if symbol != "H")
        partly = abs(most - round(most)) < 0.02 and any(0 < ratio < most * 0.98 for ratio in ratios.values())
        if absent or partly or most < 0.98:
            message = f"The CIF states {stated[:60]} but ends after {atoms_read[:60]}."
            hint = "The file seems to be cut off: get it again. If it is meant so, correct _chemical_formula_sum."
            raise unreadable(message, hint)
    notices.append(Notice("composition_mismatch", f"The CIF states {stated[:60]}, but its atoms add up to {atoms_read[:60]}."))


def _tell_rounding(data: dict[str, Any], block: str, notices: list[Notice]) -> None:
    """Tell about coordinates that pymatgen replaced by thirds, where digits were really missing."""
    thirds = {str(1 / 3), str(2 / 3)}
    if not any(value in thirds for name in POSITIONS for value in data[name]):
        return
    from pymatgen.io.cif import CifFile

    with recorded_warnings():
        original = next(iter(CifFile.from_str(block).data.values())).data
    changed = 0
    for name in POSITIONS:
        for before, after in zip(original.get(name, []), data[name], strict=False):
            old, new = number_of(before), number_of(after)
            changed += old is not None and new is not None and abs(old - new) > ROUNDING_WORTH_TELLING
    if changed:
        notices.append(Notice("coordinates_rounded", f"{changed} coordinates such as 0.3333 were replaced by the thirds they stand for."))


def _in_order_of_file(structure: Structure, data: dict[str, Any]) -> Structure:
    """Undo pymatgen's sorting by electronegativity: sites in the order of the file, images in that of the operations."""
    row: dict[str, int] = {}
    for index, label in enumerate(data["_atom_site_label"]):
        row.setdefault(label, index)
    # Python's sort keeps the order of equals, which is that of the operations.
    structure.sort(key=lambda site: row.get(site.label, len(row)))
    return structure
