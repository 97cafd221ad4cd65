"""A transformers model becomes the exported encoder: parity, determinism, safety, other people's folders."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hsegap.export.text_encoder import (
    DEFAULT_ENCODER,
    bundled_model_folder,
    default_encoder_folder,
    encoder_folder,
    export_text_encoder,
)
from hsegap.text import TextEncoder, TextEncoderError, TextEncoderSettings, normalise
from support.once import shared_folder

DESCRIPTIONS = [
    (
        "ZnO is Wurtzite structured and crystallizes in the hexagonal P6_3mc space group. Zn(1)2+ is bonded to four "
        "equivalent O(1)2- atoms to form corner-sharing ZnO4 tetrahedra. There are three shorter (1.98 Å) and one "
        "longer (2.00 Å) Zn(1)-O(1) bond length."
    ),
    (
        "Si is diamond structured and crystallizes in the cubic Fd-3m space group. Si(1) is bonded to four equivalent "
        "Si(1) atoms to form corner-sharing SiSi4 tetrahedra. All Si(1)-Si(1) bond lengths are 2.37 Å."
    ),
    (
        "TiO2 is Rutile structured and crystallizes in the tetragonal P4_2/mnm space group. Ti(1)4+ is bonded to six "
        "equivalent O(1)2- atoms to form a mixture of corner and edge-sharing TiO6 octahedra. The corner-sharing "
        "octahedral tilt angles are 51°."
    ),
    "CsPbBr3 is (Cubic) Perovskite structured and crystallizes in the cubic Pm-3m space group.",
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return default_encoder_folder(shared_folder(tmp_path_factory) / "text_encoder")


@pytest.fixture(scope="module")
def exported_float(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float32")
    export_text_encoder(DEFAULT_ENCODER, folder, quantise=False)
    return folder


@pytest.fixture(scope="module")
def original():
    """The very model through transformers, and its own tokenizer."""
    from transformers import AutoModel, AutoTokenizer

    folder = bundled_model_folder()
    return AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def reference(original, text: str) -> np.ndarray:
    import torch

    model, tokenizer = original
    tokens = tokenizer(normalise(text), truncation=True, max_length=256, return_tensors="pt")
    with torch.no_grad():
        return model(**tokens).last_hidden_state[0].numpy()


def load(folder: Path, **changes) -> TextEncoder:
    """The encoder with the plain hidden states in every slot, unless told otherwise."""
    settings = TextEncoderSettings.read(folder).model_copy(update={"pooling": "cls", **changes})
    return TextEncoder.load(folder, settings=settings)


@pytest.mark.parametrize("text", [*DESCRIPTIONS, "", "Si", " ".join(DESCRIPTIONS * 3)], ids=range(7))
def test_float32_equals_transformers(exported_float, original, text):
    expected = reference(original, text)
    answer = load(exported_float).encode(text)
    assert answer.shape == expected.shape
    np.testing.assert_allclose(answer, expected, atol=1e-4)


def test_integer_weights_stay_close_to_transformers(exported, original):
    encoder = load(exported)
    for text in DESCRIPTIONS:
        expected, answer = reference(original, text), encoder.encode(text)
        cosines = (expected * answer).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(answer, axis=1)
        assert cosines.min() > 0.995
        mean = (expected.mean(0) @ answer.mean(0)) / np.linalg.norm(expected.mean(0)) / np.linalg.norm(answer.mean(0))
        assert mean > 0.999


def test_a_masked_token_changes_nothing(exported_float):
    """Free batch axis: a padded batch gives its singles, so the mask is part of the graph."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported_float / "text_encoder.onnx", providers=["CPUExecutionProvider"])
    short, long = np.array([[101, 2000, 102]]), np.array([[101, 2100, 2200, 2300, 2400, 102]])
    padded = np.zeros((2, 6), np.int64)
    padded[0, :3], padded[1] = short[0], long[0]
    mask = (padded > 0).astype(np.int64)
    both = session.run(None, {"input_ids": padded, "attention_mask": mask})[0]
    alone = [session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0] for ids in (short, long)]
    np.testing.assert_allclose(both[0, :3], alone[0], atol=1e-5)
    np.testing.assert_allclose(both[1], alone[1], atol=1e-5)


