"""Predicting and serving: one code path for HTTP, page, command line and batch. Names are loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Core": "hsegap.service.core",
    "Failure": "hsegap.service.errors",
    "PredictRequest": "hsegap.service.schemas",
    "Prediction": "hsegap.service.schemas",
    "Predictor": "hsegap.service.predictor",
    "serve": "hsegap.service.launch",
    "verify": "hsegap.service.golden",
}

__all__ = ["Core", "Failure", "PredictRequest", "Prediction", "Predictor", "serve", "verify"]


def __getattr__(name: str) -> Any:
    """Load a name from the file it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
