"""A tiny artifact whose network can be told facts, exported like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.once import made_once
from support.service_samples import NACL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def told_artifact(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an artifact that takes the PBE gap and estimates it."""
    return made_once(tmp_path_factory, "told", lambda place: _export(place, tiny_encoder)) / "artifact"


def _export(place: Path, encoder: Path) -> None:
    """Export a random network that can be told facts."""
    import torch

    from hsegap.export.build import build_artifact
    from hsegap.export.golden import golden_inputs
    from support.networks import TOLD, random_network

    (place / "golden").mkdir(parents=True)
    (place / "golden" / "NaCl.cif").write_text(NACL)
    network = random_network(text_features=16, alignn_layers=1, gcn_layers=1, **TOLD)
    torch.save({"model": network.state_dict(), "config": network.config.model_dump()}, place / "told.pt")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        inputs = golden_inputs(place / "golden", describe=False)
        build_artifact(
            place / "told.pt", place / "artifact", encoder_folder=encoder, golden=inputs, report=lambda _line: None
        )
    finally:
        torch.set_num_threads(threads)