def test_the_order_of_float_operations_hardly_moves_the_vectors(exported):
    """What integer activations fail: with them the same two passes differ by 5 % of the pooled vector."""
    import onnxruntime

    answers = []
    for level in (
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    ):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = level
        session = onnxruntime.InferenceSession(
            exported / "text_encoder.onnx", options, providers=["CPUExecutionProvider"]
        )
        ids = np.array([[101, *range(2000, 2100), 102]])
        answers.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0])
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-4)


def test_exporting_twice_gives_the_same_bytes_without_a_trace_of_this_machine(exported, tmp_path):
    settings = export_text_encoder(DEFAULT_ENCODER, tmp_path)
    assert settings == TextEncoderSettings.read(exported)
    for path in exported.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    content = (tmp_path / "text_encoder.onnx").read_bytes()
    for trace in (str(Path(sys.prefix)), str(Path.home()), str(Path.cwd()), "site-packages", ".py", "stack_trace"):
        assert trace.encode() not in content, trace
    assert len(content) < 24e6


def test_the_tokenizer_is_the_models_own(exported, original):
    from tokenizers import Tokenizer

    plain = Tokenizer.from_file(str(exported / "tokenizer.json"))
    for text in [*DESCRIPTIONS, "", "Fm-3m α µ 日本"]:
        assert plain.encode(text).ids == original[1](text)["input_ids"]


def test_settings_of_the_default(exported):
    settings = TextEncoderSettings.read(exported)
    assert (settings.name, settings.width, settings.max_tokens, settings.pooling) == (
        "all-MiniLM-L6-v2",
        384,
        256,
        "mean",
    )
    assert (settings.lowercase, settings.quantised, settings.licence) == (True, True, "Apache-2.0")


def test_the_default_is_exported_once(exported, tmp_path_factory):
    before = {path: path.stat().st_mtime_ns for path in exported.iterdir()}
    assert default_encoder_folder(shared_folder(tmp_path_factory) / "text_encoder") == exported
    assert {path: path.stat().st_mtime_ns for path in exported.iterdir()} == before
    assert not list(exported.parent.glob(".*"))  # no temporary folder is left


# Other people's models: a small but real BERT with random weights, another width and its own vocabulary.


@pytest.fixture(scope="module")
def small_bert(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "small-bert"
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "cubic",
        "is",
        "M",
        "##g",
        "##O",
        "Si",
        "-",
        "3",
        "octa",
        "##hedra",
        "Å",
        "A",
    ]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_max_length=512,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        initializer_range=0.3,
    )
    BertModel(config).eval().save_pretrained(folder)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# Small\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def small_exported(small_bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    export_text_encoder(small_bert, folder, quantise=False, max_tokens=10_000, pooling="cls")
    return folder


def test_a_folder_with_another_width_cls_pooling_and_512_tokens(small_bert, small_exported):
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder = TextEncoder.load(small_exported)
    assert encoder.settings == TextEncoderSettings(
        name="small-bert", width=48, max_tokens=512, pooling="cls", lowercase=False, quantised=False, licence="mit"
    )
    model, tokenizer = AutoModel.from_pretrained(small_bert).eval(), AutoTokenizer.from_pretrained(small_bert)
    for text in ("MgO is cubic", "octahedra Å", "Si " * 900):
        tokens = tokenizer(normalise(text), truncation=True, max_length=512, return_tensors="pt")
        with torch.no_grad():
            expected = model(**tokens).last_hidden_state[0].numpy()
        answer = encoder.encode(text)
        np.testing.assert_allclose(answer, expected, atol=1e-4)
        np.testing.assert_array_equal(encoder.pooled(text), answer[0])
    assert answer.shape == (512, 48)
    assert encoder.truncated("Si " * 900)
    assert encoder.encode("MgO is cubic").shape == (7, 48)  # M ##g ##O is cubic: the case is kept


