"""Libraries that report home are told not to, before they are loaded.

Each of them looks at its variable when it is imported or first used, so these have to be set by then: ``text`` and ``service`` do it when
they are imported, and processes started from here inherit them. What whoever runs the program has set stays.
"""

from __future__ import annotations

import os

QUIET = {
    # Looks a host up and writes a device identifier below ~/.cache/Microsoft otherwise.
    "ORT_DISABLE_TELEMETRY": "1",
    "BENTOML_DO_NOT_TRACK": "True",  # the value 1 does not count
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def stay_quiet() -> None:
    """Set what is not set yet, for this process and those it starts."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
