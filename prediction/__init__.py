"""A crystal and a text become an answer: one code path for HTTP, page, command line and batch.

Names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Failure": "hsegap.prediction.errors",
    "PredictRequest": "hsegap.prediction.schemas",
    "Prediction": "hsegap.prediction.schemas",
    "Predictor": "hsegap.prediction.predictor",
    "verify": "hsegap.prediction.golden",
}

__all__ = ["Failure", "PredictRequest", "Prediction", "Predictor", "verify"]


def __getattr__(name: str) -> Any:
    """Load a name from the file it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
