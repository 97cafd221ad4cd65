"""What an operator may set, as one table: environment variable, flag of ``hsegap serve``, default, meaning."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "HSEGAP_"
#: Names under which this machine reaches itself.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
Words = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(ge=0.1, allow_inf_nan=False)]
_KEY_HASH = re.compile(r"(?:[A-Za-z0-9_.-]{1,40}:)?[0-9a-f]{64}")
_ROOT_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


class Settings(BaseSettings):
    """Limits and deadlines of a server, read from the environment when it is made. Lists are separated by commas."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    artifact: str | None = Field(None, description="Artifact folder; the shipped one if unset. SIGHUP loads it again.")
    token: str | None = Field(None, repr=False, description="One access key in plain text; api_keys keeps only hashes.")
    api_keys: Words = Field(
        (),
        repr=False,
        description="Access keys as NAME:SHA256, made by `hsegap key`; every route but the health routes asks for one.",
    )
    hosts: Words = Field(
        (), description="Host names besides the loopback ones by which the server may be addressed; * for any."
    )
    origins: Words = Field(
        (), description="Origins (https://name:port) of other pages that may use the page and the API; see cors."
    )
    cors: bool = Field(default=False, description="Send CORS headers to the pages named in origins.")
    metrics_any_host: bool = Field(
        default=False, description="Answer /metrics under any host name, as a scraper by address needs."
    )
    root_path: str = Field("", description="Path below which a proxy shows the server, such as /tools/hse.")
    trusted_proxies: Words = Field(
        (), description="Addresses of proxies whose X-Forwarded-Prefix, -Host and -Proto count."
    )
    page: bool = Field(default=True, description="Serve the page under /ui.")
    processes: PositiveInt = Field(
        1, description="Server processes of the API behind the port; with more than one the page has its own."
    )
    page_port: int | None = Field(
        None, ge=1, le=65535, description="Port of the page where there are several processes; the next one if unset."
    )
    workers: PositiveInt = Field(
        2, description="Processes that read structures and build graphs, for each server process."
    )
    threads: PositiveInt = Field(1, description="Crystals in the network at the same time, one processor core each.")
    max_concurrency: PositiveInt = Field(
        64, description="Single predictions worked on at once; the next one is answered with 429."
    )
    max_batches: PositiveInt = Field(
        8, description="Batches and what-if questions worked on at once, the page's included."
    )
    max_describes: PositiveInt = Field(8, description="Descriptions generated at once, those of predictions included.")
    max_explains: PositiveInt = Field(
        4, description="Predictions at once that try a description sentence by sentence (`explain`)."
    )
    max_connections: PositiveInt = Field(
        512, description="Open connections; lowered where the open-file limit asks for it."
    )
    max_body_bytes: PositiveInt = Field(8 * 2**20, description="Largest body of an API request.")
    max_upload_bytes: PositiveInt = Field(64 * 2**20, description="Largest upload of the page.")
    max_pending_bytes: PositiveInt = Field(256 * 2**20, description="Bytes of all bodies held at once.")
    max_uploads_bytes: PositiveInt = Field(1024 * 2**20, description="Bytes of all uploads kept at once.")
    max_visitor_bytes: PositiveInt = Field(192 * 2**20, description="Bytes of uploads kept for one visitor.")
    header_timeout_s: Seconds = Field(10.0, description="Longest time for the head of a request to arrive.")
    body_timeout_s: Seconds = Field(15.0, description="Longest time for the body of an API request to arrive.")
    upload_timeout_s: Seconds = Field(120.0, description="Longest time for an upload to arrive.")
    idle_timeout_s: Seconds = Field(30.0, description="How long a connection is kept open without a request.")
    request_timeout_s: Seconds = Field(
        120.0, description="Longest time for a request, the first description's imports included."
    )
    read_deadline_s: Seconds = Field(10.0, description="Longest time for reading one structure and building its graph.")
    describe_deadline_s: Seconds = Field(
        60.0, description="Longest time for describing one structure, imports not counted."
    )
    drain_s: float = Field(
        5.0, ge=0.0, allow_inf_nan=False, description="Longest time a stopping server waits for its requests."
    )
    remember_descriptions: bool = Field(
        default=True, description="Keep generated descriptions on disk, at most 128 MB."
    )
    request_log: bool = Field(
        default=False, description="Write one line of JSON per request on standard error; never content."
    )

    @field_validator("api_keys", "hosts", "origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """A list in the environment has commas between."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("artifact", "token", mode="before")
    @classmethod
    def _strip(cls, value: Any) -> Any:
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _hashes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_KEY_HASH.fullmatch(entry) for entry in value):
            raise ValueError("each key is NAME:SHA256 with 64 hexadecimal digits, as `hsegap key` prints it")
        return value

    @field_validator("root_path")
    @classmethod
    def _path(cls, value: str) -> str:
        value = value.rstrip("/")
        if not is_prefix(value):
            raise ValueError("must be a path such as /tools/hse")
        return value

    @classmethod
    def from_env(cls, **given: Any) -> Self:
        """Read the environment as it is now.

        Args:
            given: Settings that count before the environment's.

        Raises:
            ValueError: If a value does not fit; the message names each variable but no value, for a key may be among
                them.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            wrong = [
                f"{PREFIX}{str(entry['loc'][0]).upper()}: {entry['msg']}" for entry in error.errors(include_input=False)
            ]
            raise ValueError("; ".join(wrong)) from None

    def page_port_beside(self, port: int) -> int:
        """Port of the page's own process where the API listens on ``port``."""
        return self.page_port or (port + 1 if port < 65535 else port - 1)

    @property
    def secured(self) -> bool:
        """Whether a key is asked for."""
        return self.token is not None or bool(self.api_keys)


def is_prefix(path: str) -> bool:
    """Whether a text is empty or a plain absolute path without a step upwards."""
    return _ROOT_PATH.fullmatch(path) is not None and ".." not in path.split("/") and "." not in path.split("/")
