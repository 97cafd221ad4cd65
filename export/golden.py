"""Golden values: what the eager network says about a few crystals, stored in the artifact and checked wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hsegap.models import collate
from hsegap.structures import build_graph, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.models import CrystalTextNetwork
    from hsegap.text import TextEncoder


@dataclass(frozen=True)
class GoldenInput:
    """A crystal (text of its CIF) and its description, or None."""

    id: str
    structure: str
    description: str | None = None


def golden_inputs(folder: str | Path, *, describe: bool = True) -> list[GoldenInput]:
    """The ``*.cif`` files of a folder, each without text and, where a description can be generated, with it."""
    inputs = []
    for path in sorted(Path(folder).glob("*.cif")):
        cif = path.read_text(encoding="utf-8")
        inputs.append(GoldenInput(path.stem, cif))
        text = _description(cif) if describe else None
        if text is not None:
            inputs.append(GoldenInput(f"{path.stem}, described", cif, text))
    return inputs


def _description(cif: str) -> str | None:
    from hsegap.structures import DescriptionError, describe

    try:
        return describe(read(cif))
    except DescriptionError:
        return None


def golden_cases(network: CrystalTextNetwork, encoder: TextEncoder, inputs: Sequence[GoldenInput]) -> list[dict[str, Any]]:
    """Predict with the eager network, one crystal at a time: what serves is checked against what was trained."""
    config = network.config
    network.eval()
    cases = []
    for item in inputs:
        graph = build_graph(read(item.structure), cutoff=config.cutoff, max_neighbors=config.max_neighbors, flavour=config.graph_flavour)
        vectors = encoder.encode(item.description or "")
        tokens = torch.from_numpy(vectors if config.use_fine_grained_attention else vectors[:1]).unsqueeze(0)
        with torch.no_grad():
            output = network(
                collate([graph]), tokens, torch.ones(tokens.shape[:2], dtype=torch.int64), torch.tensor([item.description is not None])
            )

        def columns(values: torch.Tensor) -> dict[str, list[float]]:
            return {
                f"layer_{layer}": values[:, column].tolist()
                for column, layer in enumerate(config.fusion_layers)
                if column < values.shape[1]
            }

        expected = {
            "gap_raw_ev": float(output.gap[0]),
            "gate": columns(output.gates),
            "importance": columns(output.importance),
            "text_share": columns(output.text_share) if item.description is not None else {},
        }
        cases.append({"id": item.id, "structure": item.structure, "format": "cif", "description": item.description, "expected": expected})
    return cases
