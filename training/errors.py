"""What can be wrong with a run's data."""

from __future__ import annotations

from hsegap.errors import OneKindError


class DataError(OneKindError, ValueError):
    """Data that is not where, or not what, the options say."""

    CODE = "unusable_data"
