"""`hsegap export`: a trained checkpoint becomes an artifact. Needs the extra `train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hsegap.commands import output
from hsegap.errors import HsegapError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.text.settings import Pooling


class EncoderWish(NamedTuple):
    """What the user says about the text encoder; None where nothing was said.

    Attributes:
        name: Name, transformers folder or exported encoder; None takes the one the checkpoint was trained with, or the
            default.
        pooling: What stands in token 0.
        max_tokens: Longest text.
        table: Character table.
        vocabulary: Texts whose words it keeps; empty for all words.
    """

    name: str | None
    pooling: Pooling | None = None
    max_tokens: int | None = None
    table: Path | None = None
    vocabulary: tuple[Path, ...] = ()


CheckpointArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT", help="A best_model.pt of ours or of the CrysMMNet family.", show_default=False
    ),
]
OutOption = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Artifact to write; an artifact there is replaced.", show_default=False
    ),
]
TextEncoderOption = Annotated[
    str | None,
    typer.Option(
        metavar="ENCODER",
        help="Transformers folder or name, or an exported encoder; left out: the one trained with.",
        show_default=False,
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Configuration that the checkpoint lacks; repeatable.", show_default=False
    ),
]
NameOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Name of the artifact; the folder's if left out.", show_default=False)
]
ArtifactVersionOption = Annotated[str, typer.Option("--version", metavar="VERSION", help="Version of the artifact.")]
MetricsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSON for the manifest's metrics.", show_default=False)
]
CalibrationOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="JSON for the manifest's calibration.", show_default=False)
]
GoldenOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="CIF files whose predictions are stored in the artifact and checked by `hsegap verify`; "
        "default: the examples.",
        show_default=False,
    ),
]
DescribeOption = Annotated[
    bool, typer.Option("--describe/--no-describe", help="Store each of them with a generated description too.")
]
PoolingOption = Annotated[
    str | None,
    typer.Option(
        metavar="mean|cls",
        help="Pooling of the text's vectors; default: as trained, cls for checkpoints of other programs.",
        show_default=False,
    ),
]
MaxTokensOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=3,
        help="Longest text; default: as trained, 512 for checkpoints of other programs.",
        show_default=False,
    ),
]
TableOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Character table such as MatSciBERT's vocab_mappings.txt.", show_default=False),
]
VocabularyOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Keep the words of these texts, short pieces and the most frequent words of the text encoder, drop the "
        "others: a quarter of its size. Rows with descriptions (.jsonl, .jsonl.gz) or plain text; repeatable.",
        show_default=False,
        exists=True,  # refused at once, not after the network's export
        dir_okay=False,
    ),
]


def export(
    checkpoint: CheckpointArgument,
    *,
    out: OutOption,
    text_encoder: TextEncoderOption = None,
    settings: SettingsOption = None,
    name: NameOption = None,
    artifact_version: ArtifactVersionOption = "0.1.0",
    metrics: MetricsOption = None,
    calibration: CalibrationOption = None,
    golden: GoldenOption = None,
    describe: DescribeOption = True,
    pooling: PoolingOption = None,
    max_tokens: MaxTokensOption = None,
    table: TableOption = None,
    vocabulary: VocabularyOption = None,
    cache_dir: Annotated[Path, typer.Option(metavar="FOLDER", help="Cache of exported text encoders.")] = Path(
        ".cache/text_encoder"
    ),
) -> None:
    """Turn a trained checkpoint into an artifact.

    Needs the extra `train`. Says what it had to assume. The artifact is written only if every exported form gives the
    network's own numbers, and it is verified at the end.

    \b
    Examples:
      hsegap export output/hse/best_model.pt -o artifacts/mine
      hsegap export best_model.pt --text-encoder ./matscibert -o artifacts/theirs --set cross_modal_num_heads=4
      hsegap export best_model.pt -o artifacts/mine --vocabulary rows.jsonl.gz --vocabulary words.txt
    """
    if pooling not in {None, "mean", "cls"}:
        raise typer.BadParameter("is mean or cls", param_hint="--pooling")
    status = run(
        checkpoint,
        out,
        name=name,
        version=artifact_version,
        encoder=EncoderWish(
            text_encoder,
            pooling,  # type: ignore[arg-type]  # checked above
            max_tokens,
            table,
            tuple(vocabulary or ()),
        ),
        golden=golden,
        describe=describe,
        metrics=metrics,
        calibration=calibration,
        settings=settings or [],
        cache_dir=cache_dir,
    )
    raise typer.Exit(status)


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
    if not _can_begin(checkpoint, golden):
        return 1
    from hsegap.export.build import ArtifactFacts, build_artifact
    from hsegap.export.golden import golden_inputs
    from hsegap.models.checkpoint import read_checkpoint

    try:
        facts = ArtifactFacts(
            name=name or out.resolve().name,
            version=version,
            metrics=_read_json(metrics) or {},
            calibration=_read_json(calibration),
        )
        overrides = dict(_setting(entry) for entry in settings)
        # Exporting an encoder and describing crystals take minutes: a checkpoint that cannot be used is refused before.
        read_checkpoint(checkpoint, overrides=overrides)
        encoder_folder = _encoder(encoder, checkpoint, cache_dir)
        folder = build_artifact(
            checkpoint,
            out,
            encoder_folder=encoder_folder,
            vocabulary=encoder.vocabulary,
            golden=golden_inputs(golden, describe=describe),
            facts=facts,
            overrides=overrides,
            report=output.note,
        )
    except (HsegapError, ValueError, OSError) as error:
        output.note(f"hsegap: {error}")
        return output.status_of(error)

    from hsegap.commands import verify

    return verify.run(folder, as_json=False)


def _can_begin(checkpoint: Path, golden: Path) -> bool:
    """Whether there is something to export, and to try it on; says what is missing.

    What costs nothing to check comes first: torch takes seconds, descriptions take minutes.
    """
    if not any(golden.glob("*.cif")):
        output.note(f"hsegap: {golden} holds no CIF files. Name a folder of crystals with --golden.")
        return False
    if not checkpoint.is_file():
        output.note(f"hsegap: There is no file {checkpoint}.")
        return False
    return not output.training_is_missing("exporting")


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
        raise HsegapError("usage", f"--set takes key=value, not {entry!r}.")
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
        raise HsegapError("usage", f"{path} is not JSON: {error}.") from None
    if not isinstance(data, dict):
        raise HsegapError("usage", f"{path} does not hold a JSON object.")
    return data
