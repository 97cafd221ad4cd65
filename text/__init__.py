"""A description becomes vectors: normalisation, tokenizer and the exported encoder, without torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Its file has the same name and would take its place.
from hsegap.text.normalise import normalise, read_table

if TYPE_CHECKING:
    from hsegap.text.cache import VectorCache, vector_key
    from hsegap.text.encoder import TextEncoder
    from hsegap.text.errors import TextEncoderError
    from hsegap.text.facts import extract_facts
    from hsegap.text.settings import TextEncoderSettings
    from hsegap.text.stated import Fact, FactReading

_PLACES = {
    "Fact": "stated",
    "FactReading": "stated",
    "TextEncoder": "encoder",
    "TextEncoderError": "errors",
    "TextEncoderSettings": "settings",
    "VectorCache": "cache",
    "extract_facts": "facts",
    "vector_key": "cache",
}

__all__ = [
    "Fact",
    "FactReading",
    "TextEncoder",
    "TextEncoderError",
    "TextEncoderSettings",
    "VectorCache",
    "extract_facts",
    "normalise",
    "read_table",
    "vector_key",
]


def __getattr__(name: str) -> Any:
    # Most requests have no text: what reads and encodes one is imported when the first comes.
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"hsegap.text.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
