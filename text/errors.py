"""The one exception a text encoder may end in."""

from __future__ import annotations

from hsegap.errors import OneKindError


class TextEncoderError(OneKindError, ValueError):
    """A text encoder that cannot be loaded, exported or used, with what is wrong and what to do next.

    Attributes:
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence.
    """

    CODE = "text_encoder"
