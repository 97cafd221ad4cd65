"""Random networks whose every number matters: no statistic at its initial value, no bias at zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hsegap.models import CrystalTextNetwork, FusionConfig, GraphBatch, collate
from hsegap.structures import Crystal, CrystalGraph, build_graph

#: Small enough that a test takes milliseconds.
SMALL: dict[str, Any] = {
    "alignn_layers": 3,
    "gcn_layers": 2,
    "hidden_features": 12,
    "embedding_features": 8,
    "text_features": 10,
    "use_cross_modal_attention": False,
    "cross_modal_hidden_dim": 24,
    "fine_grained_hidden_dim": 16,
    "fine_grained_num_heads": 4,
    "middle_fusion_hidden_dim": 9,
    "late_fusion_rank": 5,
    "late_fusion_output_dim": 7,
}
FULL_MIDDLE: dict[str, Any] = {
    "use_middle_fusion": True,
    "use_improved_middle_fusion": True,
    "middle_fusion_use_gate_norm": True,
    "middle_fusion_use_learnable_scale": True,
    "middle_fusion_initial_scale": 12.0,
}
#: A network that can be told facts: fused after a GCN layer, a head for the PBE gap, a narrow line graph.
TOLD: dict[str, Any] = {
    **FULL_MIDDLE,
    "middle_fusion_layers": "",
    "middle_fusion_gcn_layers": "0",
    "facts": ("pbe_gap_ev",),
    "pbe_head": "base",
    "line_features": 6,
    "element_vectors": True,
    "bond_readout": True,
    "composition": True,
}


def randomise(network: torch.nn.Module, *, seed: int = 0) -> None:
    """Draw every parameter and statistic anew; scales stay near where they start."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not tensor.is_floating_point() or name.endswith("centers"):
                continue
            drawn = torch.randn(tensor.shape, generator=random, dtype=tensor.dtype)
            if name.endswith("running_var"):
                tensor.copy_(0.5 + drawn.abs())
            elif tensor.ndim == 0:
                if name.endswith(("text_scale", "node_scale")) and name not in dict(network.named_parameters()):
                    continue  # a constant is 1 in every checkpoint
                tensor.add_(0.2 * drawn)
            elif tensor.ndim == 1:
                tensor.copy_(0.3 * drawn + (1.0 if name.endswith("weight") else 0.0))
            else:
                tensor.copy_(drawn / tensor.shape[-1] ** 0.5)


def random_network(*, seed: int = 0, **settings: Any) -> CrystalTextNetwork:
    network = CrystalTextNetwork(FusionConfig(**{**SMALL, **settings}))
    randomise(network, seed=seed)
    return network.eval()


def some_crystals() -> list[Crystal]:
    """Five crystals of one to six atoms, with ties, bonds of an atom to its own image, and a low-symmetry cell."""
    fcc = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
    triclinic = np.array([[4.1, 0.0, 0.0], [0.7, 5.2, 0.0], [-0.4, 0.9, 6.3]])
    return [
        Crystal(3.61 * fcc, np.zeros((1, 3)), np.array([29])),
        Crystal(5.64 * fcc, np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]]), np.array([11, 17])),
        Crystal(5.43 * fcc, np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]]), np.array([14, 14])),
        Crystal(
            np.diag([3.9, 3.9, 4.1]),
            np.array([[0.0, 0, 0], [0.5, 0.5, 0.52], [0.5, 0.5, 0.03], [0.5, 0, 0.5], [0, 0.5, 0.5]]),
            np.array([56, 22, 8, 8, 8]),
        ),
        Crystal(
            triclinic,
            np.array(
                [
                    [0.02, 0.05, 0.1],
                    [0.5, 0.45, 0.3],
                    [0.25, 0.8, 0.62],
                    [0.7, 0.15, 0.85],
                    [0.1, 0.6, 0.9],
                    [0.8, 0.9, 0.35],
                ]
            ),
            np.array([13, 8, 16, 30, 8, 9]),
        ),
    ]


def some_graphs(*, flavour: str = "symmetric") -> list[CrystalGraph]:
    return [build_graph(crystal, flavour=flavour) for crystal in some_crystals()]


def some_batch(**options: Any) -> GraphBatch:
    return collate(some_graphs(), **options)


def some_texts(
    config: FusionConfig, n_crystals: int = 5, *, n_tokens: int = 6, seed: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random text vectors of different lengths."""
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randn(n_crystals, n_tokens, config.text_features, generator=random)
    lengths = 1 + torch.arange(n_crystals) % n_tokens
    return tokens, (torch.arange(n_tokens)[None] < lengths[:, None]).to(torch.int64)
