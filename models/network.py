"""The whole network: crystal graph and description in, band gap and per-atom maps out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from hsegap.models.attention import CrossModalAttention, FineGrainedAttention
from hsegap.models.config import PROJECTION_WIDTH, FusionConfig
from hsegap.models.elements import element_features
from hsegap.models.late_fusion import FUSION_MODULES, concat_fusion
from hsegap.models.layers import AlignnConvolution, EdgeGatedConvolution, EmbeddingLayer, ProjectionHead, RadialBasis
from hsegap.models.middle_fusion import ImprovedMiddleFusionModule, MiddleFusionModule
from hsegap.models.sums import sum_rows

if TYPE_CHECKING:
    from hsegap.models.batch import GraphBatch


class NetworkOutput(NamedTuple):
    """What the network answers. The field names are the output names of the exported network.

    ``B`` crystals, ``N`` atoms, ``F`` fusion layers in ascending order.

    Attributes:
        gap: Band gap in eV before any clipping (a probability for classification), ``[B]``.
        gates: Channel mean of the gate at each atom, ``[N, F]``.
        importance: ``[N, F]`` with dynamic gating, else ``[N, 0]``.
        text_share: Share of the text in each atom's vector after fusion, ``[N, F]``.
        modality_weights: Weights of graph and text in late fusion, ``[B, 2]``.
        graph_embedding: Mean of the atoms' vectors after the last layer, ``[B, H]``.
        graph_vector: Projected graph vector that enters late fusion (``[B, 64]``; ``[B, 0]`` without text).
        text_vector: Projected text vector that enters late fusion (``[B, 64]``; ``[B, 0]`` without text).
    """

    gap: Tensor
    gates: Tensor
    importance: Tensor
    text_share: Tensor
    modality_weights: Tensor
    graph_embedding: Tensor
    graph_vector: Tensor
    text_vector: Tensor


class CrystalTextNetwork(nn.Module):
    """ALIGNN-style graph encoder with middle, fine-grained, cross-modal and late fusion of a text encoder's vectors.

    Attribute names follow the published checkpoints, so that their state dicts load as they are. The element table
    and the vector for a missing text are ours.
    """

    element_features: Tensor

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_features
        self.register_buffer("element_features", torch.from_numpy(element_features().copy()), persistent=False)
        self.atom_embedding = EmbeddingLayer(config.atom_input_features, width)
        self.edge_embedding = self._embedding(0.0, 8.0, config.edge_input_features)
        self.angle_embedding = self._embedding(-1.0, 1.0, config.triplet_input_features)
        self.alignn_layers = nn.ModuleList(AlignnConvolution(width, config.graph_dropout) for _ in range(config.alignn_layers))
        self.gcn_layers = nn.ModuleList(EdgeGatedConvolution(width, config.graph_dropout) for _ in range(config.gcn_layers))
        if not config.use_text:
            self.fc = nn.Linear(width, config.output_features)
            return

        self.graph_projection = ProjectionHead(width, PROJECTION_WIDTH)
        self.text_projection = ProjectionHead(config.text_features, PROJECTION_WIDTH)
        if config.no_text == "learned":
            self.no_text_vector = nn.Parameter(torch.zeros(config.text_features))
        module = ImprovedMiddleFusionModule if config.use_improved_middle_fusion else MiddleFusionModule
        self.middle_fusion_modules = nn.ModuleDict({f"layer_{layer}": module(config, PROJECTION_WIDTH) for layer in config.fusion_layers})
        if config.use_fine_grained_attention:
            self.fine_grained_attention = FineGrainedAttention(config)
        if config.use_cross_modal_attention:
            self.cross_modal_attention = CrossModalAttention(config)
        if config.late_fusion_type == "concat":
            self.fc1 = nn.Linear(2 * PROJECTION_WIDTH, PROJECTION_WIDTH)
            self.fc = nn.Linear(PROJECTION_WIDTH, config.output_features)
        else:
            self.fusion_module = FUSION_MODULES[config.late_fusion_type](config)
            self.fc = nn.Linear(config.late_fusion_output_dim, config.output_features)

    def _embedding(self, low: float, high: float, bins: int) -> nn.Sequential:
        config = self.config
        return nn.Sequential(
            RadialBasis(low, high, bins),
            EmbeddingLayer(bins, config.embedding_features),
            EmbeddingLayer(config.embedding_features, config.hidden_features),
        )

    def forward(
        self, batch: GraphBatch, tokens: Tensor | None = None, mask: Tensor | None = None, has_text: Tensor | None = None
    ) -> NetworkOutput:
        """Predict a batch.

        Args:
            batch: From :func:`hsegap.models.collate`.
            tokens: Text vectors ``[B, L, text width]`` float32; token 0 is the pooled (CLS) vector. May be None for a
                graph-only network.
            mask: ``[B, L]`` bool or int, nonzero where a token is real.
            has_text: ``[B]`` bool; where False the network's own vector for a missing text replaces the tokens. None
                means that every crystal has one. Ignored by ``encode_empty`` networks.

        Returns:
            The predictions, see :class:`NetworkOutput`.
        """
        config = self.config
        if config.use_text:
            tokens, mask = self._texts(tokens, mask, has_text)
            text = self.text_projection(tokens[:, 0])

        graph_edges, line_edges = batch.edges()
        atoms = self.atom_embedding(self.element_features[batch.atomic_numbers])
        bonds = self.edge_embedding(batch.r.norm(dim=1))
        angles = self.angle_embedding(_angle_cosine(batch.r, batch.line_src, batch.line_dst))

        maps = []
        last = config.alignn_layers - 1
        for index, layer in enumerate(self.alignn_layers):
            atoms, bonds, angles = layer(atoms, bonds, angles, graph_edges, line_edges, update_angles=index < last)
            if index in config.fusion_layers:
                fused = self.middle_fusion_modules[f"layer_{index}"](atoms, text, batch.atom_crystal)
                atoms = fused.atoms
                maps.append(fused)
        for index, layer in enumerate(self.gcn_layers):
            atoms, bonds = layer(atoms, bonds, graph_edges, update_edges=index < config.gcn_layers - 1)
        if config.use_text and config.use_fine_grained_attention:
            atoms = self.fine_grained_attention(atoms, tokens, mask, batch.atom_crystal, batch.crystal_atoms)

        n_atoms = (batch.crystal_atoms < atoms.shape[0]).sum(dim=1, keepdim=True)
        embedding = sum_rows(atoms, batch.crystal_atoms) / n_atoms.to(atoms.dtype)
        if config.use_text:
            graph = self.graph_projection(embedding)
            mixed, weights = self._late_fusion(graph, text)
        else:
            graph = text = embedding[:, :0]
            mixed = embedding
            weights = torch.cat([torch.ones_like(embedding[:, :1]), torch.zeros_like(embedding[:, :1])], dim=1)
        none = atoms[:, :0]
        return NetworkOutput(
            gap=self._link(self.fc(mixed).squeeze(1)),
            gates=torch.stack([fused.gate for fused in maps], dim=1) if maps else none,
            importance=torch.cat([fused.importance for fused in maps], dim=1) if maps else none,
            text_share=torch.stack([fused.text_share for fused in maps], dim=1) if maps else none,
            modality_weights=weights,
            graph_embedding=embedding,
            graph_vector=graph,
            text_vector=text,
        )

    def _texts(self, tokens: Tensor | None, mask: Tensor | None, has_text: Tensor | None) -> tuple[Tensor, Tensor]:
        """Put the learned vector, one unmasked token, where there is no text."""
        if tokens is None:
            raise ValueError("this network reads text: give tokens [crystals, tokens, width]")
        if mask is None:
            mask = torch.ones_like(tokens[:, :, 0], dtype=torch.int64)
        mask = mask.to(torch.int64)
        if has_text is None or self.config.no_text != "learned":
            return tokens, mask
        present = has_text.to(torch.bool)
        first = (torch.arange(mask.shape[1], device=mask.device) == 0).to(torch.int64)
        return (
            torch.where(present[:, None, None], tokens, self.no_text_vector.to(tokens.dtype)),
            torch.where(present[:, None], mask, first),
        )

    def _late_fusion(self, graph: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        if self.config.use_cross_modal_attention:
            graph, text = self.cross_modal_attention(graph, text)
        if self.config.late_fusion_type == "concat":
            return concat_fusion(self.fc1, graph, text)
        return self.fusion_module(graph, text)

    def _link(self, output: Tensor) -> Tensor:
        if self.config.classification or self.config.link == "logit":
            return torch.sigmoid(output)
        return torch.exp(output) if self.config.link == "log" else output


def _angle_cosine(r: Tensor, line_src: Tensor, line_dst: Tensor) -> Tensor:
    """Cosine of the angle between the way back and the way on, ``clamp(-r1·r2 / (|r1||r2|), -1, 1)``, ``[T]``."""
    unit = r / r.norm(dim=1, keepdim=True)
    return (-(unit[line_src] * unit[line_dst]).sum(dim=1)).clamp(-1.0, 1.0)
