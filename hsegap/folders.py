"""Where the program keeps what it may lose: one folder of its own, whatever it runs as."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from functools import lru_cache
from pathlib import Path


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/hsegap``, else ``~/.cache/hsegap``. It need not exist.

    A user without a home (a container that runs under a bare number) has one in the temporary folder, named by that
    number.
    """
    named = os.environ.get("XDG_CACHE_HOME", "").strip()
    if named:
        return Path(named) / "hsegap"
    try:
        return Path("~/.cache").expanduser() / "hsegap"
    except RuntimeError:
        return _own_temporary_folder()


@lru_cache(maxsize=1)
def _own_temporary_folder() -> Path:
    """A folder in the temporary one that nobody else can have put something into."""
    folder = Path(tempfile.gettempdir()) / f"hsegap-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        found = folder.lstat()
    except OSError:
        return folder  # nothing can be written there; who tries says so
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="hsegap-"))
