"""`hsegap serve`: the page and the HTTP API, until interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hsegap.commands import output

if TYPE_CHECKING:
    from pathlib import Path


def run(*, host: str, port: int, workers: int | None, artifact: Path | None, page: bool, access_log: bool) -> int:
    """Become the server. Comes back only when it cannot be started.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes that read structures; None leaves it to HSEGAP_WORKERS.
        artifact: Artifact folder; None takes the default one.
        page: With the page under /ui.
        access_log: Log each request.

    Returns:
        Exit status 1, after saying on standard error why there is no server.
    """
    from hsegap.export.artifact import ArtifactError
    from hsegap.service.launch import LaunchError, serve

    try:
        serve(host, port, artifact=artifact, workers=workers, page=page, access_log=access_log)
    except (LaunchError, ArtifactError) as error:
        output.note(f"hsegap: {error.message} {error.hint}".rstrip())
    return 1
