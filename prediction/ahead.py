"""An artifact checked and its network loaded in a thread, while the caller imports what it needs beside them.

Hashing files and making ONNX Runtime's sessions leave the interpreter to others; together they take as long as a
command's imports.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

# Imported whole before there is a second thread: two threads amid one library's circular imports could see half of it.
import hsegap.prediction.errors  # noqa: F401 - pydantic

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.prediction.loaded import Loaded


class LoadedAhead:
    """Begins at once.

    Args:
        artifact: Artifact folder; None takes the default one.
        threads_alone: As for :class:`hsegap.prediction.loaded.Loaded`.
        head: Whether the end of the network will be wanted alone, for the atoms' contributions.
    """

    def __init__(self, artifact: Path | None, *, threads_alone: int = 1, head: bool = False) -> None:
        self._checked: Future[Loaded] = Future()
        self._thread = threading.Thread(target=self._load, args=(artifact, threads_alone, head), name="hsegap-load")
        self._thread.start()

    def checked(self) -> Loaded:
        """The artifact, once it has been checked; what is still being loaded is waited for where it is needed.

        Raises:
            hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
        """
        return self._checked.result()

    def _load(self, artifact: Path | None, threads_alone: int, head: bool) -> None:
        try:
            from hsegap.artifact.artifact import Artifact
            from hsegap.prediction.loaded import Loaded

            loaded = Loaded(Artifact.load(artifact), threads_alone=threads_alone)
        except BaseException as error:
            self._checked.set_exception(error)
            return
        self._checked.set_result(loaded)
        with contextlib.suppress(Exception):  # each prediction says so
            loaded.network()
            if head:
                loaded.head()
