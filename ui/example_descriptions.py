"""Write ``static/example_descriptions.json``: what ``hsegap.structures.describe`` says about each example crystal.

``python -m hsegap.ui.example_descriptions`` runs it; needed after a change in ``examples/`` or of the wording, and with
every new artifact, since a text that the shipped artifact finds unlike its training texts is not offered (tests notice
all three).
"""

from __future__ import annotations

import hashlib
import json


def main() -> None:
    """Describe examples that are new or changed, forget those that are gone, ask the artifact which to offer."""
    from hsegap.artifact.artifact import Artifact, default_artifact
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import Prediction, PredictRequest
    from hsegap.structures import describe, read
    from hsegap.ui.examples import DESCRIPTIONS, EXAMPLES_FOLDER

    known = json.loads(DESCRIPTIONS.read_text(encoding="utf-8")) if DESCRIPTIONS.is_file() else {}
    made = {}
    with Predictor(Artifact.load(default_artifact())) as predictor:
        for path in sorted(EXAMPLES_FOLDER.glob("*.cif")):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            old = known.get(path.name, {})
            text = old["description"] if old.get("sha256") == digest else describe(read(path))
            request = PredictRequest(structure=path.read_text(encoding="utf-8"), description=text, atoms=False)
            answer = predictor.predict_one(request)
            unlike = isinstance(answer, Prediction) and any(
                warning.code == "text_unlike_training" for warning in answer.warnings
            )
            made[path.name] = {"sha256": digest, "description": text, "offered": not unlike}
            print(f"{path.name}: {len(text)} characters{', not offered' if unlike else ''}")
    DESCRIPTIONS.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
