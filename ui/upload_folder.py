"""A server's own folder for uploads.

Entered by its user alone, locked while it lives, removed when it is found without a server.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PREFIX = "hsegap-page-"
LOCK = "lock"
#: A folder without a lock may belong to a server that is just making it, seconds.
YOUNG_S = 60.0


class UploadFolder(NamedTuple):
    """What :func:`make` gives.

    Attributes:
        base: The server's folder.
        files: The folder in it that uploads go to.
        lock: Descriptor whose lock says that the server lives; the system lets it go with the process.
    """

    base: Path
    files: Path
    lock: int

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.base, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self.lock)


def make(prefix: str = PREFIX, *, room: Path | None = None) -> UploadFolder:
    """Make and lock a folder.

    Args:
        prefix: How its name begins.
        room: The folder to make it in; None takes the temporary one.
    """
    base = Path(tempfile.mkdtemp(prefix=prefix, dir=room)).resolve()
    lock = os.open(base / LOCK, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    files = base / "files"
    files.mkdir(mode=0o700)
    return UploadFolder(base, files, lock)


def remove_abandoned(prefix: str = PREFIX, *, room: Path | None = None) -> int:
    """Delete the folders that servers of this user have left behind when they were killed; tells how many.

    Args:
        prefix: How their names begin.
        room: The folder they lie in; None takes the temporary one.
    """
    count = 0
    for folder in (room or Path(tempfile.gettempdir())).glob(prefix + "*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and _is_abandoned(folder, found.st_mtime):
                shutil.rmtree(folder)
                count += 1
    return count


def _is_abandoned(folder: Path, changed: float) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return time.time() - changed > YOUNG_S
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True
