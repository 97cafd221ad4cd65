"""A description becomes vectors: normalisation, tokenizer and the exported encoder, without torch."""

from text.cache import VectorCache, vector_key
from text.encoder import TextEncoder
from text.errors import TextEncoderError
from text.normalise import normalise, read_table
from text.quiet import stay_quiet
from text.settings import TextEncoderSettings

__all__ = ["TextEncoder", "TextEncoderError", "TextEncoderSettings", "VectorCache", "normalise", "read_table", "vector_key"]

stay_quiet()
