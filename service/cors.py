"""Cross-origin requests: refused unless the operator names the pages that may make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from hsegap.service.settings import Settings

    Scope = MutableMapping[str, Any]


class Cors:
    """Headers for the pages named in the settings; nothing where CORS is off.

    Args:
        settings: Whether it is on, and for whom.
    """

    def __init__(self, settings: Settings) -> None:
        self._origins = {origin.lower().rstrip("/") for origin in settings.origins} if settings.cors else set()

    def headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """What an answer to this request carries besides."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        if not self._origins:
            return []
        if origin.decode("latin-1").lower() not in self._origins:
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
            (b"access-control-expose-headers", b"retry-after, x-request-id"),
            (b"access-control-max-age", b"600"),
            (b"vary", b"Origin"),
        ]

    def is_preflight(self, scope: Scope) -> bool:
        """Whether a browser asks first, for a page that may."""
        asks = scope["method"] == "OPTIONS" and any(
            name == b"access-control-request-method" for name, _ in scope["headers"]
        )
        return asks and len(self.headers(scope)) > 1
