"""What every reader hands on: cell, element symbols, coordinates and what it noticed on the way."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hsegap.structures.checks import check_atom_count, check_coordinates, check_distances, check_elements, check_lattice
from hsegap.structures.crystal import Crystal, Notice
from hsegap.structures.errors import StructureError
from hsegap.structures.plausible import cartesian_taken_for_fractional, odd_distances
from hsegap.structures.symbols import MASSES_OF_HYDROGEN, element_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What a reader may put into ``Crystal.warnings``, with its meaning; docs and the page explain them by these words.
NOTICE_CODES = {
    "deuterium_as_hydrogen": "Deuterium or tritium is treated as hydrogen, whose electronic structure it has.",
    "occupancy_repaired": "An occupancy within 1 % of full was taken for 1.",
    "zero_occupancy_dropped": "Sites with occupancy 0 were left out.",
    "coordinates_rounded": "Coordinates such as 0.3333 were replaced by the fraction they stand for.",
    "symmetry_missing": "The file names no symmetry: the listed atoms were taken for the whole cell.",
    "symmetry_from_name": "The symmetry operations were looked up by the name or number of the space group.",
    "symmetry_contradiction": "Statements about the symmetry disagree; the message says which was followed, and why.",
    "setting_chosen": "The origin or axes of the space group are not stated; "
    "they were found by the atoms' distances, formula or Z.",
    "multiplicity_mismatch": "The multiplicities that the file states are not those of its symmetry; "
    "only the labels are wrong.",
    "cell_completed": "Lengths or angles of the cell that the file leaves out were taken from its symmetry.",
    "cell_contradiction": "The volume or the density that the file states is not that of its cell and atoms.",
    "rows_joined": "Rows of one element that share a site were joined to one atom.",
    "images_listed": "Rows that repeat the symmetry image of another site were left out.",
    "several_structures": "The file holds several structures: the first was read.",
    "composition_mismatch": "The atoms read don't add up to the formula that the file states.",
    "implicit_hydrogens": "The file implies hydrogen atoms without giving their positions: they are missing.",
    "element_guessed": "An element was read off a site label that isn't one.",
    "not_periodic": "The file calls a direction not periodic; it was treated as periodic.",
    "extra_lines": "Lines after the last atom were ignored.",
    "odd_distances": "Atoms are nearer to each other, or all farther apart, than in any crystal; "
    "unit, coordinates or symmetry may be wrong.",
    "odd_coordinates": "The file calls its coordinates fractional, but they look like Å; they were read as fractional.",
    "format_mismatch": "The content has another format than the file's name says; the content was believed.",
    "odd_characters": "The file is not valid UTF-8; characters that could not be read were replaced.",
    "parser_note": "Another remark of the parser.",
}

#: Catching warnings changes a setting of the whole process, so only one thread may do it at a time.
_WARNINGS_LOCK = threading.Lock()


@contextmanager
def recorded_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of a library instead of letting it write them to stderr."""
    with _WARNINGS_LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


def unreadable(message: str, hint: str) -> StructureError:
    """The error of a file that can't be understood."""
    return StructureError("unreadable_structure", message, hint)


def disordered(sites: Sequence[str]) -> StructureError:
    """The error of a structure with partial occupancy, naming its sites."""
    shown = "; ".join(sites[:5]) + (f"; and {len(sites) - 5} more" if len(sites) > 5 else "")
    message = f"The structure is disordered: {shown}."
    hint = (
        "A band gap needs every site fully occupied by one element: "
        "choose an ordered configuration (a supercell, say) and send that."
    )
    return StructureError("disordered_structure", message, hint)


def numbers_of(symbols: Sequence[str]) -> tuple[np.ndarray, list[Notice]]:
    """Look up atomic numbers.

    Args:
        symbols: Element symbols as the file writes them, one per atom.

    Returns:
        Atomic numbers ``[atoms]`` int64 and what to tell the user.

    Raises:
        StructureError: ``unknown_element``, naming the first atom whose symbol is no element.
    """
    known = element_numbers()
    notices = []
    for index, symbol in enumerate(symbols):
        if symbol not in known:
            meant = symbol.capitalize()
            hint = f"Write {meant} if that is meant." if meant in known else "Use element symbols such as Si or Ga."
            raise StructureError(
                "unknown_element",
                f"Atom {index} (counted from 0) is called {symbol[:20]!r}, which is no chemical element.",
                hint,
            )
    isotopes = sorted(MASSES_OF_HYDROGEN.intersection(symbols))
    if isotopes:
        notices.append(Notice("deuterium_as_hydrogen", f"{' and '.join(isotopes)} atoms are treated as hydrogen."))
    return np.array([known[symbol] for symbol in symbols], dtype=np.int64), notices


@dataclass
class Parsed:
    """A structure as a reader found it, before the checks that all formats share.

    Attributes:
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
        symbols: Element symbols, one per atom.
        frac_coords: ``[atoms, 3]``.
        notices: What was repaired or looked odd.
        distances_checked: Whether the reader has made sure itself that no two atoms overlap.
    """

    lattice: np.ndarray
    symbols: list[str]
    frac_coords: np.ndarray
    notices: list[Notice] = field(default_factory=list)
    distances_checked: bool = False

    def crystal(self, *, format: str, max_atoms: int | None) -> Crystal:  # noqa: A002  # the field's word, and the reader's option
        """Check what was read and turn it into a crystal.

        Raises:
            StructureError: See the checks in :mod:`hsegap.structures.checks`.
        """
        frac_coords = np.asarray(self.frac_coords, dtype=np.float64).reshape(-1, 3)
        check_atom_count(len(self.symbols), max_atoms)
        check_coordinates(frac_coords)
        numbers, notices = numbers_of(self.symbols)
        check_elements(numbers)
        lattice = np.array(self.lattice, dtype=np.float64)
        check_lattice(lattice, n_atoms=len(numbers))
        if not self.distances_checked:
            check_distances(lattice, frac_coords, self.symbols)
        odd = [
            *cartesian_taken_for_fractional(lattice, frac_coords, self.symbols),
            *odd_distances(lattice, frac_coords, self.symbols),
        ]
        return Crystal(
            lattice=lattice,
            frac_coords=frac_coords,
            atomic_numbers=numbers,
            format=format,
            warnings=(*self.notices, *notices, *odd),
        )


def fractional(cart_coords: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Fractional from Cartesian coordinates (Å), after making sure that the cell can be inverted.

    Raises:
        StructureError: ``degenerate_cell``.
    """
    check_lattice(lattice)
    with np.errstate(invalid="ignore"):  # infinities are refused with the other coordinates
        return np.asarray(cart_coords, dtype=np.float64).reshape(-1, 3) @ np.linalg.inv(lattice)


def numeric(values: object, shape: tuple[int, ...], what: str) -> np.ndarray:
    """Turn nested lists of a JSON file into an array of numbers.

    Args:
        values: What the file holds.
        shape: Expected shape, -1 for any length.
        what: Name of the thing, for the message.

    Raises:
        StructureError: ``unreadable_structure`` if it is anything else.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    if array.ndim != len(shape) or any(want not in (-1, got) for want, got in zip(shape, array.shape, strict=True)):
        sizes = " × ".join("n" if size < 0 else str(size) for size in shape)
        raise unreadable(
            f"{what} is not a table of {sizes} numbers.",
            "Check the file, or write it again with the program it came from.",
        )
    return array
