"""Encoded texts on disk: nothing is computed twice, nothing half-written is believed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hsegap.text import TextEncoder, VectorCache, vector_key


def test_vectors_come_back_to_the_bit_in_a_new_process(tmp_path):
    rng = np.random.default_rng(0)
    vectors = {f"{i:02}": rng.normal(size=(i % 5 + 1, 8)).astype(np.float32) for i in range(20)}
    with VectorCache(tmp_path, shard_size=6) as cache:
        for key, value in vectors.items():
            cache.put(key, value)
            value[0] += 0  # the cache holds its own copy
            np.testing.assert_array_equal(cache.get(key), value)
    assert len(list(tmp_path.iterdir())) == 4  # 6 + 6 + 6 + 2
    again = VectorCache(tmp_path)
    assert len(again) == 20
    for key, value in vectors.items():
        np.testing.assert_array_equal(again.get(key), value)
    assert again.get("unknown") is None
    again.get("03")[:] = 0
    np.testing.assert_array_equal(again.get("03"), vectors["03"])


def test_the_key_names_encoder_text_and_what_is_kept():
    keys = {
        vector_key("a", "text", pooled=True),
        vector_key("a", "text", pooled=False),
        vector_key("b", "text", pooled=True),
        vector_key("a", "other", pooled=True),
    }
    assert len(keys) == 4


def test_training_asks_the_encoder_once_per_text(encoder_folder, descriptions, tmp_path, monkeypatch):
    texts = list(descriptions.values())
    encoder = TextEncoder.load(encoder_folder)
    first = encoder.encode_many(texts, pooled=True, cache=VectorCache(tmp_path))
    fresh = TextEncoder.load(encoder_folder)
    monkeypatch.setattr(fresh, "_run", lambda text: pytest.fail(f"encoded again: {text[:20]}"))
    # White space does not matter: the key is that of the normalised text.
    second = fresh.encode_many([f"  {text}\n" for text in texts], pooled=True, cache=VectorCache(tmp_path))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(pytest.fail.Exception):
        fresh.encode_many(texts, pooled=False, cache=VectorCache(tmp_path))  # all tokens were not kept


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage"])
def test_a_damaged_shard_is_passed_over_and_its_texts_are_stored_again(tmp_path, damage):
    with VectorCache(tmp_path, shard_size=2) as cache:
        for key in "abcd":
            cache.put(key, np.full(3, ord(key), np.float32))
    victim = min(tmp_path.iterdir())
    content = victim.read_bytes()
    victim.write_bytes({"cut": content[:-4], "empty": b"", "garbage": b"\xff" * 100}[damage])
    again = VectorCache(tmp_path)
    assert again.unreadable == [victim]
    missing = [key for key in "abcd" if again.get(key) is None]
    assert len(missing) == 2
    with again:
        for key in missing:
            again.put(key, np.full(3, ord(key), np.float32))
    assert all(VectorCache(tmp_path).get(key)[0] == ord(key) for key in "abcd")


def test_a_shard_deleted_under_way_counts_as_absent(tmp_path):
    with VectorCache(tmp_path) as cache:
        cache.put("a", np.zeros(3, np.float32))
    reader = VectorCache(tmp_path)
    next(tmp_path.iterdir()).unlink()
    assert reader.get("a") is None
    assert "a" not in reader


def test_a_failing_disk_leaves_no_half_file(tmp_path, monkeypatch):
    cache = VectorCache(tmp_path)
    cache.put("a", np.zeros(3, np.float32))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            cache.flush()
    assert list(tmp_path.iterdir()) == []
    cache.flush()  # the vectors were kept and reach the disk once there is room
    assert VectorCache(tmp_path).get("a") is not None


WORKER = """
import sys
from hsegap.text import TextEncoder, VectorCache
encoder = TextEncoder.load(sys.argv[1])
texts = [f"crystal number {i} is cubic" for i in range(2000)]
def tell(done, total):
    print(done, flush=True)
encoder.encode_many(texts, pooled=True, cache=VectorCache(sys.argv[2], shard_size=8), progress=tell)
"""


def test_a_killed_run_is_continued(encoder_folder, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, encoder_folder, tmp_path], stdout=subprocess.PIPE, text=True
    )
    done = 0
    for line in process.stdout:
        done = int(line)
        if done >= 30:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=120)
    process.stdout.close()
    assert process.returncode == -signal.SIGKILL

    cache = VectorCache(tmp_path)
    kept = len(cache)
    assert kept >= done - 8  # at most one shard is lost
    assert cache.unreadable == []
    encoder = TextEncoder.load(encoder_folder)
    texts = [f"crystal number {i} is cubic" for i in range(kept + 5)]
    passes = []
    run = encoder._run
    encoder._run = lambda text: passes.append(text) or run(text)
    vectors = encoder.encode_many(texts, pooled=True, cache=cache)
    assert len(passes) == 5
    np.testing.assert_array_equal(vectors[0], encoder.pooled(texts[0]))


def test_two_processes_may_fill_one_folder(encoder_folder, tmp_path):
    code = WORKER.replace("range(2000)", "range(40)")
    started = time.monotonic()
    both = [
        subprocess.Popen([sys.executable, "-c", code, encoder_folder, tmp_path], stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert time.monotonic() - started < 120
    cache = VectorCache(tmp_path)
    assert len(cache) == 40
    assert cache.unreadable == []
    assert not list(tmp_path.glob("*.tmp"))
