"""Partial occupancy as ASE keeps it: one element for each site, and a table of what else is there."""

from __future__ import annotations

from typing import Any

#: Occupancies this near to 1 are taken for 1.
OCCUPANCY_TOLERANCE = 0.01


def is_full(value: object) -> bool:
    """Whether an occupancy, a number or its text, is 1. What is no number is none."""
    try:
        return abs(float(value) - 1) <= OCCUPANCY_TOLERANCE  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def partial_kinds(kinds: Any) -> dict[str, str]:
    """Kinds of sites that are not filled by one element, with their elements in words.

    Args:
        kinds: ``Atoms.info["occupancy"]``: by kind of site, shares by element, ``{0: {"Ga": 0.7, "Al": 0.3}}``.
            Anything else holds no such kinds.
    """
    if not isinstance(kinds, dict):
        return {}
    return {
        str(name)[:20]: ", ".join(f"{str(symbol)[:20]} {str(share)[:20]}" for symbol, share in shares.items())
        for name, shares in kinds.items()
        if isinstance(shares, dict) and not (len(shares) == 1 and is_full(next(iter(shares.values()))))
    }
