"""Answers as a pandas frame, by the columns that `hsegap score` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hsegap.batch.batches import Item
from hsegap.batch.rows import COLUMNS, flat, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import Prediction


def frame_of(
    answers: Iterable[Prediction | Failure], *, names: Sequence[str | None], index: Any = None, atoms: bool = False
) -> pd.DataFrame:
    """One row per crystal, in order.

    Args:
        answers: Predictions and failures.
        names: Path of each crystal; None for one that has none.
        index: Labels of the rows; None counts from 0. A method (that of a list) is none.
        atoms: With a column of per-atom values.

    Returns:
        A frame with :data:`hsegap.batch.rows.COLUMNS`, numbers as numbers; ``warnings`` holds lists of code and
        message, ``atoms`` lists of the atoms' values. ``index`` is the frame's own and no column.
    """
    import pandas as pd

    rows, maps = [], []
    for place, (answer, name) in enumerate(zip(answers, names, strict=True)):
        entry = answer.model_dump(mode="json")
        row = flat(row_of(Item(name or ""), entry, index=place))
        rows.append({**row, "id": name})
        maps.append(entry.get("atoms"))
    labels = None if index is None or callable(index) else index
    frame = pd.DataFrame(rows, columns=[column for column in COLUMNS if column != "index"], index=labels)
    kinds = {"number": "float64", "integer": "Int64"}
    frame = frame.astype({name: kinds[kind] for name, kind in COLUMNS.items() if kind in kinds and name != "index"})
    return frame.assign(atoms=maps) if atoms else frame
