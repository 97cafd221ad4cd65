"""The reading process of `hsegap predict`, begun before the command's own imports: both take as long.

A module of few imports, for the command imports it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.prediction.worker_start import begin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.prediction.worker_start import Begun

_begun: list[Begun] = []


def begin_early(arguments: Sequence[str]) -> None:
    """Begin the process if a command will want it. One that is not wanted after all ends with the command.

    Args:
        arguments: Of the command line, behind the program's name.
    """
    if arguments[:1] == ["predict"] and not {"-h", "--help"} & set(arguments):
        _begun.append(begin("read"))


def reader() -> Begun:
    """The process that was begun, else one that begins now."""
    return _begun.pop() if _begun else begin("read")
