"""The maps as the page shows them.

One list of values per map and fusion layer, its true range, and a word where there is little to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.ui.words import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.prediction.schemas import AtomReport, Prediction

#: The maps in the order in which they are offered, the most telling one first; catalogues name and explain them.
MAPS = ("text_share", "importance", "gate")
#: Spread below which values are the same number but for rounding in single precision: never shown as colours.
NOISE = 2e-5
#: Spread (of values that lie between 0 and 1) below which a stretched colour scale would suggest more than there is.
NEARLY_FLAT = 0.02


class Map(NamedTuple):
    """One coloured map of a crystal."""

    name: str
    layer: str
    label: str
    meaning: str
    values: list[float]
    lowest: float
    highest: float
    flat: bool
    note: str

    def as_json(self) -> dict[str, Any]:
        """For the browser."""
        return self._asdict()


def digits_for(spread: float) -> int:
    """Decimals that tell values of such a spread apart."""
    return 4 if spread >= 1e-3 else 5


def note_for(label: str, values: Sequence[float], words: Words) -> tuple[bool, str]:
    """Whether a map is flat, and what to say about its range.

    Returns:
        ``(True, …)`` if all values are one number but for rounding: the picture then uses a fixed scale and one colour.
    """
    lowest, highest = min(values), max(values)
    spread = highest - lowest
    if len(values) == 1:
        return True, words("map.one_atom", value=f"{lowest:.3f}")
    if spread <= NOISE:
        return True, words("map.flat", label=label, value=f"{lowest:.3f}")
    if spread <= NEARLY_FLAT:
        digits = digits_for(spread)
        ends = {"low": f"{lowest:.{digits}f}", "high": f"{highest:.{digits}f}"}
        return False, words("map.nearly_flat", spread=f"{spread:.2g}", **ends)
    return False, words("map.range", low=f"{lowest:.3f}", high=f"{highest:.3f}")


def maps_of(prediction: Prediction, words: Words | None = None) -> list[Map]:
    """The maps of a prediction that have values, most telling first, layers ascending.

    Args:
        prediction: With atoms; without them the list is empty. Text shares are missing in a prediction without text.
        words: In which language; None takes English.
    """
    words = words or Words()
    atoms: list[AtomReport] = prediction.atoms or []
    if not atoms:
        return []
    found = []
    for name in MAPS:
        label, meaning = words(f"map.{name}"), words(f"map.{name}_meaning")
        for layer in getattr(atoms[0], name):
            values = [getattr(atom, name)[layer] for atom in atoms]
            if any(value is None for value in values):
                continue
            flat, note = note_for(label, values, words)
            found.append(
                Map(
                    name,
                    layer,
                    label,
                    meaning,
                    [float(value) for value in values],
                    min(values),
                    max(values),
                    flat,
                    note,
                )
            )
    return found


def atom_table(prediction: Prediction, maps: Sequence[Map], words: Words | None = None) -> dict[str, Any]:
    """The per-atom table: number, element, one column per map and layer, then the place in the cell.

    Args:
        prediction: With atoms.
        maps: What :func:`maps_of` gave.
        words: In which language; None takes English.

    Returns:
        ``columns`` (label, numeric, digits, ``map`` = place in ``maps`` or null) and ``rows`` in the order of the file.
    """
    words = words or Words()
    several = len({entry.layer for entry in maps}) > 1
    counted = {"numeric": True, "digits": 0, "map": None, "title": words("map.column_atom_title")}
    columns: list[dict[str, Any]] = [
        {"label": words("map.column_atom"), **counted},
        {"label": words("map.column_element"), "numeric": False, "map": None},
    ]
    for place, entry in enumerate(maps):
        label = f"{entry.label}, {words('map.layer', n=entry.layer.rpartition('_')[2])}" if several else entry.label
        digits = digits_for(entry.highest - entry.lowest)
        columns.append({"label": label, "numeric": True, "digits": digits, "map": place, "title": entry.meaning})
    columns.extend(
        {"label": axis, "numeric": True, "digits": 4, "map": None, "title": words("map.column_along", axis=axis)}
        for axis in "abc"
    )
    rows = [
        [atom.index, atom.element, *(entry.values[place] for entry in maps), *atom.frac_coords]
        for place, atom in enumerate(prediction.atoms or [])
    ]
    return {"columns": columns, "rows": rows}
