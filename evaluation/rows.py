"""Files of labelled crystals: one JSON object a line, with a structure, a known gap and perhaps a description."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.errors import OneKindError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

#: Column of the HSE06 gap in eV.
TARGET = "hse_gap_ev"
#: Groups of rows of which errors are reported apart, and the test on a line of the file. The first cubic space group is
#: 195.
SLICES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "certain labels": lambda data: data.get("label_confidence") == "high",
    "cubic": lambda data: isinstance(data.get("spacegroup"), int) and data["spacegroup"] >= 195,
    "PBE gap 0": lambda data: data.get("pbe_gap_ev") == 0,
}


class EvaluationError(OneKindError, ValueError):
    """A file that cannot be evaluated, with what is wrong and what to do next."""

    CODE = "invalid_request"


class Row(NamedTuple):
    """One labelled crystal.

    Attributes:
        id: Its name.
        structure: Text of its file.
        description: Text, or None.
        gap_ev: Known HSE gap.
        pbe_gap_ev: Known PBE gap, or None.
        slices: Groups that it is counted in beside chemistry and gap: :data:`SLICES`.
        formula: Reduced formula, or None.
        space_group: Its number, or None.
    """

    id: str
    structure: str
    description: str | None
    gap_ev: float
    pbe_gap_ev: float | None = None
    slices: tuple[str, ...] = ()
    formula: str | None = None
    space_group: int | None = None

    def cut(self, limit: int) -> Row:
        """The same with a description of at most so many characters.

        The encoder reads far fewer, a server refuses more.
        """
        return self._replace(description=self.description[:limit]) if self.description is not None else self


def read_rows(path: Path, *, target: str = TARGET, limit: int | None = None) -> list[Row]:
    """Read labelled crystals from JSON lines, packed with gzip or not.

    Args:
        path: The file; each line has ``cif`` and the target column, and may have ``id`` and ``description``.
        target: Column with the known gap, eV. Rows where it is null are left out: there is nothing to compare with.
        limit: Only the first so many rows with a gap.

    Raises:
        EvaluationError: If the file is missing, is not JSON lines, lacks a column or holds no row with a gap.
    """
    rows: list[Row] = []
    for number, data in _lines(path):
        if limit is not None and len(rows) >= limit:
            break
        hint = f"Each line is one JSON object with the keys cif and {target}, and perhaps id and description."
        if not isinstance(data, dict) or not isinstance(data.get("cif"), str) or target not in data:
            raise EvaluationError(f"Line {number} of {path} has no cif or no {target}.", hint)
        gap = data[target]
        if gap is None:
            continue
        if isinstance(gap, bool) or not isinstance(gap, int | float) or not math.isfinite(gap):
            raise EvaluationError(f"Line {number} of {path}: {target} is not a number.", hint)
        slices = tuple(name for name, holds in SLICES.items() if holds(data))
        rows.append(
            Row(
                str(data.get("id", number)),
                data["cif"],
                data.get("description") or None,
                float(gap),
                _pbe_gap(data),
                slices,
                *_named(data),
            )
        )
    if not rows:
        raise EvaluationError(f"{path} holds no row with {target}.", "Name a file of labelled crystals.")
    return rows


def _named(data: dict[str, Any]) -> tuple[str | None, int | None]:
    """A line's formula and the number of its space group, where they are what they should be."""
    formula, group = data.get("formula"), data.get("spacegroup")
    # A line feed would part the words of the table that formulas are stored in.
    plain = formula if isinstance(formula, str) and formula.isprintable() else None
    return plain, group if isinstance(group, int) and 1 <= group <= 230 else None


def _pbe_gap(data: dict[str, Any]) -> float | None:
    """A line's PBE gap as a fact that can be stated; None where it is missing or no gap at all."""
    value = data.get("pbe_gap_ev")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Numbered JSON values of a file."""
    try:
        with path.open("rb") as head:
            packed = head.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, json.loads(line)
    except FileNotFoundError:
        raise EvaluationError(f"There is no file {path}.", "Check the path.") from None
    except (OSError, EOFError, zlib.error) as error:  # gzip reports a damaged file as any of them
        raise EvaluationError(
            f"{path} could not be read: {error}.", "Check the file; a download may be incomplete."
        ) from None
    except ValueError:  # neither UTF-8 nor JSON
        raise EvaluationError(
            f"{path} is not JSON lines.", "Give one JSON object a line, packed with gzip or not."
        ) from None
