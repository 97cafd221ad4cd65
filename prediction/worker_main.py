"""What runs inside a worker process: read a structure and build its graph, or describe it, one job at a time.

Started as ``python -P -m hsegap.prediction.worker_main ROLE MEMORY_BYTES CPU_SECONDS quiet|loud``. Jobs arrive as
frames on standard input, answers leave as frames on what was standard output; anything a library prints goes to
standard error instead, and to nobody once a quiet process is ready. The process ends when its input ends, so it never
outlives the server. A job that burns more than its share of processor time is ended by the kernel even if nobody is
left to kill it.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from hsegap.prediction.messages import PREFIX, DescribeAnswer, Job, ReadAnswer, Refusal, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hsegap.structures import Crystal

#: A process that gets no job for so long after its start belongs to a server, seconds.
IDLE_S = 2.0
#: What reads POSCAR files: an import of a second, several on a slow disk.
POSCAR_READER = "pymatgen.io.vasp.inputs"


def read_job(job: Job) -> ReadAnswer:
    """Text of a structure file → crystal graph.

    Raises:
        StructureError: If it cannot be read, is too large, or cannot be made a graph.
    """
    from hsegap.structures import build_graph
    from hsegap.structures.errors import StructureError

    started = time.perf_counter()
    crystal = _read(job)
    was_read = time.perf_counter()
    limits: dict[str, Any] = {"max_atoms": job.max_atoms, "max_edges": job.max_edges}
    graph = build_graph(crystal, **job.graph, **limits)
    try:
        strained = tuple(
            build_graph(replace(crystal, lattice=crystal.lattice * (1 + strain)), **job.graph, **limits)
            for strain in job.strains
        )
    except StructureError:  # the crystal itself can be answered; the answer says what is missing
        strained = ()
    return ReadAnswer(
        formula=crystal.formula,
        symbols=list(crystal.symbols),
        warnings=[(notice.code, notice.message) for notice in crystal.warnings],
        read_ms=1e3 * (was_read - started),
        graph_ms=1e3 * (time.perf_counter() - was_read),
        graph=graph,
        frac_coords=np.asarray(crystal.frac_coords, dtype=np.float64),
        lattice=np.asarray(crystal.lattice, dtype=np.float64),
        strained=strained,
    )


def describe_job(job: Job) -> DescribeAnswer:
    """Text of a structure file → description.

    Raises:
        StructureError: If it cannot be read.
    """
    from hsegap.structures import describe

    started = time.perf_counter()
    crystal = _read(job)
    was_read = time.perf_counter()
    text = describe(crystal)
    return DescribeAnswer(
        text=text,
        formula=crystal.formula,
        n_atoms=crystal.n_atoms,
        warnings=[(notice.code, notice.message) for notice in crystal.warnings],
        read_ms=1e3 * (was_read - started),
        describe_ms=1e3 * (time.perf_counter() - was_read),
    )


def _read(job: Job) -> Crystal:
    """Read the job's structure.

    A surprise inside a parser means that the file is unreadable, not that the service is broken.
    """
    from hsegap.structures import read
    from hsegap.structures.errors import StructureError

    try:
        return read(job.structure, format=job.format, max_atoms=job.max_atoms)
    except (StructureError, MemoryError):
        raise
    except Exception as error:
        traceback.print_exc()
        raise StructureError(
            "unreadable_structure", "The structure could not be read.", "Check that the file is complete and undamaged."
        ) from error


def _answer(job: Job) -> ReadAnswer | DescribeAnswer | Refusal:
    """Do one job; every failure becomes a named error."""
    from hsegap.structures.errors import DescriptionError, StructureError

    try:
        return read_job(job) if job.job == "read" else describe_job(job)
    except Exception as error:  # the server must go on; what happened is logged there
        if _caused_by(error, MemoryError):
            return Refusal("too_many_edges", "The crystal needs more memory than one request may use.", unfit=True)
        # What cannot be imported, for want of memory or of a file, is not the structure's fault.
        blameless = job.job == "read" and _caused_by(error, ImportError)
        if isinstance(error, StructureError | DescriptionError) and not blameless:
            return Refusal(error.code, error.message, error.hint, unfit=_caused_by(error, SystemError))
        return Refusal("internal", "", traceback=traceback.format_exc(limit=-20), unfit=True)


def _caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error of a kind stands behind another; a parser that ran out of memory was not given a bad file."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False


def _warm_up(role: str) -> None:
    """Import what the jobs need, so that no deadline is spent on imports."""
    from pymatgen.optimization.neighbors import find_points_in_spheres  # noqa: F401

    from hsegap.structures.formula import reduced_formula
    from hsegap.structures.read import reader_of

    reader_of("cif")
    reduced_formula(["H"])

    if role == "describe":
        from hsegap.structures.robocrys_import import import_robocrys

        with suppress(ImportError):  # each job says so
            import_robocrys()


def _warm_up_further() -> None:
    """Import what fewer files need. Nobody waits; a short command, which ends before, would pay for it in vain."""
    from pymatgen.core import Structure  # noqa: F401 - cells that have to be reduced

    from hsegap.structures.cif_symbols import meaning_of
    from hsegap.structures.read import FORMATS, reader_of

    for name in FORMATS:
        reader_of(name)
    import_module(POSCAR_READER)
    meaning_of("F 4/m -3 2/m")  # a full symbol, so that the tables of all symbols are made


@contextmanager
def _importing(answers: BinaryIO) -> Iterator[None]:
    """Tell the server that what goes on is an import, which no job's deadline counts."""
    answers.write(pack({"importing": True}))
    yield
    answers.write(pack({"importing": False}))


def _import_for(job: Job, answers: BinaryIO) -> None:
    """Import what this job needs and the start left out: pymatgen's reader of POSCAR files."""
    if POSCAR_READER in sys.modules:
        return
    from hsegap.structures.read import looks_like

    if job.format == "poscar" or (job.format is None and looks_like(job.structure, "poscar")):
        with _importing(answers), suppress(ImportError):  # the job says so
            import_module(POSCAR_READER)


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        sys.exit(0)  # the server has closed the pipe
    return data


def main() -> None:
    """Serve jobs until standard input ends."""
    role, memory_bytes, cpu_seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the server's to handle
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    jobs = sys.stdin.buffer
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()  # nothing that is imported is garbage, and looking for some takes a tenth of the start
    _warm_up(role)
    gc.freeze()
    gc.enable()
    if sys.argv[4] == "quiet":  # the parent keeps what was said until here
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path, a device
            os.dup2(nowhere.fileno(), 2)
            os.dup2(2, 1)
    answers.write(pack({"ready": True}))
    if not select.select([jobs], [], [], IDLE_S)[0]:
        with _importing(answers):
            _warm_up_further()
    while True:
        head_bytes, body_bytes = PREFIX.unpack(_read_exactly(jobs, PREFIX.size))
        head, body = _read_exactly(jobs, head_bytes), _read_exactly(jobs, body_bytes)
        job = Job(**unpack(head, body)[0])
        _import_for(job, answers)
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer = _answer(job).frame()
        signal.setitimer(signal.ITIMER_PROF, 0)
        view = memoryview(answer)
        while view:
            view = view[answers.write(view) :]


if __name__ == "__main__":
    main()
