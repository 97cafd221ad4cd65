"""Where the program keeps what it may lose: one folder of its own, whatever it runs as."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/hsegap``, else ``~/.cache/hsegap``. It need not exist."""
    named = os.environ.get("XDG_CACHE_HOME", "").strip()
    return (Path(named) if named else Path("~/.cache").expanduser()) / "hsegap"
