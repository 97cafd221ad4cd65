"""Descriptions of textbook crystals, and the real default encoder, exported once per test session."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from hsegap.text import TextEncoder
from support.once import shared_folder

if TYPE_CHECKING:
    from pathlib import Path

    from hsegap.artifact.artifact import Artifact

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
DESCRIPTIONS = {
    "MgO": "MgO is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group. Mg(1)2+ is bonded to "
    "six equivalent O(1)2- atoms to form a mixture of edge and corner-sharing MgO6 octahedra. The corner-sharing "
    "octahedral tilt angles are 0°. All Mg(1)-O(1) bond lengths are 2.11 Å.",
    "NaCl": "NaCl is Halite, Rock Salt structured and crystallizes in the cubic Fm-3m space group. Na(1)1+ is bonded "
    "to six equivalent Cl(1)1- atoms to form a mixture of edge and corner-sharing NaCl6 octahedra. All Na(1)-Cl(1) "
    "bond lengths are 2.82 Å.",
    "GaAs": "GaAs is Zincblende, Sphalerite structured and crystallizes in the cubic F-43m space group. Ga(1)3+ is "
    "bonded to four equivalent As(1)3- atoms to form corner-sharing GaAs4 tetrahedra. All Ga(1)-As(1) bond lengths "
    "are 2.45 Å.",
    "SrTiO3": "SrTiO3 is (Cubic) Perovskite structured and crystallizes in the cubic Pm-3m space group. Sr(1)2+ is "
    "bonded to twelve equivalent O(1)2- atoms to form SrO12 cuboctahedra. Ti(1)4+ is bonded to six equivalent O(1)2- "
    "atoms to form corner-sharing TiO6 octahedra that are not tilted. All Ti(1)-O(1) bond lengths are 1.95 Å.",
    "Cu": "Cu is Copper structured and crystallizes in the cubic Fm-3m space group. Cu(1) is bonded to twelve "
    "equivalent Cu(1) atoms to form a mixture of face, edge, and corner-sharing CuCu12 cuboctahedra.",
    "MoS2": "MoS2 crystallizes in the hexagonal P6_3/mmc space group. The structure is two-dimensional and consists of "
    "two MoS2 sheets oriented in the (0, 0, 1) direction. Mo(1)4+ is bonded to six equivalent S(1)2- atoms in a "
    "distorted pentagonal planar geometry.",
}


@pytest.fixture(scope="session")
def descriptions() -> dict[str, str]:
    return DESCRIPTIONS


@pytest.fixture(scope="session")
def encoder_folder(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default encoder in a folder of its own: the shipped artifact's,
    or exported where the artifact under test has another one.
    """
    if artifact.manifest.text_encoder.name != DEFAULT_ENCODER:
        from hsegap.export.text_encoder import default_encoder_folder

        # Below the session's own folder, so that no stale export is tested and every test directory shares one.
        return default_encoder_folder(shared_folder(tmp_path_factory) / "text_encoder")
    folder = tmp_path_factory.mktemp("text_encoder")
    for name in ("text_encoder.onnx", "tokenizer.json"):
        shutil.copy(artifact.path(name), folder)
    (folder / "text_encoder.json").write_text(json.dumps(artifact.manifest.text_encoder.model_dump()), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def encoder(encoder_folder) -> TextEncoder:
    return TextEncoder.load(encoder_folder)
