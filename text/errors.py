"""The one exception a text encoder may end in."""

from __future__ import annotations


class TextEncoderError(ValueError):
    """A text encoder that cannot be loaded, exported or used, with what is wrong and what to do next.

    Attributes:
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[TextEncoderError], tuple[str, str]]:
        """Survive the trip between worker processes with both parts."""
        return (type(self), (self.message, self.hint))
