"""Memory that nothing uses any more, given back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def give_back() -> None:
    """Give memory that nothing uses back to the system.

    Loading takes more than running: files as read, weights before they are packed, the modules' source. The C library
    keeps what was freed between two pieces that live on; a server that has loaded something has no use for it.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # the call is glibc's
        ctypes.CDLL(None).malloc_trim(0)
