"""`hsegap serve`: the page and the HTTP API, until interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hsegap.commands import output
from hsegap.commands.options import ArtifactOption


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every network interface.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port to listen on.")] = 3000,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes that read structures: HSEGAP_WORKERS, or 2.", show_default=False)
    ] = None,
    artifact: ArtifactOption = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="With or without the page.")] = True,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request on standard error.")] = False,
) -> None:
    """Serve the page and the HTTP API until interrupted.

    The page is at /ui (and / leads there), the API at /predict, /predict_batch, /describe and /model.

    \b
    Examples:
      hsegap serve
      hsegap serve --port 8080 --workers 2
    """
    raise typer.Exit(run(host=host, port=port, workers=workers, artifact=artifact, page=page, access_log=access_log))


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
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.service.launch import LaunchError, serve

    try:
        serve(host, port, artifact=artifact, workers=workers, page=page, access_log=access_log)
    except (LaunchError, ArtifactError) as error:
        output.note(f"hsegap: {error}")
    return 1
