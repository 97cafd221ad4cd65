"""Descriptions kept on disk: right or absent, bounded, shared by processes."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat

import pytest

from hsegap.structures import describe_cache
from hsegap.structures.describe_cache import DescriptionCache

ANSWER = {"text": "MgO is Halite, Rock Salt structured.", "n_atoms": 2}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "descriptions.sqlite"


def test_what_is_put_is_found_again_by_another_run(path):
    first = DescriptionCache(path)
    key = first.key("text of a file", None, 500)
    assert first.get(key) is None
    first.put(key, ANSWER)
    assert first.get(key) == ANSWER
    assert DescriptionCache(path).get(key) == ANSWER


def test_the_key_follows_the_structure_and_what_decides_the_words(path, monkeypatch):
    cache = DescriptionCache(path)
    keys = {cache.key("a", None, 5), cache.key("b", None, 5), cache.key("a", "cif", 5), cache.key("a", None, 6)}
    monkeypatch.setattr(describe_cache, "wording", lambda: "another robocrys")
    keys.add(cache.key("a", None, 5))
    assert len(keys) == 5


@pytest.mark.parametrize(
    "damage",
    ["UPDATE answers SET answer = X'7B7D'", "UPDATE answers SET checksum = 1", "UPDATE answers SET answer = 'x'"],
)
def test_a_damaged_answer_counts_as_none_and_is_replaced(path, damage):
    cache = DescriptionCache(path)
    good, bad = cache.key("good"), cache.key("bad")
    cache.put(bad, ANSWER)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    cache.put(good, ANSWER)
    assert cache.get(bad) is None
    assert cache.get(good) == ANSWER
    cache.put(bad, ANSWER)
    assert cache.get(bad) == ANSWER


@pytest.mark.parametrize("content", [b"no database at all" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_begun_anew(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    cache = DescriptionCache(path)
    assert cache.get(cache.key("a")) is None
    cache.put(cache.key("a"), ANSWER)
    assert DescriptionCache(path).get(cache.key("a")) == ANSWER


def test_its_size_is_bounded_and_the_longest_unused_goes_first(path):
    cache = DescriptionCache(path, max_bytes=20_000)
    keys = [cache.key(number) for number in range(60)]
    for key in keys:
        cache.put(key, {"text": "x" * 1000})
        assert cache.get(keys[0]) is not None, "what is in use stays"
    kept = [key for key in keys if cache.get(key) is not None]
    assert 10 <= len(kept) <= 20
    assert kept[-1] == keys[-1]
    assert keys[1] not in kept
    cache.put(cache.key("huge"), {"text": "x" * 15_000})
    assert cache.get(cache.key("huge")) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_done_without(path):
    path.parent.mkdir()
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    cache = DescriptionCache(path)
    cache.put(cache.key("a"), ANSWER)
    assert cache.get(cache.key("a")) is None


def test_a_folder_in_its_place_is_done_without(path):
    path.mkdir(parents=True)
    cache = DescriptionCache(path)
    cache.put(cache.key("a"), ANSWER)
    assert cache.get(cache.key("a")) is None


def write(path, worker):
    cache = DescriptionCache(path)
    for number in range(40):
        cache.put(cache.key(number), {"text": f"crystal {number}"})
        answer = cache.get(cache.key(number))
        assert answer == {"text": f"crystal {number}"}, (worker, number, answer)


def test_several_processes_share_the_file(path):
    context = multiprocessing.get_context("fork")
    parent = DescriptionCache(path)
    parent.put(parent.key(0), {"text": "crystal 0"})  # open before the fork
    workers = [context.Process(target=write, args=(path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [parent.get(parent.key(number)) for number in range(40)] == [
        {"text": f"crystal {number}"} for number in range(40)
    ]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
