"""The one shape of every error a user meets: what kind, what is wrong, what to do next."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple


class Problem(NamedTuple):
    """The same three things where nothing is raised: why one input of many never became a request.

    Attributes:
        code: One of the codes of docs/errors.md and docs/batch.md.
        message: What is wrong, in one sentence.
        hint: What to do next, in one sentence.
    """

    code: str
    message: str
    hint: str

    def entry(self, *, name: str | None = None, index: int | None = None) -> dict[str, Any]:
        """The error object that stands in place of an answer.

        Args:
            name: Of the input.
            index: Place of the input among others.
        """
        error = self._asdict() if index is None else {**self._asdict(), "index": index}
        return {"error": error} if name is None else {"id": name, "error": error}


class HsegapError(Exception):
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

    @property
    def problem(self) -> Problem:
        """Code, message and hint alone."""
        return Problem(self.code, self.message, self.hint)

    def __str__(self) -> str:
        """Both sentences."""
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[object, tuple[type[HsegapError], str, str, str]]:
        """Survive the trip between processes with all three parts, whatever a subclass is made from."""
        return (_again, (type(self), self.code, self.message, self.hint))


class OneKindError(HsegapError):
    """An error whose class says its kind.

    Args:
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence; may be empty.
    """

    CODE: ClassVar[str]

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(self.CODE, message, hint)


def _again(kind: type[HsegapError], code: str, message: str, hint: str) -> HsegapError:
    error = kind.__new__(kind)
    HsegapError.__init__(error, code, message, hint)
    return error
