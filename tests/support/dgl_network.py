"""The published convolution and network once more, in DGL's message passing: the oracle of the tests.

Shares names of weights with ``models`` and nothing else: sums, gathers, normalisation and pooling are DGL's.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from hsegap.training.dgl import import_dgl


class Weights:
    """Layers by name, from a state dict in evaluation mode."""

    def __init__(self, state):
        self.state = state

    def linear(self, name, x):
        return F.linear(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def batch_norm(self, name, x):
        part = {key: self.state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")}
        return (x - part["running_mean"]) / torch.sqrt(part["running_var"] + 1e-5) * part["weight"] + part["bias"]

    def layer_norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def embedding(self, name, x):
        return F.silu(self.batch_norm(f"{name}.layer.1", self.linear(f"{name}.layer.0", x)))

    def projection(self, name, x):
        first = self.linear(f"{name}.projection", x)
        return self.layer_norm(f"{name}.layer_norm", self.linear(f"{name}.fc", F.gelu(first)) + first)


def edge_gated(weights, name, graph, nodes, edges):
    """Messages go along the edges and are summed where they arrive, by ``update_all``."""
    dgl = import_dgl()
    fn = dgl.function
    with graph.local_scope():
        graph.ndata["from"] = weights.linear(f"{name}.src_gate", nodes)
        graph.ndata["to"] = weights.linear(f"{name}.dst_gate", nodes)
        graph.apply_edges(fn.u_add_v("from", "to", "both"))
        message = graph.edata.pop("both") + weights.linear(f"{name}.edge_gate", edges)
        graph.edata["weight"] = torch.sigmoid(message)
        graph.ndata["value"] = weights.linear(f"{name}.dst_update", nodes)
        graph.update_all(fn.u_mul_e("value", "weight", "m"), fn.sum("m", "weighted"))
        graph.update_all(fn.copy_e("weight", "m"), fn.sum("m", "total"))
        gathered = graph.ndata["weighted"] / (graph.ndata["total"] + 1e-6)
        new_nodes = nodes + F.silu(
            weights.batch_norm(f"{name}.bn_nodes", weights.linear(f"{name}.src_update", nodes) + gathered)
        )
        new_edges = edges + F.silu(weights.batch_norm(f"{name}.bn_edges", message))
    return new_nodes, new_edges


def radial_basis(x, low, high, bins):
    centres = torch.linspace(low, high, bins).to(x.dtype)  # published weights have seen float32 centres
    gamma = (bins - 1) / (high - low)
    return torch.exp(-gamma * (x[:, None] - centres) ** 2)


def add_angles(line_graph, r):
    """Cosine of the bond angle by ``apply_edges``."""

    def cosine(edges):
        way_back, way_on = -edges.src["r"], edges.dst["r"]
        value = (way_back * way_on).sum(dim=1) / (way_back.norm(dim=1) * way_on.norm(dim=1))
        return {"cosine": value.clamp(-1, 1)}

    line_graph.ndata["r"] = r
    line_graph.apply_edges(cosine)
    return line_graph.edata["cosine"]


def whole_network(state, config, graph, line_graph, text):
    """Layer by layer and the gap, for middle fusion with every improvement, gated late fusion, or graph only.

    Returns:
        The gap and, by name, atoms after each layer.
    """
    dgl = import_dgl()
    weights, seen = Weights(state), {}
    atoms = weights.embedding("atom_embedding", graph.ndata["atom_features"].to(next(iter(state.values())).dtype))
    r = graph.edata["r"].to(atoms.dtype)
    bonds = radial_basis(r.norm(dim=1), 0.0, 8.0, 80)
    angles = radial_basis(add_angles(line_graph, r), -1.0, 1.0, 40)
    for index in (1, 2):
        bonds, angles = (
            weights.embedding(f"edge_embedding.{index}", bonds),
            weights.embedding(f"angle_embedding.{index}", angles),
        )
    if config.use_text:
        text = weights.projection("text_projection", text)
    for layer in range(config.alignn_layers):
        atoms, bonds = edge_gated(weights, f"alignn_layers.{layer}.node_update", graph, atoms, bonds)
        bonds, angles = edge_gated(weights, f"alignn_layers.{layer}.edge_update", line_graph, bonds, angles)
        if layer in config.fusion_layers:
            atoms = middle_fusion(
                weights, f"middle_fusion_modules.layer_{layer}", atoms, dgl.broadcast_nodes(graph, text)
            )
        seen[f"alignn {layer}"] = atoms
        seen[f"bonds {layer}"] = bonds
    for layer in range(config.gcn_layers):
        atoms, bonds = edge_gated(weights, f"gcn_layers.{layer}", graph, atoms, bonds)
        seen[f"gcn {layer}"] = atoms
    graph.ndata["h"] = atoms
    pooled = dgl.mean_nodes(graph, "h")
    seen["pooled"] = pooled
    if not config.use_text:
        return weights.linear("fc", pooled).squeeze(1), seen
    crystal = weights.projection("graph_projection", pooled)
    return weights.linear("fc", gated_fusion(weights, crystal, text)).squeeze(1), seen


def middle_fusion(weights, name, atoms, text):
    t = weights.linear(f"{name}.text_transform.3", F.relu(weights.linear(f"{name}.text_transform.0", text)))
    t = t * weights.state[f"{name}.text_scale"]
    gate = torch.sigmoid(
        weights.linear(f"{name}.gate.0", weights.layer_norm(f"{name}.gate_norm", torch.cat([atoms, t], dim=1)))
    )
    importance = torch.sigmoid(
        weights.linear(
            f"{name}.importance_predictor.3", F.relu(weights.linear(f"{name}.importance_predictor.0", atoms))
        )
    )
    gate = gate * (1 + importance * weights.state[f"{name}.importance_modulation"])
    return weights.layer_norm(f"{name}.layer_norm", weights.state[f"{name}.node_scale"] * atoms + gate * t)


def gated_fusion(weights, crystal, text):
    def gate(name, x):
        return torch.sigmoid(
            weights.linear(f"fusion_module.{name}.3", F.relu(weights.linear(f"fusion_module.{name}.0", x)))
        )

    one, other = gate("gate_graph", crystal), gate("gate_text", text)
    mixed = (
        one * weights.linear("fusion_module.graph_transform", crystal)
        + other * weights.linear("fusion_module.text_transform", text)
    ) / (one + other)
    return F.relu(
        weights.layer_norm(
            "fusion_module.fusion_transform.1", weights.linear("fusion_module.fusion_transform.0", mixed)
        )
    )
