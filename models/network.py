"""The whole network: crystal graph and description in, band gap and per-atom maps out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from hsegap.models.attention import CrossModalAttention, FineGrainedAttention
from hsegap.models.composition import CompositionVector
from hsegap.models.config import PROJECTION_WIDTH, FusionConfig
from hsegap.models.elements import MAX_ATOMIC_NUMBER, element_features
from hsegap.models.facts import FactEmbedding
from hsegap.models.late_fusion import FUSION_MODULES, concat_fusion
from hsegap.models.layers import (
    AlignnConvolution,
    BondReadout,
    EdgeGatedConvolution,
    EmbeddingLayer,
    ProjectionHead,
    RadialBasis,
)
from hsegap.models.middle_fusion import ImprovedMiddleFusionModule, MiddleFusionModule
from hsegap.models.sums import sum_rows

if TYPE_CHECKING:
    from hsegap.models.batch import GraphBatch
    from hsegap.models.sums import Edges

#: Width of the PBE gap's head.
PBE_HEAD_WIDTH = 96


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
        text_vector: Projected text vector, facts included, that enters late fusion (``[B, 64]``; ``[B, 0]`` without
            text).
        pbe_gap: Estimate of the PBE gap from the structure alone, eV, ``[B]`` (``[0]`` without such a head).
        gap_without: The gap when nothing is told, neither text nor facts, ``[B]`` (``[0]`` unless asked for).
        embedding_without: ``graph_embedding`` when nothing is told, ``[B, H]`` (``[0]`` unless asked for).
        structure_atoms: The atoms' vectors before anything is told, ``[N, H]``.
        fused_atoms: The atoms' vectors after the last layer and all fusion among atoms, ``[N, H]``: the gap is read
            from their mean.
        fused_atoms_without: The same when nothing is told, ``[N, H]`` (``[0]`` unless asked for).
        text_vector_without: ``text_vector`` when nothing is told, ``[B, 64]`` (``[0]`` unless asked for).
    """

    gap: Tensor
    gates: Tensor
    importance: Tensor
    text_share: Tensor
    modality_weights: Tensor
    graph_embedding: Tensor
    graph_vector: Tensor
    text_vector: Tensor
    pbe_gap: Tensor
    gap_without: Tensor
    embedding_without: Tensor
    structure_atoms: Tensor
    fused_atoms: Tensor
    fused_atoms_without: Tensor
    text_vector_without: Tensor


class _Vectors(NamedTuple):
    """What the layers pass on.

    Vectors of atoms ``[N, H]``, bonds ``[E, H]`` and angles ``[T, line width]``, and the edges.
    """

    atoms: Tensor
    bonds: Tensor
    angles: Tensor
    graph: Edges
    line_graph: Edges


