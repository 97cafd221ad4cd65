"""`hsegap key`: an access key for a server, and the hash of it that its configuration keeps."""

from __future__ import annotations

import re
from typing import Annotated

import typer


def key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose key it is: letters, digits, dot, dash and underscore.")
    ],
) -> None:
    """Make an access key for a server.

    The key is printed on standard output and stored nowhere: give it to its user. The entry for the server's
    HSEGAP_API_KEYS, which holds only the key's hash, is printed on standard error; entries of several users stand there
    with commas between.

    \b
    Examples:
      hsegap key alice
      hsegap key alice > alice.key
    """
    from hsegap.service.access import hash_of, new_key

    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name):
        raise typer.BadParameter("up to 40 letters, digits, dots, dashes and underscores", param_hint="NAME")
    made = new_key()
    typer.echo(made)
    typer.echo(f"HSEGAP_API_KEYS entry: {name}:{hash_of(made)}", err=True)
