"""What tests of several folders share: one torch thread,
the published network's reference outputs, a tiny text encoder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from support.once import made_once
from support.shared_material import SHARED, PublishedNetwork, write_tiny_transformer

if TYPE_CHECKING:
    from pathlib import Path

#: Fixtures of the artifact, the predictor and the server; how tests are sorted and shared out.
pytest_plugins = ("support.serving", "support.told_artifact", "support.explained_artifact", "support.kinds")


@pytest.fixture
def one_thread():
    """One torch thread: on small tensors more cost time, and waiting ones spin."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def published() -> PublishedNetwork:
    """Inputs and outputs of the published DGL network on 12 real crystals."""
    from hsegap.structures import CrystalGraph

    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("needs ../shared/reference, which is not beside this repository")
    crystals = json.loads((folder / "crystals.json").read_text())
    with np.load(folder / "graphs.npz") as arrays, np.load(folder / "text.npz") as text:
        graphs = [
            CrystalGraph(
                np.array(crystal["atomic_numbers"]),
                *(arrays[f"{index}_{name}"] for name in ("src", "dst", "r", "line_src", "line_dst")),
            )
            for index, crystal in enumerate(crystals)
        ]
        return PublishedNetwork(folder, graphs, text["tokens"], text["mask"])


@pytest.fixture(scope="session")
def published_shapes() -> dict[str, Any]:
    """Names, shapes and parameter counts of the published family's checkpoints."""
    path = SHARED / "checkpoint_keys.json"
    if not path.is_file():
        pytest.skip("needs ../shared/checkpoint_keys.json, which is not beside this repository")
    return json.loads(path.read_text())


@pytest.fixture(scope="session")
def tiny_transformer(tmp_path_factory) -> Path:
    """A random 16-wide BERT as a transformers folder."""
    return (
        made_once(tmp_path_factory, "transformer", lambda folder: write_tiny_transformer(folder / "tiny-bert"))
        / "tiny-bert"
    )


@pytest.fixture(scope="session")
def tiny_encoder(tiny_transformer, tmp_path_factory) -> Path:
    """The same, exported: what training and serving read texts with."""
    from hsegap.export.text_encoder import export_text_encoder

    made = made_once(
        tmp_path_factory,
        "encoder",
        lambda folder: export_text_encoder(tiny_transformer, folder / "tiny-bert", max_tokens=32),
    )
    return made / "tiny-bert"
