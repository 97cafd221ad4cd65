"""Real crystals for the tests of structures/."""

from __future__ import annotations

import json

import pytest

from support.shared_material import SHARED, load_rows


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
