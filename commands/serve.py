"""`hsegap serve`: the page and the HTTP API, until interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hsegap.commands import output
from hsegap.commands.options import ArtifactOption
from hsegap.commands.setting_flags import given


def serve(
    context: typer.Context,
    *,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every network interface.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="Port to listen on.")] = 3000,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Processes that read structures: HSEGAP_WORKERS, or 2.", show_default=False
        ),
    ] = None,
    artifact: ArtifactOption = None,
    page: Annotated[bool, typer.Option("--page/--no-page", help="With or without the page.")] = True,
    access_log: Annotated[bool, typer.Option("--access-log", help="Log each request on standard error.")] = False,
    open_to_all: Annotated[bool, typer.Option("--open", help="Ask for no key, whoever can reach the address.")] = False,
) -> None:
    """Serve the page and the HTTP API until interrupted.

    The page is at /ui (and / leads there), the API at /predict, /predict_batch, /describe and /model.
    On an address that others can reach it starts only with access keys (`hsegap key`) or with --open.
    SIGHUP loads the artifact again, SIGTERM ends the server when its requests are answered.

    Every setting is also an environment variable: --max-batches is HSEGAP_MAX_BATCHES.

    \b
    Examples:
      hsegap serve
      hsegap serve --port 8080 --workers 2
      HSEGAP_API_KEYS=alice:HASH hsegap serve --host 0.0.0.0 --hosts gap.lab.example
    """
    more = given(context)
    raise typer.Exit(
        run(
            host=host,
            port=port,
            workers=workers,
            artifact=artifact,
            page=page,
            access_log=access_log,
            open_to_all=open_to_all,
            more=more,
        )
    )


def run(
    *,
    host: str,
    port: int,
    workers: int | None,
    artifact: Path | None,
    page: bool,
    access_log: bool,
    open_to_all: bool,
    more: dict[str, str],
) -> int:
    """Become the server. Comes back only when it cannot be started.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes that read structures; None leaves it to HSEGAP_WORKERS.
        artifact: Artifact folder; None takes the default one.
        page: With the page under /ui.
        access_log: Log each request.
        open_to_all: Ask for no key on an address that others can reach.
        more: Settings, by environment variable.

    Returns:
        Exit status 1, after saying on standard error why there is no server.
    """
    from hsegap.artifact.artifact import ArtifactError
    from hsegap.service.launch import LaunchError, serve

    try:
        serve(
            host,
            port,
            artifact=artifact,
            workers=workers,
            page=page,
            access_log=access_log,
            open_to_all=open_to_all,
            more=more,
        )
    except (LaunchError, ArtifactError) as error:
        output.note(f"hsegap: {error}")
    return 1
