"""Worker processes may hang, die or run out of memory: that costs one answer and is named,
and the next job finds a worker again.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hsegap.children import python_path
from hsegap.prediction.errors import Failure
from hsegap.prediction.messages import PREFIX, Job, ReadAnswer, pack, unpack
from hsegap.prediction.worker_start import begin
from hsegap.prediction.workers import FAILED_STARTS, WorkerPool
from support.processes import running, stop, unread, until
from support.service_samples import BAD, GAAS, MGO, NACL, SILICON, supercell

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SLOW_DISK = """
import sys, time
from pathlib import Path

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "pymatgen.io.vasp.inputs":
            time.sleep(4)
            Path(__file__).with_name("read").touch()

sys.meta_path.insert(0, Slow())
"""


def job(structure: str, **more: Any) -> Job:
    graph = {"flavour": "symmetric", "cutoff": 8.0, "max_neighbors": 12}
    limits = {"max_atoms": 20_000, "max_edges": 10_000_000} | more
    return Job(job="read", structure=structure, format=None, graph=graph, **limits)


def soon(seconds: float = 120) -> float:
    return time.monotonic() + seconds


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    made = WorkerPool("read", size=1, deadline_s=30)
    yield made
    made.close()


def read(pool: WorkerPool, structure: str, **more: Any) -> dict[str, Any]:
    answer = pool.run(job(structure, **more), expires_at=soon())
    assert not isinstance(answer, Failure), answer
    read = ReadAnswer.of(*answer)
    return vars(read) | vars(read.graph)


def hang(pool: WorkerPool) -> int:
    """Make the pool's only worker hang."""
    read(pool, SILICON)
    [pid] = pool.pids()
    assert stop(pid)
    return pid


def code_of(answer: object) -> str:
    assert isinstance(answer, Failure)
    assert answer.error.message
    assert answer.error.hint
    return answer.error.code


def test_a_worker_reads_and_builds_the_graph_that_the_library_builds(pool: WorkerPool) -> None:
    from hsegap import structures

    answer = read(pool, NACL)
    graph = structures.build_graph(structures.read(NACL))
    assert answer["formula"] == "NaCl"
    assert answer["symbols"] == ["Na"] * 4 + ["Cl"] * 4
    assert answer["frac_coords"].shape == (8, 3)
    for name in ("atomic_numbers", "src", "dst", "r", "line_src", "line_dst"):
        np.testing.assert_array_equal(answer[name], getattr(graph, name))
        assert answer[name].dtype == getattr(graph, name).dtype


