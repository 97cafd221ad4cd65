"""What the benchmarks share: alternating measurements, the peers' environment, the machine's description."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hsegap.processors import usable_processors

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".cache" / "peers"
REQUIREMENTS = ROOT / "benchmarks" / "peer_requirements.txt"


class Took(float):
    """Wall seconds of one call, with the processor seconds it cost.

    On a machine that others use too, those are what can be compared.
    """

    cpu: float

    def __new__(cls, wall: float, cpu: float) -> Self:
        """Keep both."""
        made = super().__new__(cls, wall)
        made.cpu = cpu
        return made


class PeerError(RuntimeError):
    """A peer could not do its step; the reason is the message."""


def peer_python() -> Path:
    """Python of the peers' environment, installed on first use (a few minutes)."""
    python = PEERS / "bin" / "python"
    stamp = PEERS / f".ready-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"
    if not stamp.exists():
        print(f"installing the peers into {PEERS.relative_to(ROOT)} (a few minutes, once)", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS], check=True
        )
        stamp.touch()
    return python


class Peer:
    """A process of :mod:`benchmarks.peer` that times one step at a time."""

    def __init__(self, *, threads: int) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment.update(
            PYTHONHASHSEED="0",
            OMP_NUM_THREADS=str(threads),
            OMP_WAIT_POLICY="PASSIVE",
            DGLBACKEND="pytorch",
            MPLBACKEND="Agg",
        )
        self._process = subprocess.Popen(
            [peer_python(), "-W", "ignore", ROOT / "benchmarks" / "peer.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )

    def ask(self, do: str, **job: Any) -> tuple[float, Any]:
        """Do one step: its seconds and its answer.

        Raises:
            PeerError: If it failed.
        """
        assert self._process.stdin is not None  # for the type checker: both are pipes
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **job}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        reply = json.loads(line) if line else {"error": f"the peer ended with {self._process.wait()}"}
        if "error" in reply:
            raise PeerError(f"{do}: {reply['error']}")
        return Took(reply["seconds"], reply["cpu"]), reply["answer"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def seconds_of(function: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    started, cpu = time.perf_counter(), time.process_time()
    function()
    return Took(time.perf_counter() - started, time.process_time() - cpu)


def alternate(contenders: dict[str, Callable[[], float]], *, rounds: int, warm: int = 1) -> dict[str, list[float]]:
    """Let each contender run once per round, so that whatever else the machine does hits them alike.

    Args:
        contenders: By name, a function that runs once and gives its seconds.
        rounds: Measured rounds.
        warm: Rounds before, not counted.

    Returns:
        Seconds of each round. A peer that fails is left out, with the reason on standard error.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(warm + rounds):
        for name in list(taken):
            try:
                seconds = contenders[name]()
            except PeerError as error:
                print(f"left out: {name}: {error}", file=sys.stderr, flush=True)
                del taken[name]
                continue
            if number >= warm:
                taken[name].append(seconds)
    return taken


def row(stage: str, case: str, taken: dict[str, list[float]], *, ours: str = "hsegap", per: int = 1) -> dict[str, Any]:
    """One line of results.

    Medians in ms, and how many times longer than ours each peer takes (median of the rounds' ratios).
    """
    medians = {name: 1e3 * statistics.median(seconds) / per for name, seconds in taken.items()}
    ratios = {
        name: statistics.median(other / mine for other, mine in zip(seconds, taken[ours], strict=True))
        for name, seconds in taken.items()
        if name != ours
    }
    cpu = {
        name: 1e3 * statistics.median(getattr(one, "cpu", one) for one in seconds) / per
        for name, seconds in taken.items()
    }
    return {"stage": stage, "case": case, "ms": medians, "ratio": ratios, "cpu_ms": cpu, "rounds": len(taken[ours])}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    from importlib import metadata

    info = Path("/proc/cpuinfo").read_text()
    lines = dict(part.split(":", 1) for part in info.splitlines() if ":" in part)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    wanted = ("avx2", "avx512f", "avx512_vnni", "amx_tile")
    return {
        "processor": fields.get("model name", platform.processor()),
        "cores": usable_processors(),
        "instructions": " ".join(name for name in wanted if name in fields.get("flags", "").split()),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "versions": {name: metadata.version(name) for name in ("onnxruntime", "numpy", "pymatgen-core", "robocrys")},
    }
