"""A text encoder without the words that no description of a crystal has.

Half of a general encoder is its table of pieces: most of BERT's 30 522 are names, places and words of other fields. A
table keeps the pieces of the texts it is made for, every short piece and the most frequent words. What lost its own row
is read in shorter pieces; nothing that was readable becomes unknown. A text all of whose pieces are kept has the same
pieces, and so the same vector, as before: WordPiece takes the longest piece there is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hsegap.text.errors import TextEncoderError
from hsegap.text.settings import MODEL_FILE, TOKENIZER_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import onnx

#: Every piece of at most so many characters is kept, of any script: formulas and foreign words fall into these.
SHORT = 3
#: BERT's pieces are numbered by how frequent they are; the first so many are kept.
FREQUENT = 12_000
#: What a piece that continues a word begins with.
CONTINUES = "##"


class Pruned(NamedTuple):
    """What became of a vocabulary.

    Attributes:
        before: Pieces it had.
        after: Pieces it has.
    """

    before: int
    after: int


def texts_in(files: Iterable[Path]) -> Iterator[str]:
    """The texts a vocabulary is made for.

    Args:
        files: Rows with a ``description`` (``.jsonl``, ``.jsonl.gz``), or plain texts, of which each line counts.

    Raises:
        TextEncoderError: If a file cannot be read.
    """
    from hsegap.training.data import json_lines
    from hsegap.training.errors import DataError

    for path in files:
        try:
            if path.name.endswith((".jsonl", ".jsonl.gz")):
                yield from (str(row["description"]) for _, row in json_lines(path) if row.get("description"))
            else:
                yield from path.read_text(encoding="utf-8").splitlines()
        except (DataError, OSError, UnicodeDecodeError) as error:
            raise TextEncoderError(
                f"the texts of {path} cannot be read: {error}", "Name rows (.jsonl, .jsonl.gz) or a UTF-8 text."
            ) from error


def prune_vocabulary(folder: Path, texts: Iterable[str]) -> Pruned:
    """Drop the rows of an exported encoder's table that ``texts`` do not need, in place.

    Args:
        folder: Holds ``text_encoder.onnx`` and ``tokenizer.json``.
        texts: Keep all their pieces.

    Raises:
        TextEncoderError: If the tokenizer is not WordPiece (BERT), or the table is not found in the model.
    """
    import onnx

    tokenizer = json.loads((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))
    if tokenizer["model"]["type"] != "WordPiece":
        raise TextEncoderError(
            f"the vocabulary of a {tokenizer['model']['type']} tokenizer cannot be cut.",
            "That is for BERT's WordPiece; leave --vocabulary out.",
        )
    kept = _kept(folder, tokenizer, texts)
    before = len(tokenizer["model"]["vocab"])
    model = onnx.load(str(folder / MODEL_FILE))
    _keep_rows(model, before, sorted(kept.values()))
    (folder / MODEL_FILE).write_bytes(model.SerializeToString(deterministic=True))
    (folder / TOKENIZER_FILE).write_text(
        json.dumps(_renumbered(tokenizer, kept), ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
    )
    return Pruned(before, len(kept))


def _kept(folder: Path, tokenizer: dict[str, Any], texts: Iterable[str]) -> dict[str, int]:
    """The pieces that stay, in their old order, with their old numbers."""
    from tokenizers import Tokenizer

    reader = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    needed = {piece["content"] for piece in tokenizer["added_tokens"]}
    for text in texts:
        needed.update(reader.encode(text).tokens)
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    ordered = sorted(vocabulary.items(), key=lambda entry: entry[1])
    return {
        piece: number
        for piece, number in ordered
        if piece in needed
        or (not piece.startswith("[unused") and (number < FREQUENT or len(piece.removeprefix(CONTINUES)) <= SHORT))
    }


def _renumbered(tokenizer: dict[str, Any], kept: dict[str, int]) -> dict[str, Any]:
    """The tokenizer with the pieces that stay, numbered from zero, wherever a number stands."""
    new = {number: place for place, number in enumerate(kept.values())}
    processor = tokenizer.get("post_processor") or {}
    for special in (processor.get("special_tokens") or {}).values():
        special["ids"] = [new[number] for number in special["ids"]]
    for end in ("sep", "cls"):  # BERT's own processor: a piece and its number
        if end in processor:
            processor[end][1] = new[processor[end][1]]
    for piece in tokenizer["added_tokens"]:
        piece["id"] = new[piece["id"]]
    tokenizer["model"]["vocab"] = {piece: place for place, piece in enumerate(kept)}
    return tokenizer


def _keep_rows(model: onnx.ModelProto, rows: int, kept: list[int]) -> None:
    """Take the rows ``kept`` of every table of ``rows`` rows that the model looks up."""
    from onnx import numpy_helper

    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    found = 0
    for initializer in model.graph.initializer:
        if initializer.name not in looked_up or not initializer.dims or initializer.dims[0] != rows:
            continue
        table = numpy_helper.to_array(initializer)[kept]
        initializer.CopyFrom(numpy_helper.from_array(table, initializer.name))
        found += 1
    if not found:
        raise TextEncoderError(f"the encoder has no table of {rows} pieces to cut.", "Leave --vocabulary out.")
