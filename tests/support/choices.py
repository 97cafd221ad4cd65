"""All that can be chosen about a network, and combinations in which every two choices meet."""

from __future__ import annotations

import itertools
from typing import Any

from hsegap.models.config import LATE_FUSION_TYPES
from support.pairwise import Row, pairwise

#: One layer of each kind: what differs between configurations is their operations, not their width or depth.
SHALLOW: dict[str, Any] = {"alignn_layers": 1, "gcn_layers": 1, "hidden_features": 8, "embedding_features": 6}
IMPROVED = {"use_middle_fusion": True, "use_improved_middle_fusion": True}
NORM = {"middle_fusion_use_gate_norm": True}
SCALE = {"middle_fusion_use_learnable_scale": True, "middle_fusion_initial_scale": 12.0}
PLAIN_RESIDUAL = {"middle_fusion_use_residual_scaling": False}
STATIC_GATE = {"middle_fusion_use_dynamic_gating": False}
CROSS = {"use_cross_modal_attention": True}
FINE = {"use_fine_grained_attention": True}
#: All that changes which operations a network is made of: settings by the name of the choice.
CHOICES: dict[str, dict[str, dict[str, Any]]] = {
    "late": {name: {"late_fusion_type": name} for name in LATE_FUSION_TYPES},
    "middle": {
        "none": {},
        "gated": {"use_middle_fusion": True},
        "gated normed scaled": {"use_middle_fusion": True, **NORM, **SCALE},
        "improved": IMPROVED,
        "improved static scaled": {**IMPROVED, **STATIC_GATE, **SCALE},
        "improved unscaled normed": {**IMPROVED, **PLAIN_RESIDUAL, **NORM},
        "improved neither": {**IMPROVED, **STATIC_GATE, **PLAIN_RESIDUAL},
    },
    "fused": {
        "ALIGNN": {"middle_fusion_layers": "0"},
        "GCN": {"middle_fusion_layers": "", "middle_fusion_gcn_layers": "0"},
        "both": {"middle_fusion_layers": "0", "middle_fusion_gcn_layers": "0"},
    },
    "attention": {
        "none": {},
        "cross": CROSS,
        "fine": FINE,
        "fine unprojected": {**FINE, "fine_grained_use_projection": False},
        "both": {**CROSS, **FINE},
    },
    "facts": {"none": {}, "PBE gap": {"facts": ("pbe_gap_ev",)}},
    "PBE head": {name: {"pbe_head": name} for name in ("none", "free", "base")},
    "bonds": {"unread": {}, "read": {"bond_readout": True}},
    "formula": {"untold": {}, "told": {"composition": True}},
    "trunk": {"published": {}, "narrow": {"line_features": 6, "element_vectors": True}},
    "no text": {"learned": {}, "empty": {"no_text": "encode_empty"}},
    "output": {
        "gap": {},
        "log": {"link": "log"},
        "logit": {"link": "logit"},
        "class": {"classification": True},
    },
}


def name_of(row: Row) -> str:
    """Its values in the order of the choices; pytest shows no longer names."""
    return "; ".join(row.values())


def settings_of(row: Row) -> dict[str, Any]:
    chosen = {**SHALLOW}
    for name, value in row.items():
        chosen |= CHOICES[name][value]
    return chosen


ROWS = pairwise({name: list(values) for name, values in CHOICES.items()})
#: The choices of a network that knows the structure alone, each with each.
ALONE = ("PBE head", "bonds", "trunk")
STRUCTURE_ALONE: list[Row] = [
    dict(zip(ALONE, values, strict=True)) for values in itertools.product(*(CHOICES[name] for name in ALONE))
]
