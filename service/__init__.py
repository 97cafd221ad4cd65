"""Serving over HTTP: admission, routes, life cycle, settings. Names are loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Core": "hsegap.service.core",
    "serve": "hsegap.service.launch",
}

__all__ = ["Core", "serve"]


def __getattr__(name: str) -> Any:
    """Load a name from the file it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
