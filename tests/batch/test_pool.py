"""Workers that die, hang or are killed; what they share; what they leave behind."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hsegap.batch import pool as pool_module
from hsegap.batch.batches import Item, batched
from hsegap.batch.fork_server import ForkServer
from hsegap.batch.pool import Pool, PoolOptions
from hsegap.batch.problems import ScoringError
from hsegap.batch.texts import ScoringPredictor, VectorTable
from hsegap.prediction.schemas import PredictRequest
from support.processes import descendants, memory_kb, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.artifact.artifact import Artifact
    from hsegap.batch.batches import Scored


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that some inputs kill."""
    monkeypatch.setattr(ForkServer, "module", "support.poisoned_fork_server")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))


def repeated(crystals: dict[str, str], n: int, **special: str) -> list[Item]:
    """So many inputs, some of them replaced: ``n7="KILL"``."""
    texts = list(crystals.values())
    return [Item(f"i{number}", structure=special.get(f"n{number}", texts[number % len(texts)])) for number in range(n)]


def score(pool: Pool, items: list[Item], *, size: int = 8) -> list[dict[str, Any]]:
    done = sorted(pool.run(batched(items, size=size)), key=lambda scored: scored.number)
    return [row for scored in done for row in scored.rows]


@pytest.mark.usefixtures("poison")
def test_an_input_that_kills_its_worker_costs_its_own_row(
    artifact: Artifact, crystals: dict[str, str], tmp_path: Path
) -> None:
    special = {"n3": "KILL", "n9": "EXIT", "n10": "KILL", "n13": f"ONCE {tmp_path / 'once'}"}
    with Pool(artifact, PoolOptions(workers=2, texts=False)) as pool:
        rows = score(pool, repeated(crystals, 16, **special), size=4)
    assert [row["id"] for row in rows] == [f"i{number}" for number in range(16)]
    assert [row["index"] for row in rows] == list(range(16))
    failed = {row["id"]: row["error"] for row in rows if row["status"] == "error"}
    assert set(failed) == {"i3", "i9", "i10", "i13"}
    assert [failed[name]["code"] for name in ("i3", "i9", "i10")] == ["internal"] * 3
    assert "SIGKILL" in failed["i3"]["message"]
    assert "exit status" in failed["i9"]["message"]
    # Its second worker lived, and said what the text is: no structure.
    assert failed["i13"]["code"] in {"unsupported_format", "unreadable_structure"}


