"""The table of training crystals that answers name neighbours from.

Made at calibration, when the embedding's scale is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hsegap.evaluation.calibration import observe
from hsegap.prediction.nearest import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hsegap.evaluation.rows import Row
    from hsegap.evaluation.seen import Seen
    from hsegap.prediction.observed import Reference
    from hsegap.prediction.predictor import Predictor


def table_of(
    rows: Sequence[Row],
    predictor: Predictor,
    embedding: Reference,
    *,
    observed: Sequence[Seen] = (),
    advance: Callable[[], None] = lambda: None,
) -> Known:
    """Place every training crystal by its embedding with nothing told.

    Args:
        rows: Training rows.
        predictor: Of the artifact.
        embedding: Where training crystals lie, as the artifact stores it.
        observed: Rows that were seen already; they are not seen again.
        advance: Called after each of the others.

    Returns:
        The table, in the order of the rows; a row that cannot be read, or whose id came before, is left out.
    """
    by_id = {row.id: row for row in reversed(rows)}
    seen = {item.id: item for item in observed}
    others = [row for id_, row in by_id.items() if id_ not in seen]
    seen |= {item.id: item for item in observe(others, predictor, with_text=False, advance=advance)}
    kept = [by_id[id_] for id_ in dict.fromkeys(row.id for row in rows) if id_ in seen]
    return Known(
        ids=[row.id for row in kept],
        formulas=[row.formula or "" for row in kept],
        scores=np.array([embedding.scores(seen[row.id].observation.graph_embedding) for row in kept]),
        space_group=np.array([row.space_group or 0 for row in kept]),
        hse_gap_ev=np.array([row.gap_ev for row in kept]),
        pbe_gap_ev=np.array([np.nan if row.pbe_gap_ev is None else row.pbe_gap_ev for row in kept]),
    )
