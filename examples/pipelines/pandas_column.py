"""Gaps for a column of a pandas frame, in Python.

python pandas_column.py TABLE.csv [OUT.csv]

The table has the columns `id` and `cif`, and `description` where there is one. Failed rows keep their place: their gap
is missing and `error` says why. Tested by tests/batch/test_pipelines.py.
"""

import sys

import pandas as pd

import hsegap
from hsegap.prediction import PredictRequest


def add_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the columns gap_ev, low_ev, high_ev, kind and error."""
    texts = frame["description"] if "description" in frame else pd.Series(None, index=frame.index)
    # Requests hold texts: a cell that is no structure is never taken for the path of one.
    requests = [
        PredictRequest(structure=cif, description=text if isinstance(text, str) else None)
        for cif, text in zip(frame["cif"], texts, strict=True)
    ]
    answers = hsegap.predict(requests).set_index(frame.index)
    gaps = answers[["gap_ev", "interval_ev_low", "interval_ev_high", "kind"]].set_axis(
        ["gap_ev", "low_ev", "high_ev", "kind"], axis=1
    )
    return frame.join(gaps.assign(error=answers["error_code"].str.cat(answers["error_message"], sep=": ")))


if __name__ == "__main__":
    table = pd.read_csv(sys.argv[1])
    add_gaps(table).to_csv(sys.argv[2] if len(sys.argv) > 2 else sys.stdout, index=False)