@pytest.fixture(scope="module")
def small_cached(small_bert, tmp_path_factory):
    """The folders that two processes name which export the same model into one cache at the same time."""
    cache = tmp_path_factory.mktemp("cache")
    code = (
        "import sys; from hsegap.export.text_encoder import encoder_folder; "
        "print(encoder_folder(sys.argv[1], sys.argv[2], pooling='cls'))"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, small_bert, cache], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [Path(process.communicate(timeout=500)[0].strip()) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    return answers


def test_two_processes_may_export_into_one_cache(small_cached):
    first, second = small_cached
    assert first == second
    # Other tests may have exported into the same cache;
    # of this export there is one folder, and nothing temporary is left.
    assert first in first.parent.iterdir()
    assert not [path for path in first.parent.iterdir() if path.name.startswith(".")]


def test_the_small_folder_with_integer_weights_and_a_character_table(
    small_bert, small_cached, small_exported, tmp_path
):
    table = tmp_path / "vocab_mappings.txt"
    table.write_text("".join(f"{c} {c}\n" for c in "MgOSicub 3-") + "α Si\n", encoding="utf-8")
    folder = encoder_folder(small_bert, small_cached[0].parent, pooling="cls", normalisation_table=table)
    assert folder != small_cached[0]
    encoder = TextEncoder.load(folder)
    assert encoder.settings.quantised
    assert encoder.normalise("α-cubic, 日 Si") == "Si-cubic Si"  # the comma and the sign are not in the table
    plain = TextEncoder.load(small_exported)
    a, b = encoder.encode("α"), plain.encode("Si")
    assert (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b) > 0.99
    assert encoder.content_hash != TextEncoder.load(small_cached[0]).content_hash


def test_changed_weights_are_exported_anew(small_bert, small_cached, tmp_path):
    import shutil

    from safetensors.numpy import load_file, save_file

    model = tmp_path / "small-bert"
    shutil.copytree(small_bert, model)
    assert (
        encoder_folder(model, small_cached[0].parent, pooling="cls") == small_cached[0]
    )  # the place does not matter, the content does
    weights = load_file(model / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] = -weights["embeddings.word_embeddings.weight"]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    changed = encoder_folder(model, small_cached[0].parent, pooling="cls")
    assert changed != small_cached[0]
    assert not np.allclose(
        TextEncoder.load(changed).pooled("Si"), TextEncoder.load(small_cached[0]).pooled("Si"), atol=1e-3
    )


class Bomb:
    """A pickle that would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def test_weights_that_would_run_code_are_refused(small_bert, tmp_path):
    import shutil

    import torch

    folder, marker = tmp_path / "model", tmp_path / "ran"
    shutil.copytree(small_bert, folder)
    (folder / "model.safetensors").unlink()
    torch.save({"embeddings.word_embeddings.weight": Bomb(marker)}, folder / "pytorch_model.bin")
    with pytest.raises(TextEncoderError) as caught:
        export_text_encoder(folder, tmp_path / "out")
    assert not marker.exists()
    assert "safetensors" in caught.value.hint
    assert pickle.dumps(Bomb(marker))  # the bomb itself is live


def test_a_model_that_brings_its_own_code_is_refused(small_bert, tmp_path):
    import shutil

    folder, marker = tmp_path / "model", tmp_path / "ran"
    shutil.copytree(small_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "strange"
    config["auto_map"] = {"AutoConfig": "code.Config", "AutoModel": "code.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(marker)!r}, 'w')\n")
    with pytest.raises(TextEncoderError, match="cannot be loaded"):
        export_text_encoder(folder, tmp_path / "out")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("missing", "hint"),
    [("config.json", "config.json"), ("model.safetensors", "model.safetensors"), ("tokenizer.json", "tokenizer")],
)
def test_an_incomplete_folder_says_what_a_folder_needs(small_bert, tmp_path, missing, hint):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(small_bert, folder)
    (folder / missing).unlink()
    with pytest.raises(TextEncoderError) as caught:
        export_text_encoder(folder, tmp_path / "out")
    assert hint in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_is_no_hub_name(tmp_path):
    for name in (tmp_path / "nothing", "./models/none/here", "/nowhere/at/all"):
        with pytest.raises(TextEncoderError, match="there is no folder"):
            export_text_encoder(name, tmp_path / "out")


def test_a_hub_name_without_network_says_what_to_do(tmp_path):
    code = (
        "import sys\n"
        "from hsegap.export.text_encoder import export_text_encoder\n"
        "from hsegap.text import TextEncoderError\n"
        "try:\n    export_text_encoder('m3rg-iitd/matscibert', sys.argv[1])\n"
        "except TextEncoderError as error:\n    print(error.message); print(error.hint)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "out"], capture_output=True, text=True, check=True, env=environment
    )
    message, hint = done.stdout.strip().splitlines()
    assert "m3rg-iitd/matscibert" in message
    assert "network" in hint
    assert "--text_encoder" in hint
    assert done.stderr == ""
