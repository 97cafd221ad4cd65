"""The package's public functions: one crystal answered, and a model of one's own loaded."""

from __future__ import annotations

import atexit
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hsegap.errors import HsegapError

if TYPE_CHECKING:
    from hsegap.prediction.predictor import Predictor
    from hsegap.prediction.schemas import Prediction

_lock = threading.Lock()
_shared: list[Predictor] = []


def load(path: str | Path | None = None) -> Predictor:
    """Load a model.

    Args:
        path: Artifact folder, as `hsegap export` writes it; None takes the one ``HSEGAP_ARTIFACT`` names, else the shipped one.

    Returns:
        A predictor: ``predictor.predict([...])`` answers many crystals in one call. It owns processes that read structures, which end
        with ``close()``, with the ``with`` block, or with this process.

    Raises:
        hsegap.artifact.artifact.ArtifactError: If the artifact must not be used.
    """
    from hsegap.artifact.artifact import Artifact
    from hsegap.prediction.predictor import Predictor

    return Predictor(Artifact.load(path))


def predict(structure: str | Path, description: str | None = None, *, pbe_gap_ev: float | None = None) -> Prediction:
    """Predict the HSE06 band gap of one crystal with the default model, which is loaded once and kept.

    Args:
        structure: Path of a structure file, or the text of one (CIF, POSCAR, extended XYZ, pymatgen JSON, JARVIS Atoms JSON). A string
            of one line is a path.
        description: What is known about the crystal, in words; None predicts from the structure alone.
        pbe_gap_ev: Its band gap by PBE or a functional like it, eV, where it is known; 0 for a metal.

    Returns:
        The prediction: ``gap_ev`` and ``interval_ev`` in eV, per-atom values, warnings.

    Raises:
        HsegapError: If there is no answer, with the code, message and hint that the HTTP API gives.
    """
    from pydantic import ValidationError

    from hsegap.prediction.errors import Failure
    from hsegap.prediction.schemas import Known, PredictRequest

    try:
        known = None if pbe_gap_ev is None else Known(pbe_gap_ev=pbe_gap_ev)
        request = PredictRequest(structure=_text_of(structure), description=description, known=known)
    except ValidationError as error:
        failure = Failure.from_validation(error)
        raise HsegapError(failure.error.code, failure.error.message, failure.error.hint) from None
    [answer] = _default().predict([request])
    if isinstance(answer, Failure):
        raise HsegapError(answer.error.code, answer.error.message, answer.error.hint)
    return answer


def _text_of(structure: str | Path) -> str:
    """The text of a structure, read from its file if a path was given."""
    from hsegap.structures.read import MAX_BYTES

    if isinstance(structure, str) and len(structure.strip().splitlines()) != 1:
        return structure
    if isinstance(structure, str) and structure.lstrip().startswith("{"):
        return structure  # JSON on one line
    path = Path(structure)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{str(structure)[:200]} could not be read: {reason}."
        raise HsegapError("unreadable_structure", message, "Check the path, or give the text of a structure file.") from None
    if len(raw) > MAX_BYTES:
        message = f"{path.name} is longer than {MAX_BYTES} bytes."
        raise HsegapError("payload_too_large", message, "Give one structure per file, in its primitive cell.")
    return raw.decode("utf-8-sig", errors="replace")


def _default() -> Predictor:
    """The default model's predictor, made on first use."""
    with _lock:
        if not _shared:
            _shared.append(load())
            atexit.register(_shared[0].close)
        return _shared[0]
