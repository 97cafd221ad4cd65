"""Halves of a data set that stay the same wherever and in whatever order its rows are read."""

from __future__ import annotations

import hashlib


def in_second_half(identifier: str) -> bool:
    """Whether a row belongs to the second of two halves drawn by its id.

    Validation rows of the first half select among networks, those of the second calibrate the intervals: a network
    chosen on the rows it is calibrated with would look surer than it is.

    Args:
        identifier: Of the row.
    """
    return bool(hashlib.sha256(identifier.encode()).digest()[0] & 1)


def fold_of(identifier: str, folds: int) -> int:
    """Fold 0 … ``folds − 1`` of a row, drawn by its id.

    Args:
        identifier: Of the row.
        folds: Their number, at least 2.
    """
    return int.from_bytes(hashlib.sha256(f"fold {identifier}".encode()).digest()[:4]) % folds
