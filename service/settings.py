"""What an operator may set: read from the environment when a server starts, never at import."""

from __future__ import annotations

import os
from dataclasses import dataclass


def _number(name: str, default: float, *, least: float) -> float:
    """Read a number from the environment.

    Raises:
        ValueError: If it is not a number or below ``least``.
    """
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a number") from None
    if not value >= least:
        raise ValueError(f"{name}={text} is below {least:g}")
    return value


def _switch(name: str) -> bool:
    """Whether something that is on by default is left on."""
    return os.environ.get(name, "1").strip().lower() not in {"0", "false", "no"}


@dataclass(frozen=True)
class Settings:
    """Limits and deadlines of a server. The environment variable of each is its name in capitals after ``HSEGAP_``.

    Attributes:
        artifact: Artifact folder; None takes the one beside the package.
        token: Bearer token every route but the health routes asks for; None asks for none.
        workers: Processes that read structures and build graphs.
        threads: Crystals in the network at the same time, one processor core each.
        max_body_bytes: Largest request body of the API.
        max_upload_bytes: Largest request body of the page, which uploads archives of many files.
        max_concurrency: Requests worked on at once; the next one is answered with ``overloaded``.
        request_timeout_s: Longest time a request may take, the first description's 15 s of imports included.
        read_deadline_s: Longest time reading one structure and building its graph may take.
        describe_deadline_s: Longest time describing one structure may take.
        remember_descriptions: Whether generated descriptions are kept on disk (``HSEGAP_REMEMBER_DESCRIPTIONS=0`` keeps none).
        drain_s: Longest time a stopping server waits for the requests it is working on.
        page: Whether the page is served under ``/ui`` (``HSEGAP_PAGE=0`` serves the API alone).
    """

    artifact: str | None = None
    token: str | None = None
    workers: int = 2
    threads: int = 1
    max_body_bytes: int = 8 * 2**20
    max_upload_bytes: int = 64 * 2**20
    max_concurrency: int = 64
    request_timeout_s: float = 120.0
    read_deadline_s: float = 10.0
    describe_deadline_s: float = 60.0
    drain_s: float = 5.0
    page: bool = True
    remember_descriptions: bool = True

    @classmethod
    def from_env(cls) -> Settings:
        """Read the environment as it is now.

        Raises:
            ValueError: If a variable holds no number or one too small; the message names it.
        """
        return cls(
            artifact=os.environ.get("HSEGAP_ARTIFACT", "").strip() or None,
            token=os.environ.get("HSEGAP_TOKEN", "").strip() or None,
            workers=int(_number("HSEGAP_WORKERS", cls.workers, least=1)),
            threads=int(_number("HSEGAP_THREADS", cls.threads, least=1)),
            max_body_bytes=int(_number("HSEGAP_MAX_BODY_BYTES", cls.max_body_bytes, least=1)),
            max_upload_bytes=int(_number("HSEGAP_MAX_UPLOAD_BYTES", cls.max_upload_bytes, least=1)),
            max_concurrency=int(_number("HSEGAP_MAX_CONCURRENCY", cls.max_concurrency, least=1)),
            request_timeout_s=_number("HSEGAP_REQUEST_TIMEOUT_S", cls.request_timeout_s, least=0.1),
            read_deadline_s=_number("HSEGAP_READ_DEADLINE_S", cls.read_deadline_s, least=0.1),
            describe_deadline_s=_number("HSEGAP_DESCRIBE_DEADLINE_S", cls.describe_deadline_s, least=0.1),
            drain_s=_number("HSEGAP_DRAIN_S", cls.drain_s, least=0.0),
            page=_switch("HSEGAP_PAGE"),
            remember_descriptions=_switch("HSEGAP_REMEMBER_DESCRIPTIONS"),
        )
