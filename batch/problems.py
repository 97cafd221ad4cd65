"""What can go wrong around a prediction: a run that cannot go on, and an input that costs its own row only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from hsegap.errors import HsegapError, Problem

if TYPE_CHECKING:
    from types import ModuleType

#: Codes of rows that failed before the predictor saw them, beside those of :mod:`hsegap.prediction.errors`. Documented
#: in docs/batch.md.
INPUT_ERROR_CODES = ("unreadable_input", "unsafe_archive")


class ScoringError(HsegapError):
    """A run that cannot start or go on, with what is wrong and what to do next."""


def unreadable(message: str, hint: str = "Check the path and its permissions.") -> Problem:
    """A file, folder, archive or table that cannot be read (further)."""
    return Problem("unreadable_input", message, hint)


def reason_of(error: BaseException) -> str:
    """The operating system's own words for an error, without the path that the caller names anyway."""
    text = getattr(error, "strerror", None) or str(error).strip().split("\n")[0]
    return text[:200] or type(error).__name__


def harmless(text: str) -> str:
    """Text for a terminal: what a file's name could steer it with is spelled out."""
    return "".join(
        character if character.isprintable() or character == "\n" else ascii(character)[1:-1] for character in text
    )


def need(module: str, *, purpose: str, extra: str = "batch") -> ModuleType:
    """Import a module of an optional extra.

    Args:
        module: Its name, ``pyarrow.parquet`` say.
        purpose: What it is wanted for; the beginning of the message.
        extra: The extra of hsegap that brings it.

    Raises:
        ScoringError: ``extra_missing``, naming the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        hint = f"Install it with: pip install 'hsegap[{extra}]'"
        raise ScoringError("extra_missing", f"{purpose} needs {name}, which is not installed.", hint) from None
