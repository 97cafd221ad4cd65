"""Addresses of fsspec (``s3://bucket/key``, ``gs://…``, ``memory://…``): listing, reading, writing.

Needs the extra `batch`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from hsegap.batch.problems import ScoringError, need, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_LOCAL = re.compile(r"(file|local)://", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Whether a name is an address elsewhere. ``file://`` is a path on this machine; see :func:`local_name`."""
    return bool(_ADDRESS.match(name)) and not _LOCAL.match(name)


def local_name(name: str) -> str:
    """The plain path behind ``file:///…``; other names as they are."""
    if not _LOCAL.match(name):
        return name
    return unquote(urlsplit(name).path)


def filesystem(address: str) -> tuple[Any, str]:
    """The file system behind an address, and the path in it.

    S3 goes through s3fs where that is installed, else through the client inside pyarrow. Both read the usual AWS_*
    variables, AWS_ENDPOINT_URL for other stores of that kind among them.

    Raises:
        ScoringError: ``extra_missing`` or ``address``.
    """
    need("fsspec", purpose=f"Reading {address.partition('://')[0]}:// addresses")
    core: Any = need("fsspec.core", purpose="Reading addresses")
    try:
        return cast("tuple[Any, str]", core.url_to_fs(address))
    except ImportError as error:
        if address.startswith(("s3://", "s3a://")):
            return _arrow_s3(), address.split("://", 1)[1]
        raise ScoringError(
            "extra_missing", f"{address} cannot be opened: {reason_of(error)}.", "Install the package it names."
        ) from None
    except (ValueError, OSError) as error:
        raise ScoringError(
            "address", f"{address} cannot be opened: {reason_of(error)}.", "Check the address."
        ) from None


def _arrow_s3() -> Any:
    arrow: Any = need("pyarrow.fs", purpose="Reading s3:// addresses")
    wrapper: Any = need("fsspec.implementations.arrow", purpose="Reading s3:// addresses")
    options: dict[str, Any] = {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        parts = urlsplit(endpoint)
        options = {"endpoint_override": parts.netloc or parts.path, "scheme": parts.scheme or "https"}
        # Stores of other makers know no regions; without one the client would ask the real AWS.
        options["region"] = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return wrapper.ArrowFSWrapper(arrow.S3FileSystem(**options))


def find(address: str) -> Iterator[tuple[str, str]]:
    """Every object under an address, or that match its pattern, sorted.

    Yields:
        The object's address and a stamp that changes with its content.

    Raises:
        ScoringError: If the store cannot be listed.
    """
    system, path = filesystem(address)
    scheme = address.split("://", 1)[0]
    try:
        if any(character in path for character in "*?["):
            found = system.glob(path, detail=True)
        else:
            found = system.find(path, detail=True)
            if not found and system.exists(path):
                found = {path: system.info(path)}
    except (OSError, ValueError) as error:
        raise ScoringError(
            "address", f"{address} cannot be listed: {reason_of(error)}.", "Check address and access."
        ) from None
    for name in sorted(found):
        info = found[name]
        if info.get("type") != "directory":
            yield f"{scheme}://{name.removeprefix('/') if scheme != 'memory' else name}", stamp_of(info)


def stamp_of(info: dict[str, Any]) -> str:
    """Size and version of an object, as a store tells them."""
    version = next(
        (str(info[key]) for key in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "created") if info.get(key)), ""
    )
    return f"{info.get('size')} {version}"


def open_binary(address: str) -> BinaryIO:
    """Open an object for reading; it can be searched through.

    Raises:
        OSError: If it cannot be opened.
    """
    system, path = filesystem(address)
    return cast("BinaryIO", system.open(path, "rb"))


def exists(address: str) -> bool:
    """Whether there is an object.

    Raises:
        ScoringError: If the store does not answer.
    """
    system, path = filesystem(address)
    try:
        return bool(system.exists(path))
    except OSError as error:
        raise ScoringError(
            "address", f"{address} cannot be reached: {reason_of(error)}.", "Check address and access."
        ) from None


def read_text(address: str) -> str | None:
    """Content of a small object; None if there is none."""
    system, path = filesystem(address)
    try:
        return cast("bytes", system.cat_file(path)).decode()
    except OSError:
        return None


def write_text(address: str, text: str) -> None:
    """Write a small object.

    Raises:
        OSError: If it cannot be written.
    """
    system, path = filesystem(address)
    with system.open(path, "wb") as stream:
        stream.write(text.encode())


def upload(path: Path, address: str) -> None:
    """Send a file; stores show an object only when it is whole.

    Raises:
        OSError: If it cannot be written.
    """
    system, name = filesystem(address)
    with path.open("rb") as source, system.open(name, "wb") as sink:
        while block := source.read(8 * 2**20):
            sink.write(block)
    system.invalidate_cache()
    arrived, sent = system.info(name).get("size"), path.stat().st_size
    if arrived is not None and arrived != sent:
        msg = f"{arrived} of {sent} bytes arrived"
        raise OSError(msg)
