"""Gaps for a column of a pandas frame, in Python.

python pandas_column.py TABLE.csv [OUT.csv]

The table has the columns `id` and `cif`, and `description` where there is one. Failed rows keep their place: their gap is missing and
`error` says why. Tested by tests/batch/test_pipelines.py.
"""

import sys

import pandas as pd

from hsegap.artifact.artifact import Artifact
from hsegap.prediction.errors import Failure
from hsegap.prediction.predictor import Predictor
from hsegap.prediction.schemas import PredictRequest


def add_gaps(frame: pd.DataFrame, predictor: Predictor) -> pd.DataFrame:
    """The frame with the columns gap_ev, low_ev, high_ev, kind and error."""
    texts = frame["description"] if "description" in frame else pd.Series(None, index=frame.index)
    requests = (
        PredictRequest(structure=cif, description=text if isinstance(text, str) else None, atoms=False)
        for cif, text in zip(frame["cif"], texts, strict=True)
    )
    rows = []
    # predict_iter takes any iterable and answers in order, so that a long column needs little memory.
    for answer in predictor.predict_iter(requests):
        if isinstance(answer, Failure):
            rows.append({"error": f"{answer.error.code}: {answer.error.message}"})
        else:
            low, high = answer.interval_ev or (None, None)
            rows.append({"gap_ev": answer.gap_ev, "low_ev": low, "high_ev": high, "kind": answer.kind})
    columns = ["gap_ev", "low_ev", "high_ev", "kind", "error"]
    return frame.join(pd.DataFrame(rows, index=frame.index, columns=columns))


if __name__ == "__main__":
    table = pd.read_csv(sys.argv[1])
    with Predictor(Artifact.load(), workers=2) as predictor:
        scored = add_gaps(table, predictor)
    scored.to_csv(sys.argv[2] if len(sys.argv) > 2 else sys.stdout, index=False)
