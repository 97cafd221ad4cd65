"""The maps as the page shows them.

One list of values per map and fusion layer, its true range, and a word where there is little to see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.ui.words import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.prediction.schemas import AtomReport, Prediction

#: Maps in eV, by the atoms' field: the keys of their words. They come before those from inside the network.
IN_EV = {"contribution_ev": "map.contribution", "told_effect_ev": "map.told"}
#: Ends of the fixed scales of maps in eV: the first that holds all values is taken, so that nothing small fills one.
SCALES_EV = (0.1, 0.3, 1.0, 3.0, 10.0)
#: A text or a fact that moves the gap by less, eV, is said to have changed nothing.
CHANGED_EV = 0.02
#: Contributions that differ by less, eV, are equal but for rounding.
EQUAL_EV = 1e-5
#: The maps from inside the network in the order in which they are offered; catalogues name and explain them.
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
    unit: str = ""
    scale: float | None = None

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


def scale_for(values: Sequence[float]) -> float:
    """End of the fixed scale of a map in eV: the first of :data:`SCALES_EV` that holds all values, else the last."""
    largest = max(abs(value) for value in values)
    return next((end for end in SCALES_EV if largest <= end), SCALES_EV[-1])


def signed_ev(value: float) -> str:
    """Three decimals with their sign, as print has it."""
    return f"{value:+.3f}".replace("-", "−")


def said_of_told(prediction: Prediction, words: Words | None = None) -> str:
    """By how much what was told moved the gap, in words; empty where nothing was told."""
    effect = prediction.told_effect_ev
    if effect is None:
        return ""
    key = "map.changed_nothing" if abs(effect) < CHANGED_EV else "map.changed"
    return (words or Words())(key, change=signed_ev(effect))


def _in_ev(prediction: Prediction, name: str, words: Words) -> Map | None:
    """A map in eV on its fixed scale; None where the prediction has no values for it."""
    given = [getattr(atom, name) for atom in prediction.atoms or []]
    values = [float(value) for value in given if value is not None]
    if len(values) != len(given) or not values:
        return None
    key, scale = IN_EV[name], scale_for(values)
    flat = max(values) - min(values) < EQUAL_EV
    note = words("map.sum", sum=signed_ev(sum(values)), scale=f"{scale:g}")
    if len(values) == 1:
        note = f"{words('map.only_atom')} {note}"
    elif flat:
        note = f"{words('map.all_equal', value=signed_ev(values[0]))} {note}"
    reference = "–" if prediction.reference_ev is None else f"{prediction.reference_ev:.2f}"
    meaning = words(f"{key}_meaning", reference=reference)
    return Map(name, "", words(key), meaning, values, min(values), max(values), flat, note, "eV", scale)


def maps_of(prediction: Prediction, words: Words | None = None) -> list[Map]:
    """The maps of a prediction that have values: those in eV, then those from inside the network, layers ascending.

    Args:
        prediction: With atoms; without them the list is empty. Text shares are missing in a prediction without text.
        words: In which language; None takes English.
    """
    words = words or Words()
    atoms: list[AtomReport] = prediction.atoms or []
    if not atoms:
        return []
    found = [made for name in IN_EV if (made := _in_ev(prediction, name, words)) is not None]
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
    several = len({entry.layer for entry in maps if entry.layer}) > 1
    counted = {"numeric": True, "digits": 0, "map": None, "title": words("map.column_atom_title")}
    columns: list[dict[str, Any]] = [
        {"label": words("map.column_atom"), **counted},
        {"label": words("map.column_element"), "numeric": False, "map": None},
    ]
    for place, entry in enumerate(maps):
        label = f"{entry.label} ({entry.unit})" if entry.unit else entry.label
        if several and entry.layer:
            layer = words("map.layer", n=entry.layer.rpartition("_")[2])
            label = words("map.label_layer", label=label, layer=layer)
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
