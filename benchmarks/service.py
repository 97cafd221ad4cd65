"""How a running server bears load, time and mutated files.

Needs `hsegap serve` started beside it; only point it at a server of your own.

    python benchmarks/service.py load     # 64 clients, 60 s, every answer against its single one
    python benchmarks/service.py flood    # 256 clients, then the latency when they have gone
    python benchmarks/service.py beside   # one small crystal while 64 clients have crystals described
    python benchmarks/service.py fuzz --cases 5000             # mutated CIF and POSCAR through /predict
    python benchmarks/service.py cost --clients 32 --pid PID    # processor time of a request, by process and thread
    python benchmarks/service.py soak --cases 100000 --pid PID # memory, open files, size of /metrics

Each takes --url and ends with exit status 1 if what docs/deploy.md promises did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder: its files import each other from the repository's root

from benchmarks.scoring import tree  # noqa: E402 - after the path

#: Bytes that parsers trip over.
TOKENS = (
    "1e400",
    "-0",
    "nan",
    "0",
    "(",
    "'",
    '"',
    ";",
    "loop_",
    "data_",
    "_cell_length_a",
    "\x00",
    "?",
    ".",
    "\n",
    "9" * 30,
    "Xx",
    "-1e-9",
)


def structures() -> dict[str, str]:
    """The example crystals by name."""
    return {path.stem: path.read_text() for path in sorted((ROOT / "examples").glob("*.cif"))}


def percentiles(seconds: Sequence[float]) -> str:
    """p50, p95 and p99, ms."""
    if len(seconds) < 2:
        return "too few answers"
    cuts = statistics.quantiles(seconds, n=100)
    return " · ".join(f"p{place} {1e3 * cuts[place - 1]:.0f} ms" for place in (50, 95, 99))


def told(text: str, *, atoms: bool = False) -> dict[str, Any]:
    """A request."""
    return {"structure": text, "atoms": atoms}


async def clients(
    url: str, *, count: int, seconds: float, expected: dict[str, float]
) -> tuple[list[float], dict[Any, int], int]:
    """Ask from many clients at once.

    Returns:
        Seconds of each answer with status 200, how many answers of each status, and how many differed from the single
        prediction.
    """
    crystals = structures()
    names, took, codes, wrong = list(crystals), [], {}, 0
    ends = time.monotonic() + seconds

    async def one(seed: int) -> None:
        nonlocal wrong
        chooser = random.Random(seed)
        async with httpx.AsyncClient(base_url=url, timeout=150) as client:
            while time.monotonic() < ends:
                name = chooser.choice(names)
                begun = time.perf_counter()
                try:
                    answer = await client.post("/predict", json=told(crystals[name]))
                except httpx.TransportError as error:
                    codes[type(error).__name__] = codes.get(type(error).__name__, 0) + 1
                    await asyncio.sleep(0.5)
                    continue
                codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
                if answer.status_code == 200:
                    took.append(time.perf_counter() - begun)
                    wrong += answer.json()["gap_raw_ev"] != expected[name]
                else:
                    await asyncio.sleep(float(answer.headers.get("retry-after", 1)))

    await asyncio.gather(*(one(seed) for seed in range(count)))
    return took, codes, wrong


def singles(url: str) -> dict[str, float]:
    """Each crystal's prediction, asked for alone."""
    with httpx.Client(base_url=url, timeout=150) as client:
        return {
            name: client.post("/predict", json=told(text)).raise_for_status().json()["gap_raw_ev"]
            for name, text in structures().items()
        }


def load(options: argparse.Namespace) -> bool:
    """Many clients, each answer compared."""
    expected = singles(options.url)
    took, codes, wrong = asyncio.run(
        clients(options.url, count=options.clients or 64, seconds=options.seconds, expected=expected)
    )
    print(f"{len(took) / options.seconds:.1f} answers/s · {percentiles(took)} · statuses {codes} · differing {wrong}")
    return not wrong and set(codes) <= {200, 429, 503}


def flood(options: argparse.Namespace) -> bool:
    """More clients than can be served, then one alone."""
    expected = singles(options.url)
    with httpx.Client(base_url=options.url, timeout=150) as client:

        def alone() -> float:
            begun = time.perf_counter()
            client.post("/predict", json=told(structures()["Si"])).raise_for_status()
            return time.perf_counter() - begun

        idle = statistics.median(alone() for _ in range(20))
        _, codes, wrong = asyncio.run(
            clients(options.url, count=options.clients or 256, seconds=options.seconds, expected=expected)
        )
        begun = time.monotonic()
        while (latest := statistics.median(alone() for _ in range(3))) > 2 * idle and time.monotonic() - begun < 30:
            time.sleep(0.1)
        back_s = time.monotonic() - begun
    print(
        f"statuses {codes} · differing {wrong} · idle {1e3 * idle:.0f} ms, after the flood {1e3 * latest:.0f} ms "
        f"within {back_s:.1f} s"
    )
    return not wrong and set(codes) <= {200, 429, 503} and back_s < 5


