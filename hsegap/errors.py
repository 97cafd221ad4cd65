"""The one shape of every error a user meets: what kind, what is wrong, what to do next."""

from __future__ import annotations

from typing import Self


class HsegapError(ValueError):
    """Something that cannot be done, with what is wrong and what to do next.

    Args:
        code: Its kind, one of those documented in docs/errors.md.
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence; may be empty.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        """Survive the trip between processes with all three parts."""
        return (type(self), (self.code, self.message, self.hint))
