"""`hsegap serve`: the page and the HTTP API, until interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def run(*, host: str, port: int, workers: int, artifact: Path | None) -> int:
    """Start the server and wait for its end."""
    from service.launch import serve

    return serve(host=host, port=port, workers=workers, artifact=artifact)
