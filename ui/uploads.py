"""The page's upload folder: whose a file is, how it is opened, and when it is deleted.

A path in an event is a stranger's word. It counts only if this server handed out that very path to that very visitor;
it is opened without following a link; and it is never deleted. Files end by the clock of :meth:`Uploads.sweep`, which
looks at the folder and not at any event.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from hsegap.errors import OneKindError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Uploads older than this are deleted, and looked for this often; seconds.
AGE_S = 600.0
SWEEP_S = 60.0
#: Most bytes of all uploads together, and of one visitor's.
MOST_BYTES = 1024 * 2**20
MOST_VISITOR_BYTES = 192 * 2**20
#: Most files, likewise: a batch has at most 256.
MOST_FILES = 20_000
MOST_VISITOR_FILES = 2_000
#: How long a visitor whose last page was closed may take to come back (a reload) before their uploads are deleted,
#: seconds.
AWAY_S = 30.0
#: Every step of a path is opened so: no link is followed, and a pipe put in a file's place does not block.
_STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class UploadError(OneKindError, ValueError):
    """A file that is not an upload of this visitor, not one any more, or not a plain file."""

    CODE = "invalid_request"

    def __init__(self) -> None:
        message = "One of the files is not among your uploads, or was uploaded more than ten minutes ago."
        super().__init__(message, "Choose the files again.")


class Uploads:
    """What lies in one server's upload folder.

    Args:
        folder: The folder; made for this server, entered by its user alone.
        age_s: How long an upload is kept, s.
        most_bytes: Most of all uploads together, those on their way included.
        most_visitor_bytes: Most of one visitor's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        age_s: float = AGE_S,
        most_bytes: int = MOST_BYTES,
        most_visitor_bytes: int = MOST_VISITOR_BYTES,
    ) -> None:
        self.folder = folder.resolve()
        self.age_s = age_s
        self.most_bytes = most_bytes
        self.most_visitor_bytes = most_visitor_bytes
        self._until: dict[tuple[str, str], float] = {}
        self._size: dict[tuple[str, str], int] = {}
        self._arriving: dict[str, int] = {}
        self._pages: dict[str, int] = {}
        self._left: dict[str, float] = {}

    def record(self, visitor: str, paths: Iterable[str]) -> None:
        """Remember whose the files of an upload are. Two visitors may upload the same file: each has it then."""
        until = time.monotonic() + self.age_s
        for path in paths:
            self._until[visitor, path] = until
            with contextlib.suppress(OSError):
                self._size[visitor, path] = Path(path).lstat().st_size

    def has_room(self, visitor: str, size: int) -> bool:
        """Whether an upload of so many bytes keeps within both quotas and finds room on the disk.

        Looks at the folder, so that broken-off uploads count too.
        """
        mine = [path for whose, path in self._until if whose == visitor]
        kept = sum(self._size.get((visitor, path), 0) for path in mine) + self._arriving.get(visitor, 0)
        files, everybody = self._measured()
        everybody += sum(self._arriving.values())
        return (
            size + sum(self._arriving.values()) <= shutil.disk_usage(self.folder).free
            and kept + size <= self.most_visitor_bytes
            and everybody + size <= self.most_bytes
            and len(mine) < MOST_VISITOR_FILES
            and files < MOST_FILES
        )

    def _measured(self) -> tuple[int, int]:
        """Number of files in the folder, and their bytes."""
        files = total = 0
        for _, _, names, here in os.fwalk(self.folder, follow_symlinks=False):
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.stat(name, dir_fd=here, follow_symlinks=False).st_size
                    files += 1
        return files, total

    @contextlib.contextmanager
    def arriving(self, visitor: str, size: int) -> Iterator[None]:
        """Count an upload while it is on its way."""
        self._arriving[visitor] = self._arriving.get(visitor, 0) + size
        try:
            yield
        finally:
            self._arriving[visitor] -= size
            if not self._arriving[visitor]:
                del self._arriving[visitor]

    @contextlib.contextmanager
    def present(self, visitor: str) -> Iterator[None]:
        """A page of this visitor is open meanwhile; once none is, :meth:`sweep` deletes what they had uploaded."""
        self._pages[visitor] = self._pages.get(visitor, 0) + 1
        self._left.pop(visitor, None)
        try:
            yield
        finally:
            self._pages[visitor] -= 1
            if not self._pages[visitor]:
                del self._pages[visitor]
                self._left[visitor] = time.monotonic()

    def _forget(self, visitor: str) -> None:
        """Delete what a visitor who has left had uploaded, unless another has the same file."""
        mine = [path for whose, path in self._until if whose == visitor]
        for path in mine:
            self._until.pop((visitor, path), None)
            self._size.pop((visitor, path), None)
            if not any(other == path for _, other in self._until):
                with contextlib.suppress(OSError, UploadError):
                    self.open(path).close()  # only what lies in the folder is touched
                    Path(path).unlink()

    def has(self, visitor: str | None, path: Any) -> bool:
        """Whether exactly this path was handed out to this visitor and is still kept. Looks at no file and no host."""
        return (
            visitor is not None and isinstance(path, str) and self._until.get((visitor, path), 0.0) > time.monotonic()
        )

    def open(self, path: str | Path) -> BinaryIO:
        """Open a plain file inside the folder for reading.

        Raises:
            UploadError: If it is not below the folder, is gone, is no plain file, or any step towards it is a link or
                leads upwards.
        """
        try:
            steps = Path(path).relative_to(self.folder).parts
        except ValueError:
            raise UploadError from None
        if not steps or ".." in steps:
            raise UploadError
        try:
            at = os.open(self.folder, _STEP | os.O_DIRECTORY)
            for place, name in enumerate(steps, start=1):
                below = at
                try:
                    at = os.open(name, _STEP | (os.O_DIRECTORY if place < len(steps) else 0), dir_fd=below)
                finally:
                    os.close(below)
        except (OSError, ValueError):
            raise UploadError from None
        if not stat.S_ISREG(os.fstat(at).st_mode):
            os.close(at)
            raise UploadError
        return os.fdopen(at, "rb")

    def sweep(self) -> None:
        """Delete what has been in the folder for too long; links are deleted, never followed."""
        moment = time.monotonic()
        for visitor in [visitor for visitor, left in list(self._left.items()) if left <= moment - AWAY_S]:
            del self._left[visitor]
            self._forget(visitor)
        for key in [key for key, until in self._until.items() if until <= moment]:
            del self._until[key]
            self._size.pop(key, None)
        oldest = time.time() - self.age_s
        for folder, _, names, here in os.fwalk(self.folder, topdown=False, follow_symlinks=False):
            for name in names:
                with contextlib.suppress(OSError):
                    if os.stat(name, dir_fd=here, follow_symlinks=False).st_mtime < oldest:
                        os.unlink(name, dir_fd=here)
            if Path(folder) != self.folder:
                # A folder that still holds something stays; so does one just made for an upload that is on its way.
                with contextlib.suppress(OSError):
                    if os.fstat(here).st_mtime < oldest:
                        Path(folder).rmdir()