def beside(options: argparse.Namespace) -> bool:
    """How long silicon takes while many clients have crystals described, none of which was described before."""
    crystals, codes, took = structures(), {}, []
    ends = time.monotonic() + options.seconds

    async def describing(seed: int) -> None:
        names, place = list(crystals), seed
        async with httpx.AsyncClient(base_url=options.url, timeout=150) as client:
            while time.monotonic() < ends:
                place += 64
                text = f"{crystals[names[place % len(names)]]}# {options.seed} {place}\n"  # remembered by its text
                answer = await client.post("/describe", json={"structure": text})
                codes[answer.status_code] = codes.get(answer.status_code, 0) + 1
                if answer.status_code != 200:
                    await asyncio.sleep(float(answer.headers.get("retry-after", 1)))

    async def asking() -> None:
        async with httpx.AsyncClient(base_url=options.url, timeout=150) as client:
            while time.monotonic() < ends:
                begun = time.perf_counter()
                (await client.post("/predict", json=told(crystals["Si"]))).raise_for_status()
                took.append(time.perf_counter() - begun)
                await asyncio.sleep(0.1)

    async def both() -> None:
        await asyncio.gather(asking(), *(describing(seed) for seed in range(options.clients or 64)))

    asyncio.run(both())
    print(f"silicon, {len(took)} answers: {percentiles(took)} · statuses of descriptions {codes}")
    return len(took) > 1 and statistics.quantiles(took, n=20)[-1] <= 1 and set(codes) <= {200, 429, 503}


def processor_s(pid: int) -> dict[str, float]:
    """Processor seconds so far of each thread of a server and of each process below it."""
    spent = {}
    for process in tree(pid):
        for task in Path(f"/proc/{process}/task").iterdir():
            name = "event loop" if task.name == str(pid) else "threads" if process == pid else "reading processes"
            spent[name] = spent.get(name, 0.0) + int((task / "schedstat").read_text().split()[0]) / 1e9
    return spent


def cost(options: argparse.Namespace) -> bool:
    """What a request costs the processor: on a machine that others use too, rates say nothing and this does."""
    expected = singles(options.url)
    before = processor_s(options.pid)
    took, codes, wrong = asyncio.run(
        clients(options.url, count=options.clients or 32, seconds=options.seconds, expected=expected)
    )
    each = {name: 1e3 * (after - before[name]) / len(took) for name, after in processor_s(options.pid).items()}
    parts = " · ".join(f"{name} {ms:.2f}" for name, ms in each.items())
    print(f"processor ms a request: {parts} · in all {sum(each.values()):.2f} · statuses {codes} · differing {wrong}")
    return not wrong and set(codes) <= {200, 429, 503}


def mutated(text: str, chooser: random.Random) -> str:
    """A structure file with a few things wrong."""
    for _ in range(chooser.randint(1, 6)):
        at = chooser.randrange(len(text) + 1)
        length = chooser.randint(0, 12)
        text = text[:at] + chooser.choice((*TOKENS, text[at : at + length] * 2, "")) + text[at + length :]
    return text


def fuzz(options: argparse.Namespace) -> bool:
    """Mutated files: an answer or a named error, never a 5xx, never beyond the deadline."""
    chooser = random.Random(options.seed)
    seeds = [*structures().values(), "GaAs\n5.65\n0 .5 .5\n.5 0 .5\n.5 .5 0\nGa As\n1 1\nDirect\n0 0 0\n.25 .25 .25\n"]
    codes: dict[str, int] = {}
    slowest, bad = 0.0, 0
    with httpx.Client(base_url=options.url, timeout=150) as client:
        for _ in range(options.cases or 5000):
            text = mutated(chooser.choice(seeds), chooser)
            begun = time.perf_counter()
            answer = client.post("/predict", json=told(text))
            slowest = max(slowest, time.perf_counter() - begun)
            code = "ok" if answer.status_code == 200 else answer.json()["error"]["code"]
            codes[code] = codes.get(code, 0) + 1
            if answer.status_code >= 500:
                bad += 1
                print(answer.text, json.dumps(text))
    print(f"{codes} · slowest {slowest:.2f} s · answers of 5xx {bad}")
    return not bad and slowest < options.deadline


def soak(options: argparse.Namespace) -> bool:
    """Many predictions: what the server holds in the first tenth against the last."""
    cases, crystals = options.cases or 100_000, list(structures().values())
    seen: list[tuple[float, int, int]] = []
    each = max(1, cases // 50)
    with (
        httpx.Client(base_url=options.url, timeout=150) as client,
        ThreadPoolExecutor(options.clients or 1) as pool,
    ):

        def ask(place: int) -> None:
            client.post("/predict", json=told(crystals[place % len(crystals)])).raise_for_status()

        for begun in range(0, cases, each):
            list(pool.map(ask, range(begun, min(begun + each, cases))))
            status = Path(f"/proc/{options.pid}/status").read_text()
            kept_mb = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
            seen.append(
                (kept_mb, len(list(Path(f"/proc/{options.pid}/fd").iterdir())), len(client.get("/metrics").content))
            )
    tenth = max(1, len(seen) // 10)
    first, last = (
        [statistics.mean(column) for column in zip(*part, strict=True)]
        for part in (seen[tenth : 2 * tenth], seen[-tenth:])
    )
    print(
        "memory MB, open files, bytes of /metrics: "
        + " | ".join(f"{a:.0f} → {b:.0f}" for a, b in zip(first, last, strict=True))
    )
    return last[0] < 1.05 * first[0] + 5 and last[1] <= first[1] + 2 and last[2] < 1.1 * first[2]


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("load", "flood", "beside", "cost", "fuzz", "soak"))
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, help="load, beside: 64, flood: 256, cost: 32, soak: 1")
    parser.add_argument("--cases", type=int, help="fuzz: 5000, soak: 100000")
    parser.add_argument("--pid", type=int, help="cost, soak: process id of the server")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--deadline", type=float, default=12.0, help="fuzz: longest time of an answer, seconds")
    options = parser.parse_args()
    held = {"load": load, "flood": flood, "beside": beside, "cost": cost, "fuzz": fuzz, "soak": soak}[options.what](
        options
    )
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
