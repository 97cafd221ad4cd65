"""CIF, parsed by pymatgen after its cell and sites have been looked at.

pymatgen drops sites it can't name, reads a lone dot as 0, guesses elements from labels and takes its time over flat cells;
each of those is found here before it happens, or told to the user.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from structures.checks import LARGEST_FRACTIONAL, check_atom_count, check_lattice
from structures.crystal import Notice
from structures.errors import StructureError
from structures.json_formats import OCCUPANCY_TOLERANCE, lattice_from_parameters
from structures.parsed import Parsed, disordered, element_numbers, recorded_warnings, unreadable

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifParser

#: Sites times symmetry operations above which a file is refused: pymatgen compares each image with all before it.
MOST_IMAGES = 50_000
#: A line this long with this many quotes in it makes pymatgen's tokenizer take quadratic time.
LONGEST_LINE, MOST_QUOTES = 4096, 200
#: Largest change of a rounded coordinate that isn't worth telling: the digits given were all right.
ROUNDING_WORTH_TELLING = 2e-6

_BLOCK = re.compile(r"^\s*data_", re.MULTILINE)
_CUT_OFF_HINT = "The file may be cut off or damaged: export or download it again."
_CELL_NAMES = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_POSITIONS = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")
_OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
#: Names of sites that are empty, or that hold a group of atoms; pymatgen reads vanadium into the first and drops the second.
_NO_ATOM = re.compile(r"(Va|Vac|Vc|Void|Du|Dum|Dummy)\d*$|(OH|NO3)", re.IGNORECASE)


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
    n_rows = _check_sites(data, notices, max_atoms=max_atoms)
    lattice = _check_cell(data, n_rows)
    structure = _structure(parser, notices)
    if structure is None:
        raise unreadable("The CIF has no atoms in its sites.", _CUT_OFF_HINT)
    _check_order(structure, notices)
    _check_formula(data, structure, block, notices)
    _tell_rounding(data, block, notices)
    structure = _in_order_of_file(structure, data)
    symbols = [site.specie.symbol for site in structure]
    return Parsed(
        lattice=lattice if lattice is not None else structure.lattice.matrix,
        symbols=symbols,
        frac_coords=structure.frac_coords,
        notices=notices,
    )


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
        return unreadable("A table of the CIF is incomplete: it ends in the middle of a row.", _CUT_OFF_HINT)
    reason = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
    return unreadable(f"The CIF can't be read ({reason}).", _CUT_OFF_HINT)


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
        raise unreadable("The CIF lists no atoms.", "A CIF needs _atom_site_label and _atom_site_fract_x, _y, _z. " + _CUT_OFF_HINT)
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


def _check_sites(data: dict[str, Any], notices: list[Notice], *, max_atoms: int | None) -> int:
    """Look at the table of sites; give the number of its rows.

    Raises:
        StructureError: ``unreadable_structure``, ``too_many_atoms``, ``unknown_element`` or ``disordered_structure``.
    """
    labels = data.get("_atom_site_label")
    if not isinstance(labels, list) or not labels:
        raise unreadable("The CIF lists no atoms (no _atom_site_label).", _CUT_OFF_HINT)
    for name in _POSITIONS:
        column = data.get(name)
        if not isinstance(column, list) or len(column) != len(labels):
            hint = "Positions have to be fractional coordinates. " + _CUT_OFF_HINT
            raise unreadable(f"The CIF gives no {name} for its atoms.", hint)
        for label, value in zip(labels, column, strict=True):
            number = _number(value)
            if number is not None and abs(number) > LARGEST_FRACTIONAL:
                raise unreadable(f"The site {label[:20]} lies far outside the cell ({name} is {value[:20]}).", "Correct that position.")
            if number is None:
                raise unreadable(
                    f"The CIF gives no position for the site {label[:20]} ({name} is {value[:20]!r}).", "Complete or remove that site."
                )
    check_atom_count(len(labels), max_atoms)
    operations: list[str] = next((data[name] for name in _OPERATIONS if isinstance(data.get(name), list)), [])
    if len(labels) * max(len(operations), 1) > MOST_IMAGES:
        message = f"The CIF has {len(labels)} sites and {len(operations)} symmetry operations, more than can be expanded."
        raise StructureError("too_many_atoms", message, "Use the primitive cell.")
    _check_names(data, labels, notices)
    _check_occupancies(data, labels, notices)
    _check_duplicates(data, labels)
    return len(labels)


def _number(value: str) -> float | None:
    """A CIF number, with its uncertainty in brackets taken off; None for ``.``, ``?`` and anything else."""
    try:
        number = float(value.split("(", maxsplit=1)[0])
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _check_names(data: dict[str, Any], labels: list[str], notices: list[Notice]) -> None:
    """Refuse sites whose element pymatgen would have to invent; tell which it reads off unusual labels."""
    known = element_numbers()
    symbols = data.get("_atom_site_type_symbol")
    names = symbols if isinstance(symbols, list) and len(symbols) == len(labels) else labels
    guessed = set()
    for label, name in zip(labels, names, strict=True):
        letters = (re.match(r"[A-Za-z]*", name) or [""])[0]
        two, one = letters[:2].capitalize(), letters[:1].upper()
        valid = two in known or one in known
        if not valid or _NO_ATOM.match(name) or (names is symbols and letters.capitalize() not in known):
            message = f"The site {label[:20]} of the CIF is called {name[:20]!r}, which is no chemical element."
            raise StructureError(
                "unknown_element", message, "Give each site one element in _atom_site_type_symbol; leave out vacancies and dummies."
            )
        element = two if two in known else one
        if names is labels and letters != element:
            guessed.add(f"{name} as {element}")
    if guessed:
        shown = ", ".join(sorted(guessed)[:5])
        notices.append(Notice("element_guessed", f"The CIF gives no element symbols; labels were read as elements ({shown})."))
    isotopes = {"D", "T"}.intersection(re.match(r"[A-Za-z]*", name)[0] for name in names)  # type: ignore[index]  # * always matches
    if isotopes:
        notices.append(Notice("deuterium_as_hydrogen", f"{' and '.join(sorted(isotopes))} atoms are treated as hydrogen."))


def _check_occupancies(data: dict[str, Any], labels: list[str], notices: list[Notice]) -> None:
    """Refuse occupancies above 1 and tell which sites are empty; partial ones show once the sites are joined."""
    occupancies = data.get("_atom_site_occupancy")
    if not isinstance(occupancies, list):
        return
    empty = []
    above = 0
    for label, value in zip(labels, occupancies, strict=False):
        occupancy = _number(value)
        if occupancy is None and value.strip() not in {".", "?"}:
            raise unreadable(f"The occupancy of the site {label[:20]} is no number ({value[:20]!r}).", "Check _atom_site_occupancy.")
        if occupancy is None:
            continue
        if occupancy > 1 + OCCUPANCY_TOLERANCE or occupancy < 0:
            raise disordered([f"site {label[:20]} has the occupancy {occupancy:g}"])
        above += occupancy > 1
        if occupancy == 0:
            empty.append(label[:20])
    if above:
        notices.append(Notice("occupancy_repaired", f"{above} occupancies up to 1 % above 1 were taken for 1."))
    if empty:
        notices.append(Notice("zero_occupancy_dropped", f"Sites with occupancy 0 were left out: {', '.join(empty[:5])}."))


def _check_duplicates(data: dict[str, Any], labels: list[str]) -> None:
    """Refuse rows at one position that together hold more than one atom; symmetry images are checked by their distance.

    Raises:
        StructureError: ``overlapping_atoms``, naming the pair.
    """
    occupancies = data.get("_atom_site_occupancy")
    positions = np.array([[_number(value) or 0.0 for value in data[name]] for name in _POSITIONS]).T
    # The rounding only has to catch exact copies; 1.0 and 0.0 are the same place.
    places = np.round(positions % 1, 4) % 1
    seen: dict[tuple[float, ...], tuple[str, float]] = {}
    for index, (label, place) in enumerate(zip(labels, map(tuple, places.tolist()), strict=True)):
        given = _number(occupancies[index]) if isinstance(occupancies, list) else None
        occupancy = 1.0 if given is None else given
        first, total = seen.get(place, (label, 0.0))
        if total > 0 and total + occupancy > 1 + OCCUPANCY_TOLERANCE:
            message = f"The sites {first[:20]} and {label[:20]} of the CIF are at the same position."
            raise StructureError("overlapping_atoms", message, "Remove one of them, or correct their occupancies or coordinates.")
        seen[place] = (first, total + occupancy)


def _check_cell(data: dict[str, Any], n_rows: int) -> np.ndarray | None:
    """Check the cell before pymatgen gets it; None where the file leaves it to the crystal system."""
    values = []
    for name in _CELL_NAMES:
        value = data.get(f"_cell_{name}")
        if not isinstance(value, str):
            continue
        number = _number(value)
        if number is None:
            raise unreadable(f"_cell_{name} of the CIF is no number ({value[:20]!r}).", _CUT_OFF_HINT)
        values.append(number)
    if len(values) < 6:
        if not values:
            raise unreadable("The CIF has no cell (_cell_length_a …).", _CUT_OFF_HINT)
        return None
    lattice = lattice_from_parameters(np.array(values))
    check_lattice(lattice, n_atoms=n_rows)
    return lattice


def _structure(parser: CifParser, notices: list[Notice]) -> Structure | None:
    """Let pymatgen expand the symmetry, and pass on its remarks."""
    try:
        with recorded_warnings():
            structures = parser.parse_structures(primitive=False, on_error="raise")
    except Exception as error:  # pymatgen raises whatever a damaged line leads to
        raise _failed(error) from error
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
    return structures[0] if structures else None


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


def _check_formula(data: dict[str, Any], structure: Structure, block: str, notices: list[Notice]) -> None:
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
    for site in structure:
        symbol = "H" if site.specie.symbol in {"D", "T"} else site.specie.symbol
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
    if not any(value in thirds for name in _POSITIONS for value in data[name]):
        return
    from pymatgen.io.cif import CifFile

    with recorded_warnings():
        original = next(iter(CifFile.from_str(block).data.values())).data
    changed = 0
    for name in _POSITIONS:
        for before, after in zip(original.get(name, []), data[name], strict=False):
            old, new = _number(before), _number(after)
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
