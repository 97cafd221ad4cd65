"""Access keys, kept as hashes and compared in constant time.

They are given as Bearer token or as the password of a browser's login box.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from hsegap.service.settings import Settings

    Scope = MutableMapping[str, Any]


def new_key() -> str:
    """A key that nobody guesses: 32 random bytes, so that a plain hash of it gives nothing away."""
    return "hse_" + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    """What the configuration keeps of a key, 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys a server asks for.

    Args:
        settings: Their hashes, and the one token in plain text that a server of old may have.
    """

    def __init__(self, settings: Settings) -> None:
        self._hashes: dict[str, str] = {}
        for place, entry in enumerate(settings.api_keys, start=1):
            name, _, digest = entry.rpartition(":")
            self._hashes[digest] = name or f"key{place}"
        if settings.token is not None:
            self._hashes[hash_of(settings.token)] = "token"

    def holder(self, scope: Scope) -> str | None:
        """Name of the key that a request carries: empty where none is asked for, None where it has none that fits."""
        if not self._hashes:
            return ""
        given = _given(scope)
        if given is None:
            return None
        digest = hash_of(given)
        found = None
        for known, name in self._hashes.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(known, digest):
                found = name
        return found


def _given(scope: Scope) -> str | None:
    """The key in the Authorization header."""
    headers = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
    if len(headers) != 1:
        return None
    scheme, _, value = headers[0].partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return value if scheme.lower() == "bearer" and value else None
