"""What a test's own calls have warned of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def warnings_of(recorded: pytest.WarningsRecorder) -> list[str]:
    """Place and words of each recorded warning, but for those of things left open:
    what other tests have left is found by the collector of garbage at any moment.
    """
    return [
        f"{one.filename}:{one.lineno}: {one.category.__name__}: {one.message}"
        for one in recorded.list
        if not issubclass(one.category, ResourceWarning)
    ]
