"""The CGCNN feature table of the elements, as jarvis-tools ships it (Xie & Grossman, PRL 120, 145301 (2018))."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np

#: Features per element and the largest atomic number in the table.
N_FEATURES = 92
MAX_ATOMIC_NUMBER = 103


@functools.lru_cache(maxsize=1)
def element_features() -> np.ndarray:
    """Features by atomic number, ``[104, 92]`` float32; row 0 is unused and zero."""
    from jarvis.core.specie import cgcnn_feature_json

    rows = json.loads(Path(cgcnn_feature_json).read_text())
    table = np.zeros((MAX_ATOMIC_NUMBER + 1, N_FEATURES), dtype=np.float32)
    for number, features in rows.items():
        if int(number) <= MAX_ATOMIC_NUMBER:
            table[int(number)] = features
    table.flags.writeable = False
    return table
