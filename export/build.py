"""A checkpoint becomes an artifact.

Three forms of the network, the text encoder, golden values, manifest, model card.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsegap.artifact.manifest import SCHEMA_VERSION, write_manifest
from hsegap.evaluation.card import model_card
from hsegap.export.golden import GoldenInput, golden_cases
from hsegap.export.head import export_head
from hsegap.export.onnx import export_onnx
from hsegap.export.parity import compare_forms, compare_heads, require_parity
from hsegap.export.torchscript import export_torchscript
from hsegap.export.vocabulary import prune_vocabulary, texts_in
from hsegap.models.checkpoint import read_checkpoint, read_weights_only
from hsegap.text import TextEncoder
from hsegap.text.settings import MODEL_FILE, TOKENIZER_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hsegap.models import CrystalTextNetwork


@dataclass(frozen=True)
class ArtifactFacts:
    """What the checkpoint cannot say.

    Attributes:
        name: Of the artifact.
        version: As users quote it.
        metrics: Errors by data set and split.
        calibration: For intervals and warnings; None before calibration.
        card: Additional sections of the model card, Markdown.
    """

    name: str = "hsegap-hse"
    version: str = "0.1.0"
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    card: str = ""


def build_artifact(
    checkpoint: str | Path,
    out: str | Path,
    *,
    encoder_folder: str | Path,
    golden: Sequence[GoldenInput],
    vocabulary: Sequence[Path] = (),
    facts: ArtifactFacts | None = None,
    overrides: Mapping[str, Any] | None = None,
    report: Callable[[str], None] = print,
) -> Path:
    """Write the artifact folder ``out``; it appears whole or not at all.

    Args:
        checkpoint: Ours or one of the CrysMMNet family.
        out: Folder to write; an existing artifact there is replaced.
        encoder_folder: Exported text encoder the network was trained with.
        golden: Crystals whose predictions go into the artifact.
        vocabulary: Files of texts whose words the encoder keeps (:mod:`hsegap.export.vocabulary`); empty for all words.
        facts: Name, version, metrics.
        overrides: Configuration entries that the checkpoint does not hold.
        report: Receives lines for the user.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
        ParityError: If an exported form gives other numbers.
        TextEncoderError: If the vocabulary's files cannot be read, or the encoder has none to cut.
        ValueError: If the encoder is not the one the network was trained with, or ``out`` exists and is no artifact.
    """
    facts = facts or ArtifactFacts()
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise ValueError(f"{out} exists and is not an artifact; it is not overwritten")
    loaded = read_checkpoint(checkpoint, overrides=overrides)
    for line in loaded.assumed:
        report(f"assumed: {line}")
    network = loaded.network
    content = read_weights_only(checkpoint)
    encoder = TextEncoder.load(encoder_folder)
    _check_encoder(network, encoder, content)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _write_forms(network, temporary, report)
        encoder = _placed_encoder(Path(encoder_folder), encoder, temporary, vocabulary, report)
        cases = golden_cases(network, encoder, golden)
        (temporary / "golden.json").write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")
        manifest = _manifest(network, encoder, content, facts)
        (temporary / "MODEL_CARD.md").write_text(model_card(manifest, facts.card), encoding="utf-8")
        write_manifest(temporary, manifest)
        # The safetensors writer makes files that only their owner may read; an artifact is for whoever serves it.
        temporary.chmod(0o755)
        for path in temporary.iterdir():
            path.chmod(0o644)
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    report(f"wrote {out} ({sum(path.stat().st_size for path in out.iterdir()) / 1e6:.1f} MB)")
    return out


def _write_forms(network: CrystalTextNetwork, folder: Path, report: Callable[[str], None]) -> None:
    from safetensors.torch import save_file

    report("exporting to ONNX and TorchScript")
    export_onnx(network, folder / "network.onnx")
    export_torchscript(network, folder / "network.pt")
    export_head(network, folder)
    save_file(
        {key: value.contiguous() for key, value in network.state_dict().items()}, str(folder / "weights.safetensors")
    )
    worst = require_parity([*compare_forms(network, folder), *compare_heads(network, folder)])
    report(f"exported forms agree with the network within {worst:.1e}")


def _placed_encoder(
    source: Path, encoder: TextEncoder, folder: Path, vocabulary: Sequence[Path], report: Callable[[str], None]
) -> TextEncoder:
    """Copy the encoder's files into the artifact, with the words of ``vocabulary`` only, and load it from there."""
    names = [MODEL_FILE, TOKENIZER_FILE]
    if encoder.settings.normalisation_table is not None:
        names.append(encoder.settings.normalisation_table)
    for name in names:
        shutil.copyfile(source / name, folder / name)
    if not vocabulary:
        return encoder
    pruned = prune_vocabulary(folder, texts_in(vocabulary))
    report(f"the text encoder keeps {pruned.after} of {pruned.before} pieces")
    return TextEncoder.load(folder, settings=encoder.settings)


def _check_encoder(network: CrystalTextNetwork, encoder: TextEncoder, content: dict[str, Any]) -> None:
    """Refuse an encoder that is not the one the network was trained with, as far as the checkpoint tells.

    Raises:
        ValueError: Naming what differs.
    """
    width = network.config.text_features
    if network.config.use_text and encoder.width != width:
        raise ValueError(
            f"the network reads texts of width {width}, {encoder.name} gives {encoder.width}: "
            "name the encoder it was trained with"
        )
    trained = (content.get("facts") or {}).get("text_encoder") or {}
    for key in ("pooling", "max_tokens", "lowercase", "quantised"):
        if key in trained and trained[key] != getattr(encoder.settings, key):
            raise ValueError(
                f"the network was trained with an encoder whose {key} is {trained[key]}; that of {encoder.name} is "
                f"{getattr(encoder.settings, key)}"
            )


def _names(key: str, value: Any) -> Any:
    if key in {"train_file", "val_file", "test_file", "init_from"} and isinstance(value, str):
        return ",".join(Path(part.strip()).name for part in value.split(",") if part.strip())
    return value


def _manifest(
    network: CrystalTextNetwork, encoder: TextEncoder, content: dict[str, Any], facts: ArtifactFacts
) -> dict[str, Any]:
    config = network.config
    training = dict(content.get("facts") or {})
    elements = training.pop("elements", None)
    training.pop("text_encoder", None)
    if elements is None:
        # Nobody told what the network was trained on; warning about every element would say nothing.
        from pymatgen.core import Element

        elements = [Element.from_Z(z).symbol for z in range(1, 104)]
        training["known"] = False
    options = content.get("options")
    if isinstance(options, dict):
        # Folders say where something was on one machine; of data files and starting weights the names are worth
        # keeping.
        places = {
            "root_dir",
            "output_dir",
            "cache_dir",
            "config_file",
            "stopwords_dir",
            "preprocessed_dir",
            "text_encoder",
            "text_table",
        }
        training["options"] = {key: _names(key, value) for key, value in options.items() if key not in places}
        training["epoch"] = content.get("epoch")
    if content.get("averaged"):
        # The options and the epoch are those of the first.
        training["averaged"] = len(content["averaged"])
    return {
        "schema_version": SCHEMA_VERSION,
        "name": facts.name,
        "version": facts.version,
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "config": config.model_dump(mode="json"),
        "graph": {"flavour": config.graph_flavour, "cutoff": config.cutoff, "max_neighbors": config.max_neighbors},
        "text_encoder": encoder.settings.model_dump(mode="json"),
        "units": {"gap": "eV"},
        "training": training,
        "elements": elements,
        "metrics": facts.metrics,
        "calibration": facts.calibration,
        "limits": {},
        "n_parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
