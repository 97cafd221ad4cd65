"""Libraries that report home are told not to, before they are loaded.

Each of them looks at its variable when it is imported or first used, so ``import hsegap`` sets them, and processes
started from here inherit them. What whoever runs the program has set stays. Nothing else is changed for those who
import the package.
"""

from __future__ import annotations

import os

QUIET = {
    # Looks a host up and writes a device identifier below ~/.cache/Microsoft otherwise.
    "ORT_DISABLE_TELEMETRY": "1",
    "BENTOML_DO_NOT_TRACK": "True",  # the value 1 does not count
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def stay_quiet() -> None:
    """Set what is not set yet, for this process and those it starts."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
