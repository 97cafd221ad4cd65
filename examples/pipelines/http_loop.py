"""Gaps of many files from a running server.

python http_loop.py URL FILE...

Sends a few files at a time to /predict_batch, waits when the server says it is busy, prints a line per file. `hsegap
score` is faster where the files are; this is for a server somewhere else. Tested by tests/batch/test_pipelines.py.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

TOGETHER = 16
TRIES = 8


def post(client: httpx.Client, items: list[dict]) -> list[dict]:
    """One batch; a busy server is asked again after the time it names."""
    for attempt in range(TRIES):
        answer = client.post("/predict_batch", json={"items": items})
        if answer.status_code not in {429, 503}:
            answer.raise_for_status()
            return answer.json()["items"]
        time.sleep(float(answer.headers.get("Retry-After", 2**attempt)))
    answer.raise_for_status()
    raise RuntimeError("the server stayed busy")


def gaps(client: httpx.Client, paths: list[Path]) -> Iterator[tuple[Path, dict]]:
    """Each file with its prediction or error, in order."""
    rest = iter(paths)
    while some := list(itertools.islice(rest, TOGETHER)):
        items = [{"structure": path.read_text(errors="replace"), "atoms": False} for path in some]
        yield from zip(some, post(client, items), strict=True)


if __name__ == "__main__":
    with httpx.Client(base_url=sys.argv[1], timeout=120) as client:
        for path, answer in gaps(client, [Path(name) for name in sys.argv[2:]]):
            print(path, answer["error"]["code"] if "error" in answer else f"{answer['gap_ev']:.3f}", sep="\t")
