"""Golden values: what the eager network says about a few crystals.

They are stored in the artifact and checked wherever it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hsegap.models import collate
from hsegap.structures import build_graph, read
from hsegap.text.facts import extract_facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsegap.models import CrystalTextNetwork, FusionConfig
    from hsegap.text import TextEncoder


#: PBE gap that golden crystals are told a second time with, eV.
GOLDEN_PBE_GAP_EV = 1.5


@dataclass(frozen=True)
class GoldenInput:
    """A crystal (text of its CIF), its description, or None, and its PBE gap where one is told, eV."""

    id: str
    structure: str
    description: str | None = None
    pbe_gap_ev: float | None = None


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


def golden_cases(
    network: CrystalTextNetwork, encoder: TextEncoder, inputs: Sequence[GoldenInput]
) -> list[dict[str, Any]]:
    """Predict with the eager network, one crystal at a time: what serves is checked against what was trained.

    Each crystal comes a second time with a PBE gap if the network takes one.
    """
    config = network.config
    network.eval()
    cases = []
    told = (
        [replace(item, id=f"{item.id}, PBE gap known", pbe_gap_ev=GOLDEN_PBE_GAP_EV) for item in inputs]
        if config.facts
        else []
    )
    for item in (*inputs, *told):
        graph = build_graph(
            read(item.structure), cutoff=config.cutoff, max_neighbors=config.max_neighbors, flavour=config.graph_flavour
        )
        text = extract_facts(item.description).text
        vectors = encoder.encode(text or "")
        tokens = torch.from_numpy(vectors if config.use_fine_grained_attention else vectors[:1]).unsqueeze(0)
        with torch.no_grad():
            mask = torch.ones(tokens.shape[:2], dtype=torch.int64)
            output = network(collate([graph]), tokens, mask, torch.tensor([text is not None]), *_facts(config, item))

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
            "text_share": columns(output.text_share) if text is not None or item.pbe_gap_ev is not None else {},
        }
        known = {} if item.pbe_gap_ev is None else {"known": {"pbe_gap_ev": item.pbe_gap_ev}}
        case = {"id": item.id, "structure": item.structure, "format": "cif", "description": item.description}
        cases.append({**case, **known, "expected": expected})
    return cases


def _facts(config: FusionConfig, item: GoldenInput) -> tuple[torch.Tensor, ...]:
    """The facts of one crystal as the network takes them; none for a network without facts."""
    if not config.facts:
        return ()
    known = {} if item.pbe_gap_ev is None else {"pbe_gap_ev": item.pbe_gap_ev}
    values = torch.tensor([[known.get(name, 0.0) for name in config.facts]], dtype=torch.float32)
    return values, torch.tensor([[name in known for name in config.facts]])
