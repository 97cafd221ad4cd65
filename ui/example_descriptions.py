"""Write ``static/example_descriptions.json``: what ``hsegap.structures.describe`` says about each example crystal.

``python -m hsegap.ui.example_descriptions`` runs it; needed after a change in ``examples/`` or of the wording (a test
notices both).
"""

from __future__ import annotations

import hashlib
import json


def main() -> None:
    """Describe the examples that are new or changed, and forget those that are gone."""
    from hsegap.structures import describe, read
    from hsegap.ui.examples import DESCRIPTIONS, EXAMPLES_FOLDER

    known = json.loads(DESCRIPTIONS.read_text(encoding="utf-8")) if DESCRIPTIONS.is_file() else {}
    made = {}
    for path in sorted(EXAMPLES_FOLDER.glob("*.cif")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        old = known.get(path.name, {})
        made[path.name] = (
            old if old.get("sha256") == digest else {"sha256": digest, "description": describe(read(path))}
        )
        print(f"{path.name}: {len(made[path.name]['description'])} characters")
    DESCRIPTIONS.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
