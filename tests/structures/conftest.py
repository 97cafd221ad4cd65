"""Real crystals for the tests of structures/."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def load_rows(name: str, *, count: int | None = None) -> list[dict]:
    path = SHARED / "data" / "hse" / name
    if not path.exists():
        pytest.skip(f"needs ../shared/data/hse/{name}, which is not beside this repository")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for _, line in zip(range(count or 10**9), file, strict=False)]


@pytest.fixture(scope="session")
def val_rows() -> list[dict]:
    """All rows of val.jsonl.gz."""
    return load_rows("val.jsonl.gz")


@pytest.fixture(scope="session")
def reference() -> tuple[list[dict], dict]:
    """The published network's reference crystals and graphs."""
    import numpy as np

    folder = SHARED / "reference"
    if not folder.exists():
        pytest.skip("needs ../shared/reference, which is not beside this repository")
    with np.load(folder / "graphs.npz") as arrays:
        return json.loads((folder / "crystals.json").read_text()), dict(arrays)
