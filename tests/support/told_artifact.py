"""A tiny artifact whose network can be told facts, exported like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from support.networks import TOLD, random_network
from support.service_samples import NACL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def told_artifact(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an artifact that takes the PBE gap and estimates it."""
    from hsegap.export.build import build_artifact
    from hsegap.export.golden import golden_inputs

    place = tmp_path_factory.mktemp("told")
    (place / "golden").mkdir()
    (place / "golden" / "NaCl.cif").write_text(NACL)
    network = random_network(text_features=16, **TOLD)
    torch.save({"model": network.state_dict(), "config": network.config.model_dump()}, place / "told.pt")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        inputs = golden_inputs(place / "golden", describe=False)
        return build_artifact(
            place / "told.pt", place / "artifact", encoder_folder=tiny_encoder, golden=inputs, report=lambda _line: None
        )
    finally:
        torch.set_num_threads(threads)
