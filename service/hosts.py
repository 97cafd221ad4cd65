"""Whose pages and which names may reach the server.

Checks of Host and Origin, and the path below which a proxy shows it.

A page elsewhere in the user's browser can send requests to a server on loopback, and a name of its own can be pointed
at 127.0.0.1. Both show in these two headers, which a browser does not let a page write.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hsegap.prediction.errors import Failure
from hsegap.service.settings import LOOPBACK, is_prefix

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from hsegap.service.settings import Settings

    Scope = MutableMapping[str, Any]

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
#: Headers that say what a proxy was asked for.
FORWARDED = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-prefix", b"x-forwarded-proto"}
)


class Hosts:
    """Decides by the operator's settings.

    Args:
        settings: Names, origins, proxies and prefix.
    """

    def __init__(self, settings: Settings) -> None:
        self._any = "*" in settings.hosts
        self._names = {name.lower() for name in (*LOOPBACK, *settings.hosts)}
        self._origins = {origin.lower().rstrip("/") for origin in settings.origins}
        self._root_path = settings.root_path
        self._proxies = set(settings.trusted_proxies)

    def refusal(self, scope: Scope, *, changes: bool) -> Failure | None:
        """Why a request is turned away for its Host or Origin; None when it is not.

        Args:
            scope: The request.
            changes: Whether it belongs to the page, changes something or costs something.
        """
        host = values(scope, b"host")
        if len(host) != 1 or (found := _HOST.fullmatch(host[0])) is None:
            return None if not host and scope.get("http_version") == "1.0" and self._any else _forbidden_host(host)
        if not self._any and found[1].lower() not in self._names and host[0].lower() not in self._names:
            return _forbidden_host(host)
        origins = values(scope, b"origin")
        if changes and origins and not (len(origins) == 1 and self._is_ours(origins[0], host[0])):
            message = "The request comes from a page of another origin."
            return Failure.make(
                "forbidden", message, "Open the server's own page, or name the origin in HSEGAP_ORIGINS."
            )
        return None

    def _is_ours(self, origin: str, host: str) -> bool:
        origin = origin.lower()
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
            default = {"http": 80, "https": 443}.get(parts.scheme)
            if default is None or parts.hostname is None or parts.path:
                return False
            asked = urlsplit(f"{parts.scheme}://{host.lower()}")
            same = (parts.hostname, parts.port or default) == (asked.hostname, asked.port or default)
        except ValueError:
            return False
        return same

    def trusts(self, scope: Scope) -> bool:
        """Whether the peer is a proxy whose word counts."""
        client = scope.get("client")
        return (
            bool(self._proxies)
            and client is not None
            and (client[0] in self._proxies or _short(client[0]) in self._proxies)
        )

    def placed(self, scope: Scope) -> Scope:
        """The request with the path below which it is shown as its root path.

        A stranger's word on where it came from is left out.
        """
        prefix = self._root_path
        if self.trusts(scope):
            named = values(scope, b"x-forwarded-prefix")
            if len(named) == 1 and is_prefix(named[0].rstrip("/")):
                prefix = named[0].rstrip("/")
        elif any(name in FORWARDED for name, _ in scope["headers"]):
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in FORWARDED]}
        if not prefix:
            return scope
        path = bare_path(scope["path"], prefix)
        raw = scope.get("raw_path") or path.encode()
        raw = raw if raw.startswith(prefix.encode() + b"/") else prefix.encode() + raw
        return {**scope, "root_path": prefix, "path": prefix + path, "raw_path": raw}


def bare_path(path: str, prefix: str) -> str:
    """A path without the prefix, whether or not the proxy has taken it off."""
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        return path[len(prefix) :] or "/"
    return path


def values(scope: Scope, name: bytes) -> list[str]:
    """All values of a request header."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _short(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _forbidden_host(host: list[str]) -> Failure:
    shown = ", ".join(host)[:100] or "none"
    return Failure.make(
        "forbidden", f"This server does not answer under this host name: {shown}.", "Name it in HSEGAP_HOSTS."
    )
