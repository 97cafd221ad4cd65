"""The maps as the page shows them.

One list of values per map and fusion layer, its true range, and a word where there is little to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.prediction.schemas import AtomReport, Prediction

#: Names and explanations of the maps, in the order in which they are offered: the most telling one first.
MAPS: dict[str, tuple[str, str]] = {
    "text_share": (
        "Text share",
        "How much of an atom's vector came from the description after the fusion: 0 none, 1 all.",
    ),
    "importance": ("Importance", "How strongly the network lets the description act on an atom: 0 to 1."),
    "gate": ("Gate", "Mean opening of the gate that lets the description in, over all channels."),
}
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


def layer_title(layer: str) -> str:
    """``layer_2`` → ``layer 2``."""
    return layer.replace("_", " ")


def digits_for(spread: float) -> int:
    """Decimals that tell values of such a spread apart."""
    return 4 if spread >= 1e-3 else 5


def note_for(label: str, values: Sequence[float]) -> tuple[bool, str]:
    """Whether a map is flat, and what to say about its range.

    Returns:
        ``(True, …)`` if all values are one number but for rounding: the picture then uses a fixed scale and one colour.
    """
    lowest, highest = min(values), max(values)
    spread = highest - lowest
    if len(values) == 1:
        return True, f"One atom, one value: {lowest:.3f}."
    if spread <= NOISE:
        return (
            True,
            f"Flat: every atom has {label.lower()} {lowest:.3f}. The colours run from 0 to 1 and tell nothing apart.",
        )
    if spread <= NEARLY_FLAT:
        digits = digits_for(spread)
        return False, (
            f"Nearly flat: the atoms differ by only {spread:.2g} ({lowest:.{digits}f} to {highest:.{digits}f}). "
            "The colours are stretched over that range."
        )
    return False, f"Range in this crystal: {lowest:.3f} to {highest:.3f}."


def maps_of(prediction: Prediction) -> list[Map]:
    """The maps of a prediction that have values, most telling first, layers ascending.

    Args:
        prediction: With atoms; without them the list is empty. Text shares are missing in a prediction without text.
    """
    atoms: list[AtomReport] = prediction.atoms or []
    if not atoms:
        return []
    found = []
    for name, (label, meaning) in MAPS.items():
        for layer in getattr(atoms[0], name):
            values = [getattr(atom, name)[layer] for atom in atoms]
            if any(value is None for value in values):
                continue
            flat, note = note_for(label, values)
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


def atom_table(prediction: Prediction, maps: Sequence[Map]) -> dict[str, Any]:
    """The per-atom table: number, element, one column per map and layer, then the place in the cell.

    Returns:
        ``columns`` (label, numeric, digits, ``map`` = place in ``maps`` or null) and ``rows`` in the order of the file.
    """
    several = len({entry.layer for entry in maps}) > 1
    columns: list[dict[str, Any]] = [
        {
            "label": "Atom",
            "numeric": True,
            "digits": 0,
            "map": None,
            "title": "counted from 0, as in JSON, CSV, pymatgen and ASE",
        },
        {"label": "Element", "numeric": False, "map": None},
    ]
    for place, entry in enumerate(maps):
        label = f"{entry.label}, {layer_title(entry.layer)}" if several else entry.label
        digits = digits_for(entry.highest - entry.lowest)
        columns.append({"label": label, "numeric": True, "digits": digits, "map": place, "title": entry.meaning})
    along = "fractional coordinate along"
    columns.extend(
        {"label": axis, "numeric": True, "digits": 4, "map": None, "title": f"{along} {axis}"} for axis in "abc"
    )
    rows = [
        [atom.index, atom.element, *(entry.values[place] for entry in maps), *atom.frac_coords]
        for place, atom in enumerate(prediction.atoms or [])
    ]
    return {"columns": columns, "rows": rows}
