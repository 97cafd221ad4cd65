"""What libraries write that does not belong into a server's log: strangers' mistakes, and what strangers submitted."""

from __future__ import annotations

import logging
import sys

#: Loggers whose lines about a request are answered to the client already.
_CLIENT_ERRORS = {"bentoml._internal.server.http_app": ("ValidationError",)}
#: One line for each malformed request would let strangers fill the disk.
_STRANGERS = (
    "Invalid HTTP request received.",
    "Unsupported upgrade request.",
    "No supported WebSocket library",
    "Exceeded concurrency limit.",
)


def _without_client_errors(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ not in _CLIENT_ERRORS.get(record.name, ())


def _without_strangers(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_STRANGERS)


def quiet_logs() -> None:
    """Filter the libraries' loggers; calling it again changes nothing."""
    for name in _CLIENT_ERRORS:
        logging.getLogger(name).addFilter(_without_client_errors)
    logging.getLogger("uvicorn.error").addFilter(_without_strangers)


def write_request_lines() -> None:
    """Write the requests' lines of JSON on standard error, one per line and nothing around them."""
    logger = logging.getLogger("hsegap.requests")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)


def start_log() -> None:
    """Write warnings and errors on standard error."""
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=form)
