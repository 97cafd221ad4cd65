"""The one exception a structure file may end in."""

from __future__ import annotations

#: Codes a reader, checker or graph builder may raise; each one is documented in docs/errors.md.
STRUCTURE_ERROR_CODES = (
    "unreadable_structure",
    "unsupported_format",
    "disordered_structure",
    "overlapping_atoms",
    "degenerate_cell",
    "unknown_element",
    "too_many_atoms",
    "too_many_edges",
)


class StructureError(ValueError):
    """A structure that cannot be used, with what is wrong and what to do next.

    Attributes:
        code: One of :data:`STRUCTURE_ERROR_CODES`.
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[StructureError], tuple[str, str, str]]:
        """Survive the trip between worker processes with all three parts."""
        return (type(self), (self.code, self.message, self.hint))
