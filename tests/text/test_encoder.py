"""The exported default encoder, for real: real weights, ONNX Runtime."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hsegap.text import TextEncoder, TextEncoderError, TextEncoderSettings


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_shapes_and_facts(encoder, descriptions):
    hidden = encoder.encode(descriptions["MgO"])
    assert hidden.dtype == np.float32
    assert hidden.shape[1] == encoder.width == 384
    assert 40 < hidden.shape[0] < encoder.max_tokens == 128
    assert np.isfinite(hidden).all()
    assert encoder.name == "all-MiniLM-L6-v2"
    np.testing.assert_array_equal(encoder.pooled(descriptions["MgO"]), hidden[0])


def test_token_0_is_the_mean_or_the_cls_state(encoder_folder, encoder, descriptions):
    settings = encoder.settings.model_copy(update={"pooling": "cls"})
    cls_encoder = TextEncoder.load(encoder_folder, settings=settings)
    states, pooled = cls_encoder.encode(descriptions["GaAs"]), encoder.encode(descriptions["GaAs"])
    np.testing.assert_allclose(pooled[0], states.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(pooled[1:], states[1:])
    assert cosine(pooled[0], states[0]) < 0.9
    assert cls_encoder.content_hash != encoder.content_hash


def test_vectors_carry_meaning(encoder, descriptions):
    crystal = encoder.pooled(descriptions["MgO"])
    rock_salt = cosine(
        crystal, encoder.pooled("Sodium chloride is a cubic ionic solid in which each ion has six neighbours.")
    )
    kitchen = cosine(crystal, encoder.pooled("Stir the soup over a low flame and serve it with fresh bread."))
    assert rock_salt > kitchen + 0.2


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text_is_the_two_special_tokens(encoder, text):
    hidden = encoder.encode(text)
    assert hidden.shape == (2, 384)
    np.testing.assert_array_equal(hidden, encoder.encode(""))
    assert not encoder.truncated(text)


def test_a_long_text_is_cut_at_the_end_and_says_so(encoder, descriptions):
    text = " ".join(descriptions.values())
    assert encoder.truncated(text)
    assert not encoder.truncated(descriptions["MgO"])
    hidden = encoder.encode(text)
    assert hidden.shape == (encoder.max_tokens, 384)
    np.testing.assert_array_equal(encoder.encode(text + " More about the crystal stands here."), hidden)
    assert not np.array_equal(encoder.encode("More " + text), hidden)


def test_the_longest_uncut_text_is_not_called_cut(encoder):
    exactly = "a " * (encoder.max_tokens - 2)  # and the two special tokens
    assert not encoder.truncated(exactly)
    assert encoder.encode(exactly).shape[0] == encoder.max_tokens
    assert encoder.truncated(exactly + "a")


def test_many_equal_their_singles_in_order_with_repeats(encoder, descriptions):
    texts = [*descriptions.values(), "", *reversed(descriptions.values())]
    steps = []
    many = encoder.encode_many(texts, progress=lambda done, total: steps.append((done, total)))
    assert len(many) == len(texts)
    for text, vectors in zip(texts, many, strict=True):
        np.testing.assert_array_equal(vectors, encoder.encode(text))
    assert steps == [(i, 7) for i in range(1, 8)]  # seven distinct texts, each encoded once
    pooled = encoder.encode_many(texts, pooled=True)
    for vectors, tokens in zip(pooled, many, strict=True):
        np.testing.assert_array_equal(vectors, tokens[0])


def test_threads_get_what_one_caller_gets(encoder_folder, descriptions):
    texts = list(descriptions.values()) * 4
    shared = TextEncoder.load(encoder_folder, cache_bytes=500_000)  # room for three texts: entries come and go
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(shared.encode, texts))
    alone = TextEncoder.load(encoder_folder, cache_bytes=0)
    expected = {text: alone.encode(text) for text in descriptions.values()}
    for text, answer in zip(texts, answers, strict=True):
        np.testing.assert_array_equal(answer, expected[text])


def test_recent_texts_are_remembered_within_their_bound_and_never_aliased(encoder_folder, descriptions, monkeypatch):
    encoder = TextEncoder.load(encoder_folder, cache_bytes=300_000)
    passes = []
    run = encoder._run
    monkeypatch.setattr(encoder, "_run", lambda text: passes.append(text) or run(text))
    first = encoder.encode(descriptions["Cu"])
    expected = first.copy()
    first[:] = 0  # what a caller does to its answer must not reach the next one
    np.testing.assert_array_equal(encoder.encode(descriptions["Cu"]), expected)
    assert len(passes) == 1
    for text in descriptions.values():
        encoder.encode(text)
        assert encoder._recent._bytes <= 300_000
    encoder.encode(descriptions["Cu"])
    assert passes.count(encoder.normalise(descriptions["Cu"])) == 2  # pushed out in between
    assert encoder._recent._bytes == sum(v.nbytes + 4 * len(k) for k, v in encoder._recent._entries.items())


def test_no_copy_of_the_file_stays_in_memory(encoder, encoder_folder):
    size = (encoder_folder / "text_encoder.onnx").stat().st_size
    held = [value for value in vars(encoder._session).values() if isinstance(value, bytes)]
    assert sum(map(len, held)) < size / 100


def test_settings_survive_json_and_refuse_what_they_do_not_know(encoder):
    settings = encoder.settings
    assert TextEncoderSettings.model_validate_json(settings.model_dump_json()) == settings
    assert settings.licence == "Apache-2.0"
    with pytest.raises(ValueError, match="lenght"):
        TextEncoderSettings.model_validate({**settings.model_dump(), "lenght": 3})


@pytest.mark.parametrize("table", ["../secret.txt", "/etc/passwd", "..", "a\\b", ""])
def test_a_manifest_cannot_reach_outside_its_folder(encoder_folder, encoder, table):
    with pytest.raises(TextEncoderError, match="normalisation_table"):
        TextEncoder.load(encoder_folder, settings={**encoder.settings.model_dump(), "normalisation_table": table})


def test_settings_may_come_from_a_manifest(encoder_folder, encoder, tmp_path, descriptions):
    for name in ("text_encoder.onnx", "tokenizer.json"):  # what an artifact holds
        shutil.copy(encoder_folder / name, tmp_path)
    with pytest.raises(TextEncoderError, match=r"text_encoder\.json"):
        TextEncoder.load(tmp_path)
    again = TextEncoder.load(tmp_path, settings=encoder.settings.model_dump())
    assert again.content_hash == encoder.content_hash
    np.testing.assert_array_equal(again.encode(descriptions["Cu"]), encoder.encode(descriptions["Cu"]))


@pytest.mark.parametrize("name", ["text_encoder.onnx", "tokenizer.json", "text_encoder.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_a_damaged_folder_is_refused_by_name(encoder_folder, tmp_path, name, damage):
    folder = tmp_path / "encoder"
    folder.mkdir()
    for path in encoder_folder.iterdir():
        (folder / path.name).symlink_to(path)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage != "missing":
        (folder / name).write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\x00\x01garbage" * 50}[damage]
        )
    with pytest.raises(TextEncoderError) as caught:
        TextEncoder.load(folder)
    assert name in caught.value.message
    assert caught.value.hint


def test_files_and_settings_of_different_encoders_do_not_mix(encoder_folder, encoder):
    with pytest.raises(TextEncoderError, match="384 numbers per token where the settings say 768"):
        TextEncoder.load(encoder_folder, settings={**encoder.settings.model_dump(), "width": 768})


def test_errors_survive_the_trip_between_processes():
    error = pickle.loads(pickle.dumps(TextEncoderError("broken", "mend it")))
    assert (error.message, error.hint, str(error)) == ("broken", "mend it", "broken mend it")


def test_loading_and_encoding_need_no_torch_and_say_nothing(encoder_folder):
    code = (
        "import sys; from hsegap.text import TextEncoder\n"
        "encoder = TextEncoder.load(sys.argv[1], intra_op_num_threads=2)\n"
        "encoder.encode('MgO'); encoder.encode_many(['MgO', 'NaCl'])\n"
        "bad = {'torch', 'transformers', 'dgl', 'onnx', 'hsegap.training', 'hsegap.export'} & set(sys.modules)\n"
        "print(sorted(bad))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, encoder_folder], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
    assert done.stderr == ""


def test_importing_does_no_work():
    code = (
        "import sys, hsegap.text; "
        "print(sorted({'torch', 'transformers', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
