"""Start a server.

Check what can be checked at once, set a quiet and lean environment, hand over to the server process.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hsegap.children import ONE_THREAD, python_path
from hsegap.errors import OneKindError
from hsegap.quiet import QUIET

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Telemetry off, one thread per pool. What the operator has set already stays.
ENVIRONMENT = {
    **QUIET,
    **ONE_THREAD,
    "HF_HUB_OFFLINE": "1",
    "MALLOC_ARENA_MAX": "2",  # many threads that mostly wait would each keep a heap of their own
}


class LaunchError(OneKindError, RuntimeError):
    """A server that cannot be started, with what is wrong and what to do next."""

    CODE = "cannot_serve"


def check_port(host: str, port: int) -> None:
    """Make sure that the address can be listened on.

    Raises:
        LaunchError: If it is taken, not allowed, or not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise LaunchError(
            f"{host} is not an address of this machine: {error.strerror or error}.", "Use --host 127.0.0.1."
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            hint = f"Stop what listens there, or choose another port with --port (for example {port + 1})."
            raise LaunchError(
                f"Port {port} on {host} cannot be used: {(error.strerror or str(error)).lower()}.", hint
            ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address, whatever name it is given by."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def server_command(*, host: str, port: int, access_log: bool = False) -> list[str]:
    """Command line of the server process."""
    # -P: a file in the working directory must not be able to stand in for a module.
    command = [sys.executable, "-P", "-m", "hsegap.service.server", "--host", host, "--port", str(port)]
    return [*command, "--access-log"] if access_log else command


def server_environment(
    *,
    artifact: str | Path | None = None,
    workers: int | None = None,
    page: bool = True,
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Environment of the server process.

    Args:
        artifact: Artifact folder; None leaves the choice to the environment.
        workers: Reading processes; None leaves it to the environment.
        page: Whether to serve the page.
        base: Environment to start from; None takes the current one.
    """
    environment = {**ENVIRONMENT, **(os.environ if base is None else base)}
    environment["PYTHONPATH"] = python_path(environment)
    if artifact is not None:
        environment["HSEGAP_ARTIFACT"] = str(
            Path(artifact).absolute()
        )  # a link may point elsewhere when it is loaded again
    if workers is not None:
        environment["HSEGAP_WORKERS"] = str(workers)
    if not page:
        environment["HSEGAP_PAGE"] = "0"
    return environment


def serve(
    host: str = "127.0.0.1",
    port: int = 3000,
    *,
    artifact: str | Path | None = None,
    workers: int | None = None,
    page: bool = True,
    access_log: bool = False,
    open_to_all: bool = False,
    more: Mapping[str, str] | None = None,
) -> NoReturn:
    """Become the server: this process is replaced by it, so signals reach it directly.

    It prints one line with its addresses when it is ready, and ends within seconds of SIGTERM or Ctrl-C after finishing
    what it works on.

    Args:
        host: Address to listen on. Anything but the loopback address lets others in: set HSEGAP_TOKEN then.
        port: Port to listen on.
        artifact: Artifact folder; None takes the default one.
        workers: Processes that read structures; None takes HSEGAP_WORKERS or 2.
        page: Whether to serve the page under ``/ui``.
        access_log: Whether to log each request.
        open_to_all: Whether to ask for no key on an address that others can reach.
        more: Settings by environment variable; they count before the environment's.

    Raises:
        LaunchError: If the address cannot be used, a setting is not valid, or others could come in without a key.
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
    """
    from hsegap.artifact.artifact import Artifact
    from hsegap.service.settings import Settings

    os.environ.update(more or {})
    try:
        settings = Settings.from_env()
    except ValueError as error:
        raise LaunchError(f"A setting is not valid: {error}.", "Correct or unset the environment variable.") from error
    check_port(host, port)
    if settings.processes > 1 and settings.page and page:
        check_port(host, settings.page_port_beside(port))
    if not is_loopback(host):
        if not (settings.secured or open_to_all):
            hint = "Make access keys with `hsegap key NAME` and set HSEGAP_API_KEYS, or let everybody in with --open."
            raise LaunchError(f"Others can reach {host}, and the server would ask nobody for a key.", hint)
        # Names that no stranger can point elsewhere: the address itself, and the machine's own.
        own = [name for name in (socket.gethostname(), host) if name not in {"0.0.0.0", "::"}]  # noqa: S104 - compared, not listened on
        os.environ["HSEGAP_HOSTS"] = ",".join(
            [*settings.hosts, *(f"[{name}]" if ":" in name else name for name in own)]
        )
    Artifact.load(artifact or settings.artifact)
    environment = server_environment(artifact=artifact, workers=workers, page=page)
    command = server_command(host=host, port=port, access_log=access_log)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, environment)  # noqa: S606 - a list, never a shell
