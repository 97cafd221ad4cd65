"""Symmetry operations as integer arrays.

Listed ones and those of a table's setting, whether they form a group and fit a cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hsegap.structures.errors import StructureError
from hsegap.structures.parsed import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import gemmi

#: No space group has more operations in a cell of its conventional settings.
MOST_OPERATIONS = 192
#: Listed operations looked at before they are counted as one where they are the same.
MOST_LISTED = 4 * MOST_OPERATIONS
#: Translations are counted in 24ths of a cell vector, which hold halves, thirds, quarters, sixths and eighths.
PARTS = 24
#: Characters of one listed operation.
LONGEST_OPERATION = 120
#: Largest change of the metric, relative to the lengths, by an operation that the cell is said to have: 1 % of a
#: length, 1° of an angle.
METRIC_TOLERANCE = 0.02
_IDENTITIES = {"x,y,z", "'x,y,z'", "x, y, z", "'x, y, z'", "+x,+y,+z", "X,Y,Z"}


@dataclass(frozen=True, eq=False)
class Symmetry:
    """The operations of a space group in one setting; ``x' = rotation · x + translation / 24``.

    Attributes:
        rotations: ``[operations, 3, 3]`` float64 of whole numbers.
        translations: ``[operations, 3]`` float64 in parts of a cell vector, in [0, 1).
        codes: The same as one integer each, to be compared.
        name: What it is called in messages.
        number: Of the space group type; None where no table has this setting.
    """

    rotations: np.ndarray
    translations: np.ndarray
    codes: frozenset[int]
    name: str
    number: int | None

    def __len__(self) -> int:
        return len(self.rotations)


class Listed(NamedTuple):
    """What the operations listed in a file amount to.

    Attributes:
        symmetry: The group; where ``missing`` is above 0, the one that the operations generate.
        doubled: Operations that are listed more than once.
        missing: Operations of the group that the list lacks.
    """

    symmetry: Symmetry
    doubled: tuple[str, ...]
    missing: int


def _arrays(operations: Iterable[gemmi.Op]) -> tuple[np.ndarray, np.ndarray]:
    """Rotations ``[n, 3, 3]`` and translations in 24ths ``[n, 3]``, int64."""
    chosen = list(operations)
    rotations = np.array([operation.rot for operation in chosen], dtype=np.int64) // PARTS
    return rotations, np.array([operation.tran for operation in chosen], dtype=np.int64) % PARTS


def _codes(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """One integer for each operation; entries of rotations lie within ±3."""
    powers = 7 ** np.arange(9, dtype=np.int64)
    turned = (rotations.reshape(*rotations.shape[:-2], 9) + 3) @ powers
    return (turned * PARTS**3 + translations @ np.array([PARTS**2, PARTS, 1], dtype=np.int64)).astype(np.int64)


def _symmetry(rotations: np.ndarray, translations: np.ndarray, *, name: str, number: int | None) -> Symmetry:
    codes = frozenset(_codes(rotations, translations).tolist())
    return Symmetry(rotations.astype(np.float64), translations / PARTS, codes, name, number)


def identity() -> Symmetry:
    """P 1."""
    return of_hall("P 1", "P 1", 1)


@lru_cache(maxsize=600)
def of_hall(hall: str, name: str, number: int | None) -> Symmetry:
    """The operations of a Hall symbol.

    Args:
        hall: The symbol.
        name: For messages.
        number: Of the space group type, where it is known; else it is looked up.

    Raises:
        RuntimeError: From gemmi, for a symbol it can't parse.
    """
    import gemmi

    group = gemmi.symops_from_hall(hall)
    if number is None:
        found = gemmi.find_spacegroup_by_ops(group)
        number = found.number if found is not None else None
    return _symmetry(*_arrays(group), name=name, number=number)


@lru_cache(maxsize=256)
def of_listed(operations: tuple[str, ...]) -> Listed:
    """The group that listed operations form.

    Args:
        operations: As the file writes them, ``x,y,z`` and so on.

    Raises:
        StructureError: ``unreadable_structure`` for what is no operation, ``too_many_atoms`` for more than any space
            group has.
    """
    if all(operation in _IDENTITIES for operation in operations):
        return Listed(identity(), operations[1:2], 0)
    if len(operations) > MOST_LISTED:
        raise _too_many(len(operations))
    rotations, translations = _arrays(_operation(text, row) for row, text in enumerate(operations, 1))
    codes = _codes(rotations, translations)
    _, first = np.unique(codes, return_index=True)
    kept = np.sort(first)
    doubled = tuple(operations[row] for row in sorted(set(range(len(operations))) - set(kept.tolist())))
    if len(kept) > MOST_OPERATIONS:
        raise _too_many(len(kept))
    rotations, translations = rotations[kept], translations[kept]
    whole_rotations, whole_translations = _closed(rotations, translations)
    missing = len(whole_rotations) - len(kept)
    return Listed(_named(whole_rotations, whole_translations), doubled, missing)


def _named(rotations: np.ndarray, translations: np.ndarray) -> Symmetry:
    """The group with the name and number that the table has for it."""
    import gemmi

    operations = []
    for rotation, translation in zip(rotations.tolist(), translations.tolist(), strict=True):
        operation = gemmi.Op("x,y,z")
        operation.rot = [[PARTS * entry for entry in row] for row in rotation]
        operation.tran = translation
        operations.append(operation)
    try:
        found = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))
    except RuntimeError:  # a group that is in no table has no name
        found = None
    name = found.xhm() if found is not None else f"the {len(rotations)} operations listed"
    return _symmetry(rotations, translations, name=name, number=found.number if found is not None else None)


def _too_many(count: int) -> StructureError:
    message = f"The CIF lists {count} symmetry operations; no space group has more than {MOST_OPERATIONS}."
    return StructureError(
        "too_many_atoms", message, "Correct the list of operations, or write the file in P 1 with its primitive cell."
    )


def _operation(text: str, row: int) -> gemmi.Op:
    """One listed operation.

    Raises:
        StructureError: ``unreadable_structure``, naming the row.
    """
    import gemmi

    plain = "".join(text.strip("'\"").lower().split()).rstrip(";,")
    hint = (
        "A symmetry operation reads like '-x, y+1/2, -z'. "
        "Correct that row, or leave the list out and name the space group."
    )
    try:
        operation = gemmi.Op(plain if len(text) <= LONGEST_OPERATION else "")
    except (RuntimeError, ValueError):
        raise unreadable(f"Row {row} of the CIF's symmetry operations is none: {text[:60]!r}.", hint) from None
    entries = [entry for line in operation.rot for entry in line]
    fractional = any(entry % PARTS or abs(entry) > 3 * PARTS for entry in entries)
    if fractional or abs(operation.det_rot()) != PARTS**3 or set(plain) - set("xyz0123456789+-*/.,"):
        message = f"Row {row} of the CIF's symmetry operations, {text[:60]!r}, is no symmetry operation of a crystal."
        raise unreadable(message, hint)
    return operation


def _closed(rotations: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The operations and all their products.

    Raises:
        StructureError: ``unreadable_structure`` if they have no end, or more than any space group.
    """
    unchanged, unmoved = np.eye(3, dtype=np.int64)[None], np.zeros((1, 3), dtype=np.int64)
    if _codes(unchanged, unmoved)[0] not in _codes(rotations, translations):
        rotations, translations = np.concatenate([unchanged, rotations]), np.concatenate([unmoved, translations])
    while True:
        products = np.einsum("aij,bjk->abik", rotations, rotations).reshape(-1, 3, 3)
        shifts = (np.einsum("aij,bj->abi", rotations, translations) + translations[:, None]).reshape(-1, 3) % PARTS
        fits = np.abs(products).max(axis=(1, 2)) <= 3
        together = np.concatenate([rotations, products[fits]])
        shifted = np.concatenate([translations, shifts[fits]])
        _, first = np.unique(_codes(together, shifted), return_index=True)
        kept = np.sort(first)
        if len(kept) == len(rotations) and fits.all():
            return rotations, translations
        if len(kept) > MOST_OPERATIONS or not fits.all():
            message = "The symmetry operations that the CIF lists form no group: their products have no end."
            raise unreadable(message, "Correct the list, or leave it out and name the space group.")
        rotations, translations = together[kept], shifted[kept]


def fits_cell(symmetry: Symmetry, lattice: np.ndarray) -> bool:
    """Whether a cell has the lengths and angles that the operations ask for.

    Args:
        symmetry: The operations.
        lattice: Lattice vectors as rows, Å, ``[3, 3]``.
    """
    if len(symmetry) == 1:
        return True
    metric = lattice @ lattice.T
    turned = np.swapaxes(symmetry.rotations, 1, 2) @ metric @ symmetry.rotations
    lengths = np.sqrt(np.diag(metric))
    return bool((np.abs(turned - metric) <= METRIC_TOLERANCE * np.outer(lengths, lengths)).all())
