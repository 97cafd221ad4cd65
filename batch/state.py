"""The state of a run: what is on disk for good, and whose run it is.

One small file, replaced whole after each batch.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from hsegap.batch.problems import ScoringError, reason_of
from hsegap.batch.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Raised when a state of an older program cannot be continued.
SCHEMA = 1


@dataclass
class RunState:
    """What has been written, and under which settings.

    Attributes:
        settings: Everything that decides the rows: inputs, artifact, options.
        batches: Batches written.
        digest: Over the inputs of those batches.
        sizes: Bytes of each file that belong to them.
        tally: Counts over their rows.
        seconds: Time the run has taken so far, over all its attempts.
        finished: Whether every input has its row.
    """

    settings: dict[str, Any]
    batches: int = 0
    digest: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    finished: bool = False

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return {
            "schema": SCHEMA,
            "finished": self.finished,
            "settings": self.settings,
            "batches": self.batches,
            "rows": self.tally.rows,
            "digest": self.digest,
            "sizes": self.sizes,
            "seconds": round(self.seconds, 3),
            "rate_per_s": round(self.tally.rows / self.seconds, 2) if self.seconds else None,
            "tally": self.tally.as_json(),
        }

    @classmethod
    def from_json(cls, text: str | bytes, *, name: str) -> Self:
        """Undo :meth:`as_json`.

        Raises:
            ScoringError: ``state`` if the text is no state this program can continue.
        """
        known = False
        try:
            data = json.loads(text)
            known = data["schema"] == SCHEMA
            state = cls(
                settings=data["settings"],
                batches=data["batches"],
                digest=data["digest"],
                sizes=data["sizes"],
                tally=Tally.from_json(data["tally"]),
                seconds=data["seconds"],
                finished=data["finished"],
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise ScoringError(
                "state", f"{name} is not a state that this version can continue.", "Start over with --force."
            )
        return state


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the settings in which two runs differ, each with both values."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name}: {_short(before.get(name))} before, {_short(now.get(name))} now" for name in names]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:76]} …"


def write_whole(path: Path, text: str, *, sync: bool = True) -> None:
    """Write a small file so that it is there whole or as it was before."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        if sync:
            stream.flush()
            os.fsync(stream.fileno())
    temporary.replace(path)
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot; their renames are as durable as they get.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn the errors of writing into the run's own, with what to do next.

    Raises:
        ScoringError: ``disk_full`` or ``output``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            message = f"There is no space left for {what} ({reason_of(error)})."
            hint = "Free some, then run the same command with --resume: what was written so far is kept."
            raise ScoringError("disk_full", message, hint) from error
        hint = "Check the path and its permissions, then run the same command with --resume."
        raise ScoringError("output", f"{what} cannot be written: {reason_of(error)}.", hint) from error


class Lock:
    """Keeps a second run off the same output. Held until closed, or until the process ends, however it ends.

    Args:
        path: The lock file.
        what: The output, for the message.

    Raises:
        ScoringError: ``locked`` if another run holds it.
    """

    def __init__(self, path: Path, *, what: str) -> None:
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(descriptor)
                if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                    hint = "Wait for it to end, or give another output with -o."
                    raise ScoringError("locked", f"Another run is writing {what}.", hint) from None
                raise
            # A run that has just ended removes its file: a lock on a file without a name keeps nobody out.
            with contextlib.suppress(OSError):
                if os.fstat(descriptor).st_ino == path.stat().st_ino:
                    self._descriptor = descriptor
                    return
            os.close(descriptor)

    def close(self) -> None:
        """Let go."""
        os.close(self._descriptor)
