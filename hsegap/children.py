"""What a process needs that is started as ``python -m hsegap.…``.

To find this very package, whatever folder it stands in.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: One thread per library's pool, and threads that sleep while they wait: with more, processes take each other's cores.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def python_path(environment: Mapping[str, str] | None = None) -> str:
    """Value of PYTHONPATH with which a child process imports the package that this process runs.

    A checkout or a bento stands on no child's path by itself, and is put in front. An installed package is found
    anyway: its folder, in front, would let what else is installed there stand in for modules of Python's own.

    Args:
        environment: The child's environment so far, whose own PYTHONPATH comes second; None takes this process's.
    """
    home = Path(__file__).resolve().parents[1]
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return os.pathsep.join(
        filter(
            None,
            [
                "" if home in installed else str(home),
                (os.environ if environment is None else environment).get("PYTHONPATH", ""),
            ],
        )
    )
