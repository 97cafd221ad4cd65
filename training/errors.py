"""What can be wrong with a run's data."""

from __future__ import annotations


class DataError(ValueError):
    """Data that is not where, or not what, the options say."""
