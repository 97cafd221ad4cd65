"""`hsegap export`: a trained checkpoint becomes an artifact. Needs the extra `train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.commands import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.text.settings import Pooling


class _OptionError(ValueError):
    """An option whose value cannot be used."""


class EncoderWish(NamedTuple):
    """What the user says about the text encoder; None where nothing was said.

    Attributes:
        name: Name, transformers folder or exported encoder; None takes the one the checkpoint was trained with, or the default.
        pooling: What stands in token 0.
        max_tokens: Longest text.
        table: Character table.
    """

    name: str | None
    pooling: Pooling | None = None
    max_tokens: int | None = None
    table: Path | None = None


def run(
    checkpoint: Path,
    out: Path,
    *,
    name: str | None,
    version: str,
    encoder: EncoderWish,
    golden: Path | None,
    describe: bool,
    metrics: Path | None,
    calibration: Path | None,
    settings: Sequence[str],
    cache_dir: Path,
) -> int:
    """Export a checkpoint and check what was written.

    Args:
        checkpoint: Ours or one of the CrysMMNet family.
        out: Artifact folder to write.
        name: Of the artifact; None takes the folder's.
        version: Of the artifact.
        encoder: The text encoder.
        golden: Folder of CIF files whose predictions go into the artifact; None takes the examples.
        describe: Store each of them with a generated description too.
        metrics: JSON file of the manifest's metrics.
        calibration: JSON file of the manifest's calibration.
        settings: ``key=value`` entries of the configuration that the checkpoint does not hold.
        cache_dir: Folder that keeps exported text encoders.

    Returns:
        Exit status: 0 if the artifact was written and gives here what the network gave, else 1.
    """
    golden = golden or Path(__file__).resolve().parents[1] / "examples"
    # What costs nothing to check comes first: torch takes seconds, descriptions take minutes.
    if not any(golden.glob("*.cif")):
        output.note(f"hsegap: {golden} holds no CIF files. Name a folder of crystals with --golden.")
        return 1
    if not checkpoint.is_file():
        output.note(f"hsegap: There is no file {checkpoint}.")
        return 1
    if output.training_is_missing("exporting"):
        return 1
    from hsegap.export.build import ArtifactFacts, build_artifact
    from hsegap.export.golden import golden_inputs
    from hsegap.export.parity import ParityError
    from hsegap.models.checkpoint import CheckpointError, read_checkpoint
    from hsegap.structures import StructureError
    from hsegap.text import TextEncoderError

    try:
        facts = ArtifactFacts(
            name=name or out.resolve().name, version=version, metrics=_read_json(metrics) or {}, calibration=_read_json(calibration)
        )
        overrides = dict(_setting(entry) for entry in settings)
        # Exporting an encoder and describing crystals take minutes: a checkpoint that cannot be used is refused before.
        read_checkpoint(checkpoint, overrides=overrides)
        encoder_folder = _encoder(encoder, checkpoint, cache_dir)
        folder = build_artifact(
            checkpoint,
            out,
            encoder_folder=encoder_folder,
            golden=golden_inputs(golden, describe=describe),
            facts=facts,
            overrides=overrides,
            report=output.note,
        )
    except (_OptionError, CheckpointError, ParityError, TextEncoderError, StructureError, ValueError, OSError) as error:
        output.note(f"hsegap: {error}")
        return 1

    from hsegap.commands import verify

    return verify.run(folder, as_json=False)


def _encoder(wish: EncoderWish, checkpoint: Path, cache_dir: Path) -> Path:
    """Folder of the exported encoder to put into the artifact; what the user leaves open is as it was in training."""
    from hsegap.export.encoder_choice import choose_encoder
    from hsegap.export.text_encoder import DEFAULT_ENCODER
    from hsegap.models.checkpoint import read_weights_only

    content = read_weights_only(checkpoint)
    options: dict[str, Any] = content["options"] if isinstance(content.get("options"), dict) else {}
    facts: dict[str, Any] = content["facts"] if isinstance(content.get("facts"), dict) else {}
    trained = facts.get("text_encoder") or {}
    name = wish.name or str(options.get("text_encoder") or DEFAULT_ENCODER)
    return choose_encoder(
        name,
        cache_dir,
        pooling=wish.pooling or trained.get("pooling"),
        max_tokens=wish.max_tokens or trained.get("max_tokens"),
        table=wish.table or options.get("text_table") or None,
    )


def _setting(entry: str) -> tuple[str, Any]:
    """``key=value`` with the value read as JSON where it is JSON, as text where not."""
    key, equals, value = entry.partition("=")
    if not equals or not key:
        raise _OptionError(f"--set takes key=value, not {entry!r}.")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value


def _read_json(path: Path | None) -> dict[str, Any] | None:
    """A JSON object from a file; None for no file."""
    if path is None:
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _OptionError(f"{path} is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise _OptionError(f"{path} does not hold a JSON object.")
    return data
