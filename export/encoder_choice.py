"""Which exported text encoder a name, a transformers folder or an exported folder stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsegap.export.text_encoder import DEFAULT_ENCODER, encoder_folder
from hsegap.processors import usable_processors
from hsegap.text import TextEncoder, TextEncoderError, TextEncoderSettings
from hsegap.text.settings import MODEL_FILE

if TYPE_CHECKING:
    from hsegap.text.settings import Pooling
    from hsegap.training.options import TrainingOptions

#: MatSciBERT's character table, where people keep it: beside the weights.
TABLE_FILE = "vocab_mappings.txt"


def choose_encoder(
    name: str | Path,
    cache: str | Path,
    *,
    pooling: Pooling | None = None,
    max_tokens: int | None = None,
    table: str | Path | None = None,
) -> Path:
    """Find or export the text encoder.

    Args:
        name: ``all-MiniLM-L6-v2``, a transformers folder, a hub name, or a folder that holds ``text_encoder.onnx``.
        cache: Keeps exported encoders.
        pooling: What stands in token 0; None takes ``mean`` for the default encoder (it was trained so) and ``cls`` for
            every other, as the CrysMMNet family reads its BERT.
        max_tokens: Longest text; None takes 256 for the default encoder and 512 for every other (less where the model
            has no more).
        table: Character table; None takes a ``vocab_mappings.txt`` in the folder, if there is one.

    Returns:
        A folder for ``TextEncoder.load``.

    Raises:
        TextEncoderError: If there is no such encoder, or an exported one was exported otherwise than asked for.
    """
    folder = Path(name)
    if (folder / MODEL_FILE).is_file():
        _check(folder, {"pooling": pooling, "max_tokens": max_tokens})
        if table is not None:
            raise TextEncoderError(
                f"{folder} is exported already; a character table cannot be added.", "Name the transformers folder."
            )
        return folder
    default = str(name) in {DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"}
    if table is None and (folder / TABLE_FILE).is_file():
        table = folder / TABLE_FILE
    if table is not None and not Path(table).is_file():
        raise TextEncoderError(f"there is no character table {table}.", "Name the file, or leave it out.")
    return encoder_folder(
        name,
        cache,
        pooling=pooling or ("mean" if default else "cls"),
        max_tokens=max_tokens or (256 if default else 512),
        normalisation_table=table,
    )


def load_training_encoder(options: TrainingOptions) -> TextEncoder:
    """The encoder that a training's options name: the exported one, which is what serves later.

    Raises:
        TextEncoderError: As :func:`choose_encoder`.
    """
    folder = choose_encoder(
        options.text_encoder,
        Path(options.cache_dir) / "text_encoder",
        pooling=None if options.text_pooling == "auto" else options.text_pooling,
        max_tokens=options.text_max_tokens,
        table=options.text_table or None,
    )
    return TextEncoder.load(folder, intra_op_num_threads=usable_processors())


def _check(folder: Path, wanted: dict[str, Any]) -> None:
    settings = TextEncoderSettings.read(folder)
    for key, value in wanted.items():
        if value is not None and getattr(settings, key) != value:
            raise TextEncoderError(
                f"the encoder in {folder} was exported with {key} {getattr(settings, key)}, not {value}.",
                "Export it again, or leave that out.",
            )