class _Told(NamedTuple):
    """What is known beside the structure: fused vector ``[B, 64]``, tokens and mask."""

    vector: Tensor
    tokens: Tensor
    mask: Tensor


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
        self.angle_embedding = self._embedding(-1.0, 1.0, config.triplet_input_features, config.line_features)
        if config.element_vectors:
            self.element_vectors = nn.Embedding(MAX_ATOMIC_NUMBER + 1, width)
            nn.init.zeros_(self.element_vectors.weight)
        if config.composition:
            self.composition = CompositionVector(config.atom_input_features, width)
        self.alignn_layers = nn.ModuleList(
            AlignnConvolution(width, config.graph_dropout, config.line_features) for _ in range(config.alignn_layers)
        )
        self.gcn_layers = nn.ModuleList(
            EdgeGatedConvolution(width, config.graph_dropout) for _ in range(config.gcn_layers)
        )
        if config.bond_readout:
            self.bond_readout = BondReadout(width)
        if config.pbe_head != "none":
            self.pbe_head = nn.Sequential(nn.Linear(width, PBE_HEAD_WIDTH), nn.SiLU(), nn.Linear(PBE_HEAD_WIDTH, 1))
        if not config.use_text:
            self.fc = nn.Linear(width, config.output_features)
            return

        self.graph_projection = ProjectionHead(width, PROJECTION_WIDTH)
        self.text_projection = ProjectionHead(config.text_features, PROJECTION_WIDTH)
        if config.no_text == "learned":
            self.no_text_vector = nn.Parameter(torch.zeros(config.text_features))
        if config.facts:
            self.fact_embedding = FactEmbedding(config, PROJECTION_WIDTH)
        module = ImprovedMiddleFusionModule if config.use_improved_middle_fusion else MiddleFusionModule
        self.middle_fusion_modules = nn.ModuleDict(
            {f"layer_{layer}": module(config, PROJECTION_WIDTH) for layer in config.fusion_layers}
        )
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

    def _embedding(self, low: float, high: float, bins: int, width: int | None = None) -> nn.Sequential:
        config = self.config
        return nn.Sequential(
            RadialBasis(low, high, bins),
            EmbeddingLayer(bins, config.embedding_features),
            EmbeddingLayer(config.embedding_features, width or config.hidden_features),
        )

    def forward(  # noqa: PLR0917 - what is told comes in pairs of a value and whether it is there
        self,
        batch: GraphBatch,
        tokens: Tensor | None = None,
        mask: Tensor | None = None,
        has_text: Tensor | None = None,
        fact_values: Tensor | None = None,
        fact_known: Tensor | None = None,
        *,
        without: bool = False,
    ) -> NetworkOutput:
        """Predict a batch.

        Args:
            batch: From :func:`hsegap.models.collate`.
            tokens: Text vectors ``[B, L, text width]`` float32; token 0 is the pooled (CLS) vector. May be None for a
                graph-only network.
            mask: ``[B, L]`` bool or int, nonzero where a token is real.
            has_text: ``[B]`` bool; where False the network's own vector for a missing text replaces the tokens. None
                means that every crystal has one. Ignored by ``encode_empty`` networks.
            fact_values: ``[B, F]`` float32, in the order of ``config.facts``. None where no fact is known.
            fact_known: ``[B, F]`` bool. None means all are known if values are given.
            without: Answer once more as if nothing had been told (``gap_without``); the layers before the first fusion
                are not repeated.

        Returns:
            The predictions, see :class:`NetworkOutput`.
        """
        config = self.config
        vectors = self._structure(batch)
        crystal_atoms = batch.crystal_atoms
        base = pbe = vectors.atoms.new_zeros(0)
        if config.pbe_head != "none":
            pbe = self.pbe_head(_mean(vectors.atoms, crystal_atoms)).squeeze(1).float()
        told, silence = None, {}
        if config.use_text:
            values, known = self._facts(crystal_atoms, fact_values, fact_known)
            told = self._told(tokens, mask, has_text, values, known)
            if config.pbe_head == "base":
                base = self._base(pbe, values, known)
            if without:
                silent = torch.zeros_like(crystal_atoms[:, 0], dtype=torch.bool)
                nothing = self._told(tokens, mask, silent, values, torch.zeros_like(known))
                alone = self._answer(batch, vectors, nothing, pbe if config.pbe_head == "base" else base)
                silence = {
                    "gap_without": alone.gap,
                    "embedding_without": alone.graph_embedding,
                    "fused_atoms_without": alone.fused_atoms,
                    "text_vector_without": alone.text_vector,
                }
        elif config.pbe_head == "base":
            base = pbe
        output = self._answer(batch, vectors, told, base)
        return output._replace(pbe_gap=pbe, **silence)

    def _structure(self, batch: GraphBatch) -> _Vectors:
        """Run the layers that come before the first fusion: all that does not depend on what is told."""
        config = self.config
        graph, line_graph = batch.edges()
        elements = self.element_features[batch.atomic_numbers]
        atoms = self.atom_embedding(elements)
        if config.element_vectors:
            atoms = atoms + self.element_vectors(batch.atomic_numbers)
        formula = self.composition(elements, batch) if config.composition else None
        if formula is not None:
            atoms = atoms + self.composition.write_first(formula)
        bonds = self.edge_embedding(batch.r.norm(dim=1))
        angles = bonds[:0]
        if config.alignn_layers:
            angles = self.angle_embedding(_angle_cosine(batch.r, batch.line_src, batch.line_dst))
        vectors = _Vectors(atoms, bonds, angles, graph, line_graph)
        for index in range(min(config.fusion_layers, default=config.n_layers - 1) + 1):
            vectors = self._layer(index, vectors)
        atoms = vectors.atoms
        if config.bond_readout:
            atoms = self.bond_readout(atoms, vectors.bonds, graph)
        if formula is not None:
            atoms = atoms + self.composition.write_last(formula)
        return vectors._replace(atoms=atoms)

    def _layer(self, index: int, vectors: _Vectors) -> _Vectors:
        """Run one layer; ALIGNN layers are counted first, then GCN layers."""
        config = self.config
        if index < config.alignn_layers:
            atoms, bonds, angles = self.alignn_layers[index](
                vectors.atoms,
                vectors.bonds,
                vectors.angles,
                vectors.graph,
                vectors.line_graph,
                update_angles=index < config.alignn_layers - 1,
            )
            return vectors._replace(atoms=atoms, bonds=bonds, angles=angles)
        layer = self.gcn_layers[index - config.alignn_layers]
        atoms, bonds = layer(vectors.atoms, vectors.bonds, vectors.graph, update_edges=index < config.n_layers - 1)
        return vectors._replace(atoms=atoms, bonds=bonds)

    def _answer(self, batch: GraphBatch, vectors: _Vectors, told: _Told | None, base: Tensor) -> NetworkOutput:
        """Fuse what is told, run the layers after the first fusion, and read the gap from the fused vectors."""
        config = self.config
        structure_atoms = vectors.atoms
        maps = []
        for index in range(min(config.fusion_layers, default=config.n_layers), config.n_layers):
            if index > config.fusion_layers[0]:
                vectors = self._layer(index, vectors)
            if index in config.fusion_layers and told is not None:
                fused = self.middle_fusion_modules[f"layer_{index}"](vectors.atoms, told.vector, batch.atom_crystal)
                vectors = vectors._replace(atoms=fused.atoms)
                maps.append(fused)
        atoms = vectors.atoms
        if told is not None and config.use_fine_grained_attention:
            atoms = self.fine_grained_attention(atoms, told.tokens, told.mask, batch.atom_crystal, batch.crystal_atoms)
        embedding = _mean(atoms, batch.crystal_atoms)
        text = embedding[:, :0] if told is None else told.vector
        gap, graph, weights = self.head(embedding, text, base)
        none = atoms[:, :0]
        return NetworkOutput(
            gap=gap,
            gates=torch.stack([fused.gate for fused in maps], dim=1) if maps else none,
            importance=torch.cat([fused.importance for fused in maps], dim=1) if maps else none,
            text_share=torch.stack([fused.text_share for fused in maps], dim=1) if maps else none,
            modality_weights=weights,
            graph_embedding=embedding,
            graph_vector=graph,
            text_vector=text,
            pbe_gap=base[:0],
            gap_without=base[:0],
            embedding_without=base[:0],
            structure_atoms=structure_atoms,
            fused_atoms=atoms,
            fused_atoms_without=base[:0],
            text_vector_without=base[:0],
        )

    def head(self, embedding: Tensor, text: Tensor, base: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read the gap from the pooled vectors: projection, late fusion, last layer.

        Args:
            embedding: Mean of the atoms' vectors after the last layer, ``[B, H]``.
            text: What is told, ``[B, 64]``; not read by a graph-only network.
            base: What the gap is counted from, eV, ``[B]``; read with ``pbe_head`` ``base`` only.

        Returns:
            Gap ``[B]``, projected graph vector ``[B, 64]`` (``[B, 0]`` without text) and late fusion's weights
            ``[B, 2]``.
        """
        if self.config.use_text:
            graph = self.graph_projection(embedding)
            mixed, weights = self._late_fusion(graph, text)
        else:
            graph, mixed = embedding[:, :0], embedding
            weights = torch.cat([torch.ones_like(embedding[:, :1]), torch.zeros_like(embedding[:, :1])], dim=1)
        output = self.fc(mixed).squeeze(1)
        return self._link(output.float() + base if self.config.pbe_head == "base" else output), graph, weights

    def _facts(self, crystal_atoms: Tensor, values: Tensor | None, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """Fill in what was not given: no fact is known."""
        n_facts = len(self.config.facts)
        if values is None:
            values = torch.zeros_like(crystal_atoms[:, :1], dtype=torch.float32).expand(-1, n_facts)
            known = torch.zeros_like(values, dtype=torch.bool)
        if known is None:
            known = torch.ones_like(values, dtype=torch.bool)
        return values, known.to(torch.bool)

    def _told(
        self, tokens: Tensor | None, mask: Tensor | None, has_text: Tensor | None, values: Tensor, known: Tensor
    ) -> _Told:
        """The vector of text and facts: the sum of both, so that either can be missing."""
        tokens, mask = self._texts(tokens, mask, has_text)
        vector = self.text_projection(tokens[:, 0])
        if self.config.facts:
            vector = vector + self.fact_embedding(values, known)
        return _Told(vector, tokens, mask)

    def _base(self, pbe: Tensor, values: Tensor, known: Tensor) -> Tensor:
        """What the HSE gap is counted from: the stated PBE gap, else the estimate, ``[B]``."""
        if "pbe_gap_ev" not in self.config.facts:
            return pbe
        column = self.config.facts.index("pbe_gap_ev")
        return torch.where(known[:, column], values[:, column], pbe)

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


def _mean(atoms: Tensor, crystal_atoms: Tensor) -> Tensor:
    """Mean of the atoms ``[N, H]`` of each crystal, ``[B, H]``."""
    n_atoms = (crystal_atoms < atoms.shape[0]).sum(dim=1, keepdim=True)
    return sum_rows(atoms, crystal_atoms) / n_atoms.to(atoms.dtype)


def _angle_cosine(r: Tensor, line_src: Tensor, line_dst: Tensor) -> Tensor:
    """Cosine of the angle between the way back and the way on, ``clamp(-r1·r2 / (|r1||r2|), -1, 1)``, ``[T]``."""
    unit = r / r.norm(dim=1, keepdim=True)
    return (-(unit[line_src] * unit[line_dst]).sum(dim=1)).clamp(-1.0, 1.0)
