"""The example crystals that one click loads.

They are read from the repository's ``examples/``, with their generated descriptions.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hsegap.ui.components import STATIC_FOLDER

#: ``examples/`` stands beside the packages in a checkout and in a bento; an installed wheel has none, and then none are
#: offered.
EXAMPLES_FOLDER = Path(__file__).resolve().parents[1] / "examples"
#: Descriptions as ``hsegap.structures.describe`` gives them, by file name and the SHA-256 of the file they were made
#: from.
DESCRIPTIONS = STATIC_FOLDER / "example_descriptions.json"


def load_examples(folder: Path | None = None) -> list[dict[str, Any]]:
    """Read the example crystals.

    Args:
        folder: Where they are; None takes the repository's.

    Returns:
        One entry per CIF, in the order of their names: ``label``, ``structure``, ``description`` (empty if none is
        stored, or the artifact finds the text unlike those it was trained on).
    """
    import hashlib

    folder = folder or EXAMPLES_FOLDER
    stored: dict[str, dict[str, Any]] = (
        json.loads(DESCRIPTIONS.read_text(encoding="utf-8")) if DESCRIPTIONS.is_file() else {}
    )
    found = []
    for path in sorted(folder.glob("*.cif"), key=lambda path: path.name.lower()):
        content = path.read_bytes()
        entry = stored.get(path.name, {})
        current = entry.get("sha256") == hashlib.sha256(content).hexdigest()
        found.append(
            {
                "label": re.sub(r"[_-]+", " ", path.stem),
                "name": path.name,
                "structure": content.decode("utf-8"),
                "description": entry.get("description", "") if current and entry.get("offered", True) else "",
            }
        )
    return found
