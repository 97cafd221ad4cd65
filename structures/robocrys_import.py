"""robocrystallographer imported without what takes two thirds of its import and decides nothing about its words.

pymatgen parses the literature reference of each of its 288 mineral prototypes to see that it is valid BibTeX, which it
is. inflect, which makes plurals, has the source of its methods rewritten so that each call checks the types of its
arguments.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def import_robocrys() -> None:
    """Import robocrys, if it is not imported yet.

    Raises:
        ImportError: If it is not installed.
    """
    import sys

    if "robocrys" in sys.modules:
        return
    with _unchecked():
        import robocrys  # noqa: F401 - the import is the point


@contextmanager
def _unchecked() -> Iterator[None]:
    """While this lasts, references count as valid and decorated classes stay as they are."""
    import typeguard
    from pymatgen.util import provenance

    def as_it_is(target: Any = None, **_: Any) -> Any:
        return target if target is not None else as_it_is

    parts = [
        (provenance, "is_valid_bibtex", lambda _reference: True),
        (typeguard, "typechecked", as_it_is),
    ]
    with replaced(parts):
        yield


@contextmanager
def replaced(parts: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """While this lasts, each attribute ``(owner, name, value)`` has that value; afterwards its own again."""
    before = [getattr(owner, name) for owner, name, _ in parts]
    for owner, name, value in parts:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), own in zip(parts, before, strict=True):
            setattr(owner, name, own)