@pytest.mark.usefixtures("poison")
def test_a_worker_that_hangs_is_ended(
    artifact: Artifact, crystals: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = repeated(crystals, 1)
    with Pool(artifact, PoolOptions(workers=1, texts=False)) as pool:
        assert score(pool, good)[0]["status"] == "ok"
        (first,) = pool.pids()
        with monkeypatch.context() as patch:
            patch.setattr(pool_module, "START_S", 2.0)
            patch.setattr(pool_module, "INPUT_S", 1.0)
            patch.setattr(pool_module, "TRIES", 1)
            (row,) = score(pool, [Item("h", structure="HANG")])
        assert "SIGKILL" in row["error"]["message"]
        assert score(pool, good)[0]["status"] == "ok"
        assert pool.pids() != [first]


@pytest.mark.usefixtures("poison")
def test_a_machine_on_which_every_worker_dies_ends_the_run(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MOST_DEATHS", 2)
    with Pool(artifact, PoolOptions(texts=False)) as pool, pytest.raises(ScoringError) as caught:
        score(pool, [Item(f"i{number}", structure="KILL") for number in range(8)])
    assert caught.value.code == "workers"
    assert "--resume" in caught.value.hint


def test_workers_killed_from_outside_cost_nothing(artifact: Artifact, crystals: dict[str, str]) -> None:
    items = repeated(crystals, 40)
    with Pool(artifact, PoolOptions(workers=2, texts=False)) as pool:
        expected = score(pool, items, size=4)

        def killing() -> Iterator[Scored]:
            for number, scored in enumerate(pool.run(batched(items, size=4))):
                if number in {1, 4}:
                    os.kill(next(filter(running, pool.pids())), signal.SIGKILL)
                yield scored

        rows = [row for scored in sorted(killing(), key=lambda scored: scored.number) for row in scored.rows]
    assert rows == expected
    assert all(row["status"] == "ok" for row in rows)


def test_inputs_known_to_be_broken_need_no_worker(artifact: Artifact) -> None:
    from hsegap.batch.problems import unreadable

    with Pool(artifact, PoolOptions()) as pool:
        rows = score(pool, [Item("a", problem=unreadable("gone"))])
        assert rows[0]["error"]["code"] == "unreadable_input"
        assert pool.pids() == []


def test_workers_share_the_artifacts_pages_and_leave_nobody_behind(
    artifact: Artifact, crystals: dict[str, str]
) -> None:
    before = descendants(os.getpid())
    with Pool(artifact, PoolOptions(workers=2, texts=True)) as pool:
        score(pool, repeated(crystals, 16), size=4)
        assert len(pool.pids()) == 2
        for pid in pool.pids():
            used = memory_kb(pid)
            shared = used["Shared_Clean"] + used["Shared_Dirty"]
            # The encoder and the network lie in anonymous memory: without sharing this would be next to nothing.
            assert used["Shared_Dirty"] * 1024 > 0.5 * artifact.path("text_encoder.onnx").stat().st_size
            assert shared > used["Private_Dirty"] + used["Private_Clean"]
        processes = descendants(os.getpid()) - before
        assert len(processes) >= 5, "the fork server, two workers, a reader each"
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def test_each_distinct_text_is_encoded_once_and_gives_the_same(artifact: Artifact, crystals: dict[str, str]) -> None:
    from hsegap.prediction.predictor import Predictor

    texts = ["Zincblende.", "Rock salt structured.", "A longer one. " * 200]
    requests = [
        PredictRequest(structure=crystals["GaAs"], description=texts[number % 3], atoms=False) for number in range(9)
    ]
    with Predictor(artifact) as plain, ScoringPredictor(artifact) as predictor:
        expected = [plain.predict_one(request).model_dump(exclude={"timings_ms"}) for request in requests]
        encoded: list[str] = []
        predictor.encoder()
        encoder = predictor.loaded._encoder
        real = encoder.encode
        encoder.encode = lambda text: (encoded.append(text), real(text))[1]
        got = [predictor.predict_one(request).model_dump(exclude={"timings_ms"}) for request in requests]
        reads_all_tokens = predictor.network().reads_all_tokens
    assert got == expected
    assert any(warning["code"] == "text_truncated" for warning in got[2]["warnings"])
    assert len([text for text in encoded if text]) == (9 if reads_all_tokens else 3)


def test_vectors_written_by_one_process_are_read_by_another() -> None:
    import numpy as np

    table = VectorTable(8)
    vector = np.arange(8, dtype=np.float32)
    pid = os.fork()
    if pid == 0:
        table.put("text", vector, truncated=True)
        os._exit(0)
    os.waitpid(pid, 0)
    found, truncated = table.get("text")
    assert (found == vector[None]).all()
    assert truncated
    assert table.get("another") is None


def test_a_vector_half_written_is_none() -> None:
    import numpy as np

    table = VectorTable(4, size_bytes=100)  # two slots: texts push each other out as well
    table.put("text", np.ones(4, dtype=np.float32), truncated=False)
    _, start = table._place("text")
    table._memory[start + 30 : start + 32] = b"\xff\xff"
    assert table.get("text") is None
    names = [f"t{number}" for number in range(50)]
    stop = threading.Event()

    def write(value: float) -> None:
        while not stop.is_set():
            for name in names:
                table.put(name, np.full(4, value, dtype=np.float32), truncated=False)

    threads = [threading.Thread(target=write, args=(value,)) for value in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    whole: list[set[float]] = []

    def looked() -> bool:
        found = [table.get(name) for name in names]
        whole.extend(set(one[0].ravel().tolist()) for one in found if one is not None)
        return len(whole) > 100

    assert until(looked)
    stop.set()
    for thread in threads:
        thread.join()
    assert {len(values) for values in whole} == {1}


def test_an_artifact_replaced_meanwhile_is_not_used(
    artifact: Artifact, crystals: dict[str, str], tmp_path: Path
) -> None:
    import dataclasses

    other = dataclasses.replace(artifact, sha256="0" * 64)
    with Pool(other, PoolOptions()) as pool, pytest.raises(ScoringError) as caught:
        score(pool, repeated(crystals, 1))
    assert "replaced" in caught.value.message
