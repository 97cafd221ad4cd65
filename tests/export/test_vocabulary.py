"""An encoder without words that nobody needs: the same vectors for the texts it is made for, else shorter pieces."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from hsegap.export.text_encoder import default_encoder_folder
from hsegap.export.vocabulary import FREQUENT, Pruned, prune_vocabulary, texts_in
from hsegap.text import TextEncoder, TextEncoderError
from support.once import shared_folder

WORDS = Path(__file__).resolve().parents[2] / "training" / "recipes" / "vocabulary.txt"
DESCRIPTION = (
    "CsPbBr3 is (Cubic) Perovskite structured and crystallizes in the cubic Pm-3m space group. Pb(1)2+ is bonded to "
    "six equivalent Br(1)1- atoms to form corner-sharing PbBr6 octahedra. The corner-sharing octahedra are not tilted."
)
#: Words that are in neither list and beyond the most frequent ones.
ELSEWHERE = "The archbishop of Brandenburg wore a kimono."


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return default_encoder_folder(shared_folder(tmp_path_factory) / "text_encoder")


@pytest.fixture(scope="module")
def pruned(whole, tmp_path_factory) -> tuple[Path, Pruned]:
    folder = tmp_path_factory.mktemp("pruned") / "encoder"
    shutil.copytree(whole, folder)
    return folder, prune_vocabulary(folder, [*texts_in([WORDS]), DESCRIPTION])


def pieces(folder: Path, text: str) -> list[str]:
    return Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).tokens


def test_the_texts_it_is_made_for_keep_their_vectors(whole, pruned):
    folder, counts = pruned
    before, after = TextEncoder.load(whole), TextEncoder.load(folder)
    for text in (DESCRIPTION, "", "Si", *list(texts_in([WORDS]))[:3]):
        np.testing.assert_array_equal(after.encode(text), before.encode(text))
    assert counts.before == 30_522
    assert FREQUENT < counts.after < counts.before / 2
    assert (folder / "text_encoder.onnx").stat().st_size < 0.75 * (whole / "text_encoder.onnx").stat().st_size


def test_other_words_are_read_in_shorter_pieces(whole, pruned):
    folder, _ = pruned
    before, after = pieces(whole, ELSEWHERE), pieces(folder, ELSEWHERE)
    assert len(after) > len(before)
    assert "[UNK]" not in after
    assert "".join(piece.removeprefix("##") for piece in after) == "".join(piece.removeprefix("##") for piece in before)
    other_scripts = "该晶体的带隙较宽, α-кварц, ZnO ₂ → ∞"
    assert pieces(folder, other_scripts).count("[UNK]") == pieces(whole, other_scripts).count("[UNK]")


def test_every_piece_has_a_row_and_the_special_ones_their_places(pruned):
    folder, counts = pruned
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert sorted(tokenizer["model"]["vocab"].values()) == list(range(counts.after))
    for entry in tokenizer["added_tokens"]:
        assert tokenizer["model"]["vocab"][entry["content"]] == entry["id"]
    assert pieces(folder, "gap")[0] == "[CLS]"
    assert pieces(folder, "gap")[-1] == "[SEP]"


def test_rows_and_plain_texts_are_read(tmp_path):
    rows = tmp_path / "rows.jsonl.gz"
    with gzip.open(rows, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in ({"description": "one"}, {"description": None}, {"id": 3}))
    (tmp_path / "words.txt").write_text("two\nthree\n", encoding="utf-8")
    assert list(texts_in([rows, tmp_path / "words.txt"])) == ["one", "two", "three"]


@pytest.mark.parametrize("name", ["absent.txt", "absent.jsonl.gz", "broken.jsonl", "latin.txt"])
def test_unreadable_texts_are_named(tmp_path, name):
    (tmp_path / "broken.jsonl").write_text("{", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"\xe5ngstr\xf6m")
    with pytest.raises(TextEncoderError, match=name):
        list(texts_in([tmp_path / name]))


def test_another_kind_of_tokenizer_is_refused_and_left_as_it_is(whole, tmp_path):
    shutil.copy(whole / "text_encoder.onnx", tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}', encoding="utf-8")
    with pytest.raises(TextEncoderError, match="BPE"):
        prune_vocabulary(tmp_path, [DESCRIPTION])
    assert (tmp_path / "text_encoder.onnx").read_bytes() == (whole / "text_encoder.onnx").read_bytes()
