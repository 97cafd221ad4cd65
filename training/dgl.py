"""DGL beside a current torch."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def import_dgl() -> ModuleType:
    """Import DGL 1.1.3 next to torch 2.13 and setuptools of today.

    DGL reads the version parser from ``setuptools.extern``, which setuptools no longer has; the ``packaging`` package
    that lived there stands in. Nothing is written to disk, and ``DGLBACKEND`` is set only where the user has not.

    Returns:
        The ``dgl`` module.

    Raises:
        ImportError: If the extra ``dgl`` is not installed; the message says how to get it.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")
    try:
        import packaging
        import packaging.version
    except ImportError as error:
        raise ImportError("DGL needs the extra `dgl`: pip install 'hsegap[dgl]'") from error
    # Only where setuptools really lacks it: an old setuptools keeps its own.
    try:
        import setuptools.extern  # noqa: F401  # its presence is the question
    except ImportError:
        sys.modules.setdefault("setuptools.extern", packaging)
        sys.modules.setdefault("setuptools.extern.packaging", packaging)
    try:
        import dgl
    except ImportError as error:
        raise ImportError("DGL needs the extra `dgl`: pip install 'hsegap[dgl]'") from error
    return dgl
