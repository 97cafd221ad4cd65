"""The exceptions a structure file, and its description, may end in."""

from __future__ import annotations

from typing import Literal, get_args

from hsegap.errors import HsegapError

StructureCode = Literal[
    "unreadable_structure",
    "unsupported_format",
    "disordered_structure",
    "overlapping_atoms",
    "degenerate_cell",
    "unknown_element",
    "too_many_atoms",
    "too_many_edges",
]
DescriptionCode = Literal["not_describable", "describe_unavailable"]
#: Codes a reader, checker or graph builder may raise; each one is documented in docs/errors.md.
STRUCTURE_ERROR_CODES: tuple[str, ...] = get_args(StructureCode)
#: Codes of a description that can't be made.
DESCRIPTION_ERROR_CODES: tuple[str, ...] = get_args(DescriptionCode)


class StructureError(HsegapError, ValueError):
    """A structure that cannot be used, with what is wrong and what to do next.

    Attributes:
        code: One of :data:`STRUCTURE_ERROR_CODES`.
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence.
    """


class DescriptionError(HsegapError, ValueError):
    """A description that cannot be made, with what is wrong and what to do next.

    Attributes:
        code: One of :data:`DESCRIPTION_ERROR_CODES`.
        message: What is wrong, in one sentence.
        hint: What the user can do about it, in one sentence.
    """
