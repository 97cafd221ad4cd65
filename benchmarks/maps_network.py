"""The network taken apart for benchmarks/maps.py.

Node vectors, the head on changed means, and text withheld from single atoms.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hsegap.models import CrystalTextNetwork, FusionConfig, collate
from hsegap.structures import Crystal, build_graph
from hsegap.text import TextEncoder, TextEncoderSettings
from hsegap.text.facts import extract_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hsegap.artifact import Artifact
    from hsegap.models.network import NetworkOutput


@dataclass(frozen=True)
class Nodes:
    """What the gap of one crystal is read from.

    Attributes:
        fused: Atoms' vectors after the last layer, ``[N, H]``.
        structure: Atoms' vectors before anything is told, ``[N, H]``.
        text: Vector of what is told, ``[64]``.
        gap_ev: The network's number.
    """

    fused: torch.Tensor
    structure: torch.Tensor
    text: torch.Tensor
    gap_ev: float


class Opened:
    """An artifact's network in torch, with its own weights.

    Args:
        artifact: Holds ``weights.safetensors``.
    """

    def __init__(self, artifact: Artifact) -> None:
        from safetensors.torch import load_file

        manifest = artifact.manifest
        self.network = CrystalTextNetwork(FusionConfig(**manifest.config)).eval()
        self.network.load_state_dict(load_file(artifact.path("weights.safetensors")))
        self.network.requires_grad_(requires_grad=False)
        self.config = self.network.config
        settings = manifest.text_encoder.model_dump()
        settings = {key: value for key, value in settings.items() if key in TextEncoderSettings.model_fields}
        self.encoder = TextEncoder.load(artifact.folder, settings=settings)

    def tokens(self, description: str | None) -> torch.Tensor:
        """A description as the network takes it, ``[1, tokens, width]``."""
        text = extract_facts(description).text
        if text is None:
            return torch.zeros(1, 1, self.config.text_features)
        vectors = self.encoder.encode(text)
        return torch.from_numpy(vectors if self.config.use_fine_grained_attention else vectors[:1])[None]

    def run(self, crystal: Crystal, tokens: torch.Tensor, *, has_text: bool) -> NetworkOutput:
        """The network's output for one crystal, no fact told."""
        config = self.config
        graph = build_graph(
            crystal, cutoff=config.cutoff, max_neighbors=config.max_neighbors, flavour=config.graph_flavour
        )
        mask = torch.ones(tokens.shape[:2], dtype=torch.int64)
        with torch.no_grad():
            return self.network(collate([graph]), tokens, mask, torch.tensor([has_text]))

    def nodes(self, crystal: Crystal, tokens: torch.Tensor, *, has_text: bool) -> Nodes:
        """What the gap is read from."""
        output = self.run(crystal, tokens, has_text=has_text)
        return Nodes(output.fused_atoms, output.structure_atoms, output.text_vector[0], float(output.gap[0]))

    def gaps(self, fused: torch.Tensor, structure: torch.Tensor, text: torch.Tensor) -> np.ndarray:
        """The head's gaps of some pooled vectors ``[points, H]``, eV; ``[points]``."""
        with torch.no_grad():
            base = fused[:, 0] * 0
            if self.config.pbe_head == "base":
                base = self.network.pbe_head(structure).squeeze(1)
            return self.network.head(fused, text.expand(len(fused), -1), base)[0].numpy().astype(np.float64)

    @contextlib.contextmanager
    def withheld(self, withheld: torch.Tensor) -> Iterator[None]:
        """Keep the text from some atoms: in every fusion they get what a crystal without text gets.

        Args:
            withheld: ``[N]`` bool. Late fusion and the other atoms read the text as before.
        """
        silence = torch.zeros(1, 1, self.config.text_features)
        values, known = self.network._facts(torch.zeros(1, 1, dtype=torch.int64), None, None)  # noqa: SLF001 - as above
        mask = torch.ones(1, 1, dtype=torch.int64)
        nothing = self.network._told(silence, mask, torch.tensor([False]), values, known).vector  # noqa: SLF001 - as above
        kept = {}
        for name, module in self.network.middle_fusion_modules.items():
            kept[name] = module.forward
            module.forward = _masked(module.forward, nothing, withheld)
        try:
            yield
        finally:
            for name, module in self.network.middle_fusion_modules.items():
                module.forward = kept[name]


def _masked(forward: Any, nothing: torch.Tensor, withheld: torch.Tensor) -> Any:
    """A fusion that lets some atoms read ``nothing``."""

    def fused(atoms: torch.Tensor, text: torch.Tensor, atom_crystal: torch.Tensor) -> Any:
        with_text, without = forward(atoms, text, atom_crystal), forward(atoms, nothing, atom_crystal)
        return with_text._replace(atoms=torch.where(withheld[:, None], without.atoms, with_text.atoms))

    return fused


def element_means(opened: Opened, crystals: Sequence[Crystal]) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Mean fused and structure vector of the atoms of each element, nothing told; 0 stands for all atoms."""
    sums: dict[int, list[Any]] = {}
    for crystal in crystals:
        nodes = opened.nodes(crystal, opened.tokens(None), has_text=False)
        for place, number in enumerate(crystal.atomic_numbers):
            for key in (int(number), 0):
                entry = sums.setdefault(key, [0, 0.0, 0.0])
                entry[0] += 1
                entry[1] = entry[1] + nodes.fused[place]
                entry[2] = entry[2] + nodes.structure[place]
    return {key: (fused / count, structure / count) for key, (count, fused, structure) in sums.items()}


def changed(crystal: Crystal, place: int, *, number: int | None = None, shift: np.ndarray | None = None) -> Crystal:
    """A crystal with one atom of another element, or moved by some Å (``[3]``, Cartesian)."""
    numbers, coords = crystal.atomic_numbers.copy(), crystal.frac_coords.copy()
    if number is not None:
        numbers[place] = number
    if shift is not None:
        coords[place] += shift @ np.linalg.inv(crystal.lattice)
    return replace(crystal, atomic_numbers=numbers, frac_coords=coords)