def test_no_deadline_is_spent_on_the_imports_of_a_poscar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that takes a second to import, several on a slow disk, is not the structure's fault.
    Here it always takes longer than a job may, however fast the machine.
    """
    (tmp_path / "sitecustomize.py").write_text(SLOW_DISK)
    monkeypatch.setattr("hsegap.prediction.worker_start.python_path", lambda: f"{tmp_path}{os.pathsep}{python_path()}")
    with closing(WorkerPool("read", size=1, deadline_s=3)) as pool:
        answer = pool.run(job(GAAS), expires_at=soon())
        assert not isinstance(answer, Failure), answer
        assert ReadAnswer.of(*answer).formula == "GaAs"
        assert answer[0]["read_ms"] < 3000
    assert (tmp_path / "read").exists(), "it was imported, slowly"


def test_errors_keep_their_names(pool: WorkerPool) -> None:
    for text, code in BAD.values():
        assert code_of(pool.run(job(text), expires_at=soon())) == code
    assert code_of(pool.run(job(NACL, max_atoms=7), expires_at=soon())) == "too_many_atoms"
    assert code_of(pool.run(job(NACL, max_edges=7), expires_at=soon())) == "too_many_edges"


def test_nothing_starts_before_it_is_needed() -> None:
    pool = WorkerPool("read", size=3, deadline_s=30)
    assert pool.pids() == []
    pool.start()
    assert len(pool.pids()) == 1
    read(pool, SILICON)
    assert len(pool.pids()) == 1
    pool.close()
    assert pool.pids() == []


def test_a_process_that_has_begun_already_gets_the_first_job_and_ends_with_the_pool() -> None:
    begun = begin("read")
    pool = WorkerPool("read", size=2, deadline_s=30, begun=begun)
    try:
        assert read(pool, SILICON)["formula"] == "Si"
        assert pool.pids() == [begun.process.pid]
    finally:
        pool.close()
    assert begun.process.returncode is not None


def test_a_job_past_its_deadline_is_killed_and_the_next_one_works() -> None:
    pool = WorkerPool("read", size=1, deadline_s=1)
    hung = hang(pool)
    started = time.monotonic()
    assert code_of(pool.run(job(NACL), expires_at=soon())) == "timeout"
    assert 0.9 < time.monotonic() - started < 60
    assert hung not in pool.pids()
    # Its successor was started at once.
    assert len(pool.pids()) == 1
    assert read(pool, SILICON)["formula"] == "Si"
    pool.close()


def test_a_caller_that_waits_no_longer_frees_the_worker(pool: WorkerPool) -> None:
    hang(pool)
    started = time.monotonic()
    assert code_of(pool.run(job(NACL), expires_at=soon(0.2))) == "timeout"
    assert time.monotonic() - started < 25
    assert read(pool, MGO)["formula"] == "MgO"


def test_a_caller_that_goes_away_ends_the_job_and_a_job_still_waiting(pool: WorkerPool) -> None:
    pid = hang(pool)
    gone = threading.Event()
    with ThreadPoolExecutor(2) as callers:
        asked = [callers.submit(pool.run, job(NACL), expires_at=soon(), abandoned=gone) for _ in range(2)]
        assert until(lambda: unread(pid)), "one has the worker"
        assert not any(future.done() for future in asked)
        gone.set()
        assert [code_of(future.result(timeout=25)) for future in asked] == ["timeout"] * 2
    assert pid not in pool.pids()
    assert read(pool, MGO)["formula"] == "MgO"


def test_a_worker_still_starting_outlives_a_caller_that_goes_away() -> None:
    starting = WorkerPool("read", size=1, deadline_s=30)
    starting.start()
    [pid] = starting.pids()
    assert stop(pid)
    gone = threading.Event()
    threading.Timer(0.3, gone.set).start()
    assert code_of(starting.run(job(NACL), expires_at=soon(), abandoned=gone)) == "timeout"
    assert starting.pids() == [pid]
    starting.close()


def test_a_worker_killed_in_the_middle_of_a_job_costs_that_job_only(pool: WorkerPool) -> None:
    pid = hang(pool)
    with ThreadPoolExecutor(1) as caller:
        asked = caller.submit(pool.run, job(NACL), expires_at=soon())
        assert until(lambda: unread(pid)), "it has the job"
        os.kill(pid, signal.SIGKILL)
        answer = asked.result()
    assert code_of(answer) == "internal"
    assert "SIGKILL" in answer.error.message  # type: ignore[union-attr]  # code_of has checked it
    assert read(pool, NACL)["formula"] == "NaCl"


def test_a_worker_that_died_between_two_jobs_is_nobodys_fault(pool: WorkerPool) -> None:
    read(pool, SILICON)
    [pid] = pool.pids()
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not running(pid))
    assert read(pool, NACL)["formula"] == "NaCl"


def test_a_job_that_wants_too_much_memory_fails_alone(pool: WorkerPool) -> None:
    read(pool, supercell(1))  # a POSCAR, as the large one is: its imports count
    [pid] = pool.pids()
    status = Path(f"/proc/{pid}/status").read_text()
    usual = int(next(line for line in status.splitlines() if line.startswith("VmPeak")).split()[1]) * 1024
    # Enough for the imports and small crystals, not for the graph of ten thousand atoms.
    tight = WorkerPool("read", size=1, deadline_s=120, memory_bytes=usual + 150 * 2**20)
    assert read(tight, NACL)["formula"] == "NaCl"
    assert code_of(tight.run(job(supercell(13)), expires_at=soon())) == "too_many_edges"
    assert read(tight, NACL)["formula"] == "NaCl"
    tight.close()


def test_many_threads_share_few_workers() -> None:
    pool = WorkerPool("read", size=2, deadline_s=30)
    texts = {"NaCl": NACL, "MgO": MGO, "Si": SILICON}
    names = [list(texts)[i % 3] for i in range(60)]
    got: list[str] = [""] * len(names)

    def work(index: int) -> None:
        got[index] = read(pool, texts[names[index]])["formula"]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == names
    assert len(pool.pids()) == 2
    pool.close()


def test_a_worker_that_cannot_import_is_not_started_for_ever_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # At DEBUG a worker speaks to standard error, not to the log.
    caplog.set_level(logging.INFO, logger="hsegap.workers")
    (tmp_path / "pymatgen.py").write_text("raise ImportError('libtest.so.0 is not there')")
    monkeypatch.setattr("hsegap.prediction.worker_start.python_path", lambda: f"{tmp_path}{os.pathsep}{python_path()}")
    pool = WorkerPool("read", size=1, deadline_s=30)
    try:
        answers = [pool.run(job(SILICON), expires_at=soon()) for _ in range(FAILED_STARTS)]
        assert {code_of(answer) for answer in answers} == {"internal"}
        assert all("exit status 1" in answer.error.message for answer in answers if isinstance(answer, Failure))
        assert caplog.text.count("ImportError: libtest.so.0 is not there") == FAILED_STARTS
        refused = [pool.run(job(SILICON), expires_at=soon()) for _ in range(100)]
        assert {code_of(answer) for answer in refused} == {"internal"}
        # Within the pause of a second, which a busy machine may exceed once, none is started.
        assert caplog.text.count("could not start") <= FAILED_STARTS + 1
        assert not pool.pids()
        monkeypatch.undo()
        assert until(lambda: not isinstance(pool.run(job(SILICON), expires_at=soon()), Failure)), "it is tried again"
    finally:
        pool.close()


def test_a_closed_pool_takes_no_job_and_leaves_no_process() -> None:
    pool = WorkerPool("read", size=1, deadline_s=30)
    read(pool, SILICON)
    [pid] = pool.pids()
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert code_of(pool.run(job(SILICON), expires_at=soon(1))) in {"not_ready", "timeout"}


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import os, signal, time\n"
        "from hsegap.prediction.workers import WorkerPool\n"
        "pool = WorkerPool('read', size=1, deadline_s=30)\n"
        "pool.start()\nprint(pool.pids()[0], flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert until(lambda: not running(pid)), "the worker outlived its parent"


def test_the_token_does_not_reach_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSEGAP_TOKEN", "secret")
    pool = WorkerPool("read", size=1, deadline_s=30)
    pool.start()
    [pid] = pool.pids()
    read(pool, SILICON)
    assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    pool.close()


def test_messages_survive_packing_and_hold_no_objects() -> None:
    arrays = {"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": np.zeros((0, 3), np.float32), "c": np.float64(1.5)}
    frame = pack({"x": "é\ud800"}, arrays)
    head_bytes, body_bytes = PREFIX.unpack(frame[: PREFIX.size])
    head, body = frame[PREFIX.size : PREFIX.size + head_bytes], frame[PREFIX.size + head_bytes :]
    assert len(body) == body_bytes
    header, again = unpack(head, body)
    assert header == {"x": "é\ud800"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
    with pytest.raises(ValueError):
        unpack(head.replace(b"<i8", b"|O8"), body)
