"""Libraries of the extras: what is missing fails, so that a skipped test never hides an install that went wrong."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest

#: Environment variable with the libraries that are known to be missing on this machine,
#: e.g. ``dgl,ray``: their tests are skipped.
WITHOUT = "TESTS_WITHOUT"


def known_missing() -> set[str]:
    """The libraries that ``TESTS_WITHOUT`` names."""
    return {name for name in os.environ.get(WITHOUT, "").split(",") if name}


def skip_without(library: str) -> None:
    """Skip the test, or the file that is being collected, where ``TESTS_WITHOUT`` names the library."""
    if library in known_missing():
        pytest.skip(f"{WITHOUT} names {library}", allow_module_level=True)


def needed(module: str) -> Any:
    """Import a library that `make test` installs.

    Raises:
        ImportError: It is missing, or can't be loaded.
    """
    skip_without(module.split(".", maxsplit=1)[0])
    return importlib.import_module(module)


def installed(library: str) -> None:
    """Like `needed`, without importing it here: for what takes long to import and is used by other processes,
    or is imported later as hsegap imports it.

    Raises:
        ImportError: It is missing.
    """
    skip_without(library)
    if importlib.util.find_spec(library) is None:
        raise ImportError(f"{library} is not installed; `make test` installs it")


def needed_robocrys() -> Any:
    """robocrys, imported the way descriptions import it: in a third of its time."""
    installed("robocrys")
    from hsegap.structures.robocrys_import import import_robocrys

    import_robocrys()
    return importlib.import_module("robocrys")


def needed_dgl() -> Any:
    """DGL, imported the way training imports it; see `needed`."""
    skip_without("dgl")
    from hsegap.training.dgl import import_dgl

    return import_dgl()
