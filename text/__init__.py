"""A description becomes vectors: normalisation, tokenizer and the exported encoder, without torch."""

from hsegap.text.cache import VectorCache, vector_key
from hsegap.text.encoder import TextEncoder
from hsegap.text.errors import TextEncoderError
from hsegap.text.normalise import normalise, read_table
from hsegap.text.settings import TextEncoderSettings

__all__ = ["TextEncoder", "TextEncoderError", "TextEncoderSettings", "VectorCache", "normalise", "read_table", "vector_key"]
