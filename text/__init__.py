"""A description becomes vectors: normalisation, tokenizer and the exported encoder, without torch."""

from hsegap.text.cache import VectorCache, vector_key
from hsegap.text.encoder import TextEncoder
from hsegap.text.errors import TextEncoderError
from hsegap.text.facts import Fact, FactReading, extract_facts
from hsegap.text.normalise import normalise, read_table
from hsegap.text.settings import TextEncoderSettings

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
