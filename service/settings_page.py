"""docs/settings.md from the table of settings itself: `python -m hsegap.service.settings_page docs/settings.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hsegap.service.settings import PREFIX, Settings

INTRODUCTION = """# Settings of the server

Each is an environment variable and a flag of `hsegap serve`; the flag counts before the variable. Lists have commas
between, switches are 0 or 1. The token has no flag, for every user of the machine sees command lines. `make docs`
writes this page and a test keeps it so.

| variable | flag | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page, as Markdown."""
    rows = []
    for name, field in Settings.model_fields.items():
        flag = "" if name == "token" else f"`--{name.replace('_', '-')}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {flag} | {_shown(field.default)} | {field.description} |")
    return INTRODUCTION + "\n".join(rows) + "\n"


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(int(default))
    return "" if default in (None, "", ()) else f"{default:g}" if isinstance(default, float) else str(default)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
