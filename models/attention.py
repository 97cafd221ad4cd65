"""Attention between the two modalities: global (crystal ↔ text) and fine-grained (atoms ↔ tokens)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hsegap.models.config import PROJECTION_WIDTH

if TYPE_CHECKING:
    from hsegap.models.config import FusionConfig


class CrossModalAttention(nn.Module):
    """Both directions of attention between one crystal vector and one text vector, residual + LayerNorm.

    Each side has a single key, so the softmax is one whatever query and key say: attention reduces to the value
    path. Query and key layers hold weights that never act; they exist because published checkpoints carry them.
    Dropout acts on the attention weight of each head, as published.
    """

    g2t_value: nn.Linear
    t2g_value: nn.Linear

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        width, hidden = PROJECTION_WIDTH, config.cross_modal_hidden_dim
        self.heads = config.cross_modal_num_heads
        for direction in ("g2t", "t2g"):
            for role in ("query", "key", "value"):
                setattr(self, f"{direction}_{role}", nn.Linear(width, hidden))
        self.graph_output = nn.Linear(hidden, width)
        self.text_output = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(config.cross_modal_dropout)
        self.layer_norm_graph = nn.LayerNorm(width)
        self.layer_norm_text = nn.LayerNorm(width)

    def _context(self, value: Tensor) -> Tensor:
        """Apply the (constant) attention weight of one to each head, with its dropout."""
        weight = self.dropout(torch.ones_like(value[:, : self.heads]))
        return (value.unflatten(1, (self.heads, -1)) * weight.unsqueeze(-1)).flatten(1)

    def forward(self, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Enrich ``[B, 64]`` graph and text vectors with each other; both directions start from the originals."""
        from_text = self.graph_output(self._context(self.g2t_value(text)))
        from_graph = self.text_output(self._context(self.t2g_value(graph)))
        return self.layer_norm_graph(graph + from_text), self.layer_norm_text(text + from_graph)


class FineGrainedAttention(nn.Module):
    """Multi-head attention of atoms to the tokens of their crystal's text.

    The published module also lets tokens attend to atoms but discards that result; the layers exist (so that
    checkpoints load) and are not computed.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        nodes, tokens, hidden = config.hidden_features, config.text_features, config.fine_grained_hidden_dim
        self.heads = config.fine_grained_num_heads
        self.use_projection = config.fine_grained_use_projection
        if self.use_projection:
            self.node_proj_in = nn.Linear(nodes, hidden)
            self.token_proj_in = nn.Linear(tokens, hidden)
        node_in, token_in = (hidden, hidden) if self.use_projection else (nodes, tokens)
        self.a2t_query = nn.Linear(node_in, hidden)
        self.a2t_key = nn.Linear(token_in, hidden)
        self.a2t_value = nn.Linear(token_in, hidden)
        self.t2a_query = nn.Linear(token_in, hidden)
        self.t2a_key = nn.Linear(node_in, hidden)
        self.t2a_value = nn.Linear(node_in, hidden)
        self.node_output = nn.Linear(hidden, nodes)
        self.token_output = nn.Linear(hidden, tokens)
        self.dropout = nn.Dropout(config.fine_grained_dropout)
        self.layer_norm_node = nn.LayerNorm(nodes)
        self.layer_norm_token = nn.LayerNorm(tokens)
        self.scale = (hidden // self.heads) ** -0.5

    def forward(
        self, atoms: Tensor, tokens: Tensor, mask: Tensor, atom_crystal: Tensor, crystal_atoms: Tensor
    ) -> Tensor:
        """Let each atom read its crystal's tokens.

        Args:
            atoms: ``[N, H]``.
            tokens: ``[B, L, text width]``.
            mask: ``[B, L]``, nonzero where a token is real; at least one per crystal.
            atom_crystal: ``[N]``.
            crystal_atoms: ``[B, A]``, padded with ``N``.

        Returns:
            ``[N, H]``.
        """
        # Atoms are laid out [B, A] for the attention; padded slots compute something that is never read back.
        grid = torch.cat([atoms, atoms.new_zeros(1, atoms.shape[1])])[crystal_atoms]
        queries, keys = (self.node_proj_in(grid), self.token_proj_in(tokens)) if self.use_projection else (grid, tokens)
        query = self.a2t_query(queries).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key = self.a2t_key(keys).unflatten(2, (self.heads, -1)).transpose(1, 2)
        value = self.a2t_value(keys).unflatten(2, (self.heads, -1)).transpose(1, 2)
        score = query @ key.transpose(-2, -1) * self.scale
        score = score.masked_fill((mask == 0)[:, None, None, :], -1e9)
        context = self.dropout(torch.softmax(score, dim=-1)) @ value
        answer = self.node_output(context.transpose(1, 2).flatten(2))
        position = torch.arange(atoms.shape[0], device=atoms.device) - crystal_atoms[:, 0][atom_crystal]
        flat = atom_crystal * crystal_atoms.shape[1] + position
        return self.layer_norm_node(atoms + answer.flatten(0, 1)[flat])
